"""Tables that come with their images in one ZIP file, as the page for corrections saves them."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from ..utils.errors import InputError
from ..utils.files import one_at_a_time
from ..utils.image_utils import IMAGE_ENDINGS, checked_file

TABLE_ENDINGS = (".csv", ".tsv")
MAX_UNPACKED = 1 << 32  # bytes of all files together


def is_archive(path: str | Path) -> bool:
    """Whether a file is a ZIP file, by its ending."""
    return Path(path).suffix.lower() == ".zip"


def unpack_table(path: str | Path, folder: str | Path) -> Path:
    """Unpack the one table in a ZIP file, and the images in it, into a folder named after the file's content.

    Returns:
        Path of the table.

    Raises:
        InputError: not a ZIP file, damaged, encrypted, larger than 4 GB when unpacked, without a table or with several.
    """
    archive = checked_file(path)
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = [entry for entry in opened.infolist() if not entry.is_dir()]
            tables = [entry.filename for entry in entries if _ending(entry.filename) in TABLE_ENDINGS]
            if len(tables) != 1:
                found = f"{len(tables)} tables" if tables else "no table"
                raise InputError(
                    f"{path}: {found} in it; it should hold one CSV or TSV file, image,text, and the images"
                )
            if sum(entry.file_size for entry in entries) > MAX_UNPACKED:
                raise InputError(f"{path}: more than {MAX_UNPACKED >> 30} GB when unpacked; unpack it yourself")
            target = Path(folder) / hashlib.sha256(archive.read_bytes()).hexdigest()[:12]
            target.mkdir(parents=True, exist_ok=True)
            with one_at_a_time(target):
                # extract() keeps every name within the folder, and says what became of it
                for entry in entries:
                    if _ending(entry.filename) in IMAGE_ENDINGS:
                        opened.extract(entry, target)
                return Path(opened.extract(tables[0], target))
    except InputError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise InputError(
            f"{path}: not a ZIP file that can be unpacked ({' '.join(str(error).split())[:100]})"
        ) from None
    except OSError as error:
        raise InputError(f"{folder}: {path} cannot be unpacked there ({error.strerror})") from None


def _ending(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
