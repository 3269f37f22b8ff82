"""Reading files, and writing what they say in one of the formats, with pictures of it if wanted."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .formats import FORMATS
from .inputs import list_files, read_pages
from .loading.workers import map_ahead
from .outputs import Results, page_path, page_targets
from .pictures.annotate import annotate
from .readings import PageReading
from .recognizer import LineRecognizer
from .utils.console import print_error, print_note
from .utils.errors import InputError
from .utils.files import make_folder
from .utils.image_utils import encode_jpeg, to_bgr, write_png
from .utils.progress import ProgressBar

if TYPE_CHECKING:
    from .cluster import Cluster


def transcribe(
    model: LineRecognizer,
    names: Sequence[str],
    output: str | None = None,
    format_name: str = "text",
    layout: str = "auto",
    picture_folder: str | None = None,
    min_confidence: float = 0.0,
    settings: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    cluster: Cluster | None = None,
) -> int:
    """Read files and write what they say; those that cannot be read are reported on standard error and skipped.

    Args:
        model: that reads.
        names: of the files, as for :func:`.list_files`.
        output: as for :class:`.Results`, which also says how a stopped run is continued.
        format_name: one of `FORMATS`.
        layout: as for :meth:`.LineRecognizer.predict_page`.
        picture_folder: where each page is drawn with its lines and words; None for nowhere.
        min_confidence: below which a word is marked as doubtful.
        settings: what the decoder depends on, as JSON has it; output of a run with others is not continued.
        overwrite: replace what is there, whatever it is.
        cluster: reads in place of the model, which must be the same.

    Returns:
        Number of files that could not be read, or not to the end.

    Raises:
        InputError: the output or the pictures cannot be written, or would replace inputs.
    """
    files, complaints, notes = list_files(names)
    for complaint in complaints:
        print_error(complaint)
    for note in notes:
        print_note(note)
    failed = len(complaints)
    pictures = page_targets(files, picture_folder, ".png") if picture_folder else {}
    if set(map(os.path.realpath, files)) & set(map(os.path.realpath, pictures.values())):
        raise InputError(f"{picture_folder}: inputs there would be lost; choose another folder with --annotate")
    if picture_folder:
        make_folder(picture_folder, "--annotate")

    with_images = FORMATS[format_name].with_pictures
    read = partial(transcribe_file, layout=layout, min_confidence=min_confidence, with_images=with_images)
    settings = {"model": model.digest, "layout": layout, **(settings or {})}
    undrawn = [file for file, picture in pictures.items() if not picture.exists()]
    with (
        Results(output, format_name, files, print_text, min_confidence, settings, overwrite, undrawn) as results,
        ThreadPoolExecutor(model.threads, thread_name_prefix="file") as pool,
        ProgressBar(total=len(files), desc="Reading", unit="file", disable=len(files) < 2) as bar,
    ):
        remaining = [file for file in files if file not in results.done]
        bar.update(len(files) - len(remaining))
        if results.done or results.changed:
            changed = f"; {len(results.changed)} are read again" if results.changed else ""
            print_note(f"{len(results.done)} of {len(files)} files are in {output} already{changed}")
        lines, start = 0, time.monotonic()
        jobs = [(file, pictures.get(file)) for file in remaining]
        if cluster:
            readings = cluster.read(read, jobs)
        else:
            readings = map_ahead(pool, lambda job: read(model, *job), jobs, 2 * model.threads)
        for file, (pages, error) in zip(remaining, readings, strict=True):
            if error is not None:
                print_error(error)
                failed += 1
            if pages:
                results.write(file, pages, complete=error is None)
            lines += sum(len(page.lines) for page in pages)
            bar.set_postfix_str(f"{lines / (time.monotonic() - start):.1f} lines/s", refresh=False)
            bar.update()
    return failed


def transcribe_file(
    model: LineRecognizer,
    name: str,
    picture: Path | None = None,
    layout: str = "auto",
    min_confidence: float = 0.0,
    with_images: bool = False,
    folder: str = "",
) -> tuple[list[PageReading], InputError | None]:
    """Read all pages of a file.

    Args:
        model: that reads.
        name: of the file, or "-" for standard input.
        picture: PNG file to draw the first page in, beside which those of further pages stand; None for none.
        layout: as for :meth:`.LineRecognizer.predict_page`.
        min_confidence: below which a word is drawn as doubtful.
        with_images: give the pages their images as JPEG files.
        folder: from which relative paths lead; by default the current one.

    Returns:
        The pages that could be read, and what went wrong after them.
    """
    pages = []
    try:
        for number, image in enumerate(read_pages(name, folder), start=1):
            page = model.predict_page(image, layout, name, number)
            if with_images:
                page = replace(page, picture=encode_jpeg(image))
            pages.append(page)
            if picture:
                target = page_path(Path(folder, picture), number)
                target.parent.mkdir(parents=True, exist_ok=True)
                write_png(target, annotate(to_bgr(image), page, min_confidence))
    except InputError as error:
        return pages, error
    return pages, None


def print_text(text: str) -> None:
    """Print to standard output without adding a line end, above a progress bar if there is one."""
    ProgressBar.write(text, file=sys.stdout, end="")
    sys.stdout.flush()
