"use strict";
// What is typed is kept in the browser under the line's digest, so that a closed tab loses nothing.
document.addEventListener("DOMContentLoaded", () => {
  const lines = [...document.querySelectorAll(".line")];
  const status = document.querySelector("#status");
  const parts = (line) => [line.querySelector("textarea"), line.querySelector("input")];
  let stored = true;

  function show() {
    const checked = lines.filter((line) => parts(line)[1].checked).length;
    status.textContent = `${checked} of ${lines.length} lines checked`;
  }

  function mark(line, checked) {
    const [field, box] = parts(line);
    box.checked = checked;
    line.classList.toggle("checked", checked);
    try {
      localStorage.setItem(line.dataset.key, JSON.stringify({ text: field.value, checked }));
    } catch {
      stored = false;
    }
    show();
  }

  function restore(line) {
    const [field, box] = parts(line);
    try {
      const kept = JSON.parse(localStorage.getItem(line.dataset.key));
      if (kept) [field.value, box.checked] = [String(kept.text), Boolean(kept.checked)];
    } catch {
      stored = false;
    }
    line.classList.toggle("checked", box.checked);
  }

  function go(index) {
    const line = lines[index];
    if (!line) return document.querySelector("#save").focus();
    parts(line)[0].focus();
    line.scrollIntoView({ block: "nearest" });
  }

  lines.forEach((line, index) => {
    const [field, box] = parts(line);
    restore(line);
    field.addEventListener("input", () => {
      field.value = field.value.replace(/[\r\n]+/g, " ");
      mark(line, true);
    });
    field.addEventListener("keydown", (event) => {
      if (event.isComposing || event.key !== "Enter") return;
      event.preventDefault();
      if (!event.shiftKey) mark(line, true);
      go(event.shiftKey ? Math.max(0, index - 1) : index + 1);
    });
    box.addEventListener("change", () => mark(line, box.checked));
    line.querySelectorAll("mark").forEach((word) =>
      word.addEventListener("click", () => {
        const start = field.value.indexOf(word.textContent);
        field.focus();
        if (start >= 0) field.setSelectionRange(start, start + word.textContent.length);
      }),
    );
  });

  // A ZIP archive without compression: the pictures are compressed already.
  const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
    for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
    return n;
  });

  function crc32(bytes) {
    let crc = 0xffffffff;
    for (const byte of bytes) crc = CRC[(crc ^ byte) & 255] ^ (crc >>> 8);
    return (crc ^ 0xffffffff) >>> 0;
  }

  function record(signature, fields) {
    const view = new DataView(new ArrayBuffer(4 + fields.reduce((sum, [size]) => sum + size, 0)));
    view.setUint32(0, signature, true);
    let at = 4;
    for (const [size, value] of fields) {
      size === 2 ? view.setUint16(at, value, true) : view.setUint32(at, value, true);
      at += size;
    }
    return new Uint8Array(view.buffer);
  }

  function zip(files) {
    const [body, directory] = [[], []];
    let [offset, directorySize] = [0, 0];
    for (const [name, bytes] of files) {
      const path = new TextEncoder().encode(name);
      // version 2.0, UTF-8 names, stored, midnight of 1 January 1980, checksum, sizes, lengths of name and extra
      const common = [[2, 20], [2, 0x800], [2, 0], [2, 0], [2, 33], [4, crc32(bytes)], [4, bytes.length],
        [4, bytes.length], [2, path.length], [2, 0]];
      const local = record(0x04034b50, common);
      const central = record(0x02014b50, [[2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]]);
      body.push(local, path, bytes);
      directory.push(central, path);
      offset += local.length + path.length + bytes.length;
      directorySize += central.length + path.length;
    }
    const end = record(0x06054b50, [[2, 0], [2, 0], [2, files.length], [2, files.length], [4, directorySize],
      [4, offset], [2, 0]]);
    return new Blob([...body, ...directory, end], { type: "application/zip" });
  }

  const quoted = (text) => `"${text.replaceAll('"', '""')}"`;

  function save() {
    const kept = lines.filter((line) => parts(line)[1].checked && parts(line)[0].value.trim());
    if (!kept.length) {
      status.textContent = "No line is checked yet: correct one, or press Enter where it is right";
      return;
    }
    const rows = kept.map((line) => `${quoted(line.dataset.name)},${quoted(parts(line)[0].value.trim())}\r\n`);
    const files = [["lines.csv", new TextEncoder().encode("image,text\r\n" + rows.join(""))]];
    for (const line of kept) {
      const binary = atob(line.querySelector("img").src.split(",")[1]);
      files.push([line.dataset.name, Uint8Array.from(binary, (character) => character.charCodeAt(0))]);
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(zip(files));
    link.download = `${document.body.dataset.name}.zip`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    stored = true;
    status.textContent = `${kept.length} lines saved in ${link.download}`;
  }

  document.querySelector("#save").addEventListener("click", save);
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key !== "s") return;
    event.preventDefault();
    save();
  });
  addEventListener("beforeunload", (event) => stored || event.preventDefault());
  show();
});
