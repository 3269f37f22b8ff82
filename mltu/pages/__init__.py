"""Lines of a page: found by :func:`find_lines`, cut out by :func:`cut_line`.

`paper` brings the image of a page to ink, `lines` gathers ink into lines in reading order, `outlines` draws around
them, and `crop` cuts a line out.
"""

from .crop import cut_line, slope_of
from .lines import TextLine, find_lines

__all__ = ["TextLine", "cut_line", "find_lines", "slope_of"]
