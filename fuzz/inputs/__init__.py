"""What the fuzzer tries on each reader: valid files, ways to spoil them, and known attacks.

Everything is made here, from a seed, so that an input is the same wherever and whenever it is made.
"""

from .alto import ALTO_FILES
from .base import Target
from .images import IMAGES
from .language import LANGUAGE_MODEL, LEXICON
from .models import ONNX
from .pages import PAGES
from .settings import YAML
from .tables import IAM, LISTS, TABLE

TARGETS: dict[str, Target] = {
    "images": IMAGES,
    "pages": PAGES,
    "yaml": YAML,
    "table": TABLE,
    "iam": IAM,
    "lists": LISTS,
    "alto": ALTO_FILES,
    "onnx": ONNX,
    "lm": LANGUAGE_MODEL,
    "lexicon": LEXICON,
}
