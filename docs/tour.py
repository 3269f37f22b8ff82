"""Update the line counts of the tour in README.md and docs/tour.md.

python docs/tour.py
python docs/tour.py --check      changes nothing; exit code 1 if a count is wrong
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", ROOT / "docs" / "tour.md")
# "[`model.py`](model.py), 171 lines", or the sum of all entries above it, "Together 2,345 lines"
COUNT = re.compile(r"(?P<before>\]\((?P<path>[^)]+)\), |Together )(?P<count>[\d,]+|\?)(?= lines)")


def count_lines(path: Path) -> int:
    """Lines of a file, or of all Python files below a folder."""
    files = path.rglob("*.py") if path.is_dir() else [path]
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)


def with_counts(page: Path) -> str:
    """The text of a page with the line counts as they are now; entries whose file does not exist get a `?`."""
    total = 0

    def replace(found: re.Match) -> str:
        nonlocal total
        if found["path"] is None:
            return f"{found['before']}{total:,}"
        path = page.parent / found["path"]
        if not path.exists():
            print(f"{page}: {found['path']} does not exist", file=sys.stderr)
            return f"{found['before']}?"
        lines = count_lines(path)
        total += lines
        return f"{found['before']}{lines:,}"

    return COUNT.sub(replace, page.read_text(encoding="utf-8"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 if a count is wrong")
    check = parser.parse_args().check
    texts = {page: with_counts(page) for page in PAGES}
    outdated = [page for page, text in texts.items() if "? lines" in text or text != page.read_text(encoding="utf-8")]
    for page in outdated:
        if not check:
            page.write_text(texts[page], encoding="utf-8")
        print(f"{page}: {'wrong line counts; run python docs/tour.py' if check else 'updated'}")
    return int(check and bool(outdated))


if __name__ == "__main__":
    sys.exit(main())
