"""Web pages of one file: templates with escaped values, and images inside of the page."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

TEMPLATES = Path(__file__).parents[1] / "templates"


class EmbeddedImage(NamedTuple):
    """An image as a data URI, with the size in pixels at which it is shown."""

    src: str
    width: int
    height: int

    @classmethod
    def of(cls, content: bytes, kind: str, width: int, height: int) -> EmbeddedImage:
        """Embed the content of an image file of a kind such as "png"."""
        return cls(f"data:image/{kind};base64,{base64.b64encode(content).decode()}", width, height)


def render(template: str, filters: Mapping[str, Callable] | None = None, **values: Any) -> str:
    """A template of mltu/templates with these values, which are escaped; a value that is missing raises an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # slow to import, and most commands need none

    blocks = {"trim_blocks": True, "lstrip_blocks": True}
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, **blocks)
    environment.filters |= filters or {}
    return environment.get_template(template).render(values)
