"""The small install: what reading imports, what the package and the image hold, reading from any folder."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from fnmatch import fnmatch

import pytest
import yaml

import mltu
from helpers import ROOT, SAMPLES, run_script

IMPORT_NAMES = {"opencv-python-headless": "cv2", "pillow": "PIL", "pyyaml": "yaml"}  # where not that of the package
READ = """
import importlib.abc, json, site, sys

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

BLOCKED = json.loads(sys.argv[1])
sys.meta_path.insert(0, Blocked())
import inferenceModel
codes = [inferenceModel.main(json.loads(args)) for args in sys.argv[2:]]
folders = tuple(site.getsitepackages())
files = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
packages = sorted({name.split(".")[0] for name, file in files.items() if file.startswith(folders)})
print(json.dumps([codes, packages]), file=sys.stderr)
"""


def requirements(name):
    """Names of the packages in a requirements file, without those of a file that it includes."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [re.match(r"[\w-]+", line)[0].lower() for line in lines if line and line[0] not in "#-"]


def import_name(package):
    return IMPORT_NAMES.get(package, package.replace("-", "_"))


def test_requirements_name_each_package_once():
    files = ["requirements-read.txt", "requirements.txt", "requirements-dev.txt"]
    for file, included in zip(files[1:], files, strict=False):
        assert f"-r {included}" in (ROOT / file).read_text(encoding="utf-8").splitlines()
    names = sum(map(requirements, files), [])
    assert len(set(names)) == len(names)
    assert not {"tensorflow", "keras", "matplotlib", "onnx"} & {*requirements(files[0])}


def test_reading_imports_nothing_but_its_requirements(tmp_path):
    allowed = {import_name(name) for name in requirements("requirements-read.txt")}
    needed = [re.match(r"[\w-]+", text)[0] for text in importlib.metadata.requires("onnxruntime")]
    allowed |= {import_name(name) for name in (*needed, "markupsafe", "google", "pypdfium2_raw")}
    rest = {import_name(name) for file in ("requirements.txt", "requirements-dev.txt") for name in requirements(file)}
    blocked = [*(rest - allowed), "HersheyFonts"]
    line, page = str(SAMPLES / "line01.jpg"), str(SAMPLES / "page.jpg")
    calls = [
        [line],
        [page, "--format", "alto", "--output", str(tmp_path / "alto"), "--annotate", str(tmp_path / "seen")],
        [page, "--output", str(tmp_path / "page.json"), "--min_confidence", "0.5"],
        ["--csv", str(SAMPLES / "lines.csv")],
    ]
    command = [sys.executable, "-c", READ, json.dumps(blocked), *map(json.dumps, calls)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    codes, packages = json.loads(done.stderr.splitlines()[-1])
    assert codes == [0] * len(calls)
    assert {"numpy", "onnxruntime", "cv2"} <= {*packages} <= allowed | {"_distutils_hack"}
    assert (tmp_path / "seen" / "page.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("args", "package"),
    [(["x.png", "--report", "r"], ""), (["--csv", "x.csv", "--report", "r"], "matplotlib"),
     (["--csv", "x.csv", "--calibrate"], "onnx"), (["x.png", "--cluster", "local"], "distributed")],
)  # fmt: skip
def test_options_that_need_more_say_so_before_they_read(args, package, monkeypatch, capsys):
    import inferenceModel

    monkeypatch.setattr(inferenceModel, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        inferenceModel.main(args)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert (f"needs {package}, which reading does without: pip install " if package else "goes with --csv") in told


@pytest.mark.parametrize(
    "args", [["line01.jpg"], ["--image", "line01.jpg"], ["--line", "line01.jpg", "--threads", "1"]]
)
def test_reading_works_from_any_folder(args, tmp_path, pretrained):
    (tmp_path / "line01.jpg").write_bytes((SAMPLES / "line01.jpg").read_bytes())
    (tmp_path / "Models" / "pretrained").mkdir(parents=True)  # of something else
    done = run_script("inferenceModel.py", *args, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{pretrained.read(SAMPLES / 'line01.jpg').text}\n" != "\n"


def test_reading_leaves_nothing_in_the_home_folder(tmp_path):
    homes = dict.fromkeys(("HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_CACHE_HOME"), str(tmp_path))
    done = run_script("inferenceModel.py", SAMPLES / "line01.jpg", **homes)
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(tmp_path.iterdir())
    command = [sys.executable, "-c", "import os, mltu; print(os.environ['ORT_DISABLE_TELEMETRY'])"]
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment).stdout == "1\n"


def test_package_holds_what_exists():
    tomllib = pytest.importorskip("tomllib", reason="came with Python 3.11")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    for path in (*wheel["include"], *wheel["exclude"], *wheel["force-include"], *project["project"]["license-files"]):
        assert (ROOT / path).exists(), path
    assert "mltu/Models/pretrained/model.onnx" in wheel["force-include"].values()
    assert project["tool"]["hatch"]["metadata"]["hooks"]["requirements_txt"]["files"] == ["requirements-read.txt"]
    (command,) = project["project"]["scripts"].values()
    module, function = command.split(":")
    assert callable(getattr(__import__(module), function))
    assert re.search(r'^__version__ = "\d+\.\d+\.\d+"$', (ROOT / "mltu/__init__.py").read_text(), re.MULTILINE)
    assert mltu.__version__


def is_copied(path):
    """Whether .dockerignore lets a path into the image: the last line that matches it, or a folder of it, decides."""
    copied = True
    parts = path.split("/")
    above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        if line and line[0] != "#" and any(
            fnmatch(name, pattern) and name.count("/") == pattern.count("/") for name in above
        ):  # fmt: skip
            copied = line[0] == "!"
    return copied


def test_image_holds_what_reads_and_nothing_else():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    copied = {path for path in tracked if is_copied(path)}
    assert {"inferenceModel.py", "mltu/recognizer.py", "mltu/templates/report.html", "requirements-read.txt"} <= copied
    assert {"Models/pretrained/model.onnx", "mltu/pictures/fonts/DejaVuSans.ttf"} <= copied
    assert not [path for path in copied if path.startswith(("tests", "mltu/tensorflow", "Datasets", "train"))]
    assert "Models/pretrained/model.keras" not in copied
    assert not is_copied("Models/mine/model.onnx")
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        assert line[:1] != "!" or list(ROOT.glob(line[1:])), line


def test_dockerfile_copies_files_that_exist_and_runs_as_no_root():
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and line[0] != "#"]
    sources = [source for step, rest in steps if step == "COPY" for source in rest.split()[:-1]]
    assert sources
    assert all((ROOT / source).exists() and (source == "." or is_copied(source)) for source in sources)
    assert dict(steps)["USER"] not in ("root", "0")
    assert yaml.safe_load(dict(steps)["ENTRYPOINT"]) == ["python", "/app/inferenceModel.py"]
    assert [step for step, _ in steps].index("USER") > max(i for i, (step, _) in enumerate(steps) if step == "RUN")
