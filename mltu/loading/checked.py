"""What earlier runs found when they checked lines, so that images that have not changed need not be opened again."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import cv2
import PIL

from ..annotations import images
from ..utils import image_utils
from ..utils.files import write_atomic

MIN_LINES = 1000  # to be worth a file; fewer lines are checked in seconds
MAX_FILES = 8  # in the cache folder, one for each dataset with its settings


class CheckedLines:
    """The shapes that lines have after preprocessing, in a file of the user's cache folder.

    A line counts as checked as long as the path, size and time of its image, its text, the steps and their code, and
    the versions of OpenCV and Pillow are the same. Lines that cannot be used are not kept, so they are tried each time.
    A file that is missing or damaged is as good as an empty one.

    Args:
        steps: preprocessors and transformers of the check; where they cannot be pickled, nothing is kept.
        recheck: take nothing from the file, but write it.
    """

    def __init__(self, steps: Sequence[Callable], recheck: bool = False) -> None:
        self.path = _file_for(steps)
        self.found = 0  # lines that need not be checked
        self._known: dict[str, list[int]] = {}
        self._used: dict[str, Sequence[int]] = {}
        if self.path and not recheck:
            with suppress(OSError, ValueError, RecursionError):
                known = json.loads(self.path.read_bytes())
                self._known = known if isinstance(known, dict) else {}

    def find(self, sample: Sequence) -> tuple[int, ...] | None:
        """The shape of a line's data; None if the line has to be checked."""
        key = self._known and _key(sample)
        shape = self._known.get(key) if key else None
        if not isinstance(shape, list) or not all(type(side) is int and side > 0 for side in shape):
            return None
        self.found += 1
        self._used[key] = shape
        return tuple(shape)

    def add(self, sample: Sequence, shape: Sequence[int]) -> None:
        """Note that a line was checked and can be used."""
        if self.path and (key := _key(sample)):
            self._used[key] = shape

    def save(self) -> None:
        """Write the lines of this run to the file."""
        if self.path is None or len(self._used) < MIN_LINES or self._used == self._known:
            return
        with suppress(OSError):  # the next run will take longer, which is all
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.path, json.dumps(self._used).encode())
            files = sorted(self.path.parent.glob("*.json"), key=lambda file: file.stat().st_mtime)
            for file in files[:-MAX_FILES]:
                file.unlink()


def _key(sample: Sequence) -> str | None:
    """Digest of a line with the state of its image file; None if there is none."""
    try:
        path = os.path.abspath(sample[0])
        status = os.stat(path)
    except (OSError, TypeError, ValueError):
        return None
    state = f"{path}\0{sample[1]}\0{status.st_size}\0{status.st_mtime_ns}"
    return hashlib.blake2b(state.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()


def _file_for(steps: Sequence[Callable]) -> Path | None:
    modules = {sys.modules[type(step).__module__] for step in steps} | {image_utils, images}
    try:
        sources = sorted(Path(module.__file__).read_bytes() for module in modules)
        content = pickle.dumps((list(steps), sources, cv2.__version__, PIL.__version__))
        base = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME") or Path.home() / ".cache"
    except (AttributeError, OSError, RuntimeError, TypeError, pickle.PicklingError):
        return None
    return Path(base, "handwriting-to-text", "checked", hashlib.sha256(content).hexdigest()[:32] + ".json")
