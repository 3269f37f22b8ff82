"""Lines of a page: found by :func:`find_lines`, cut out by :func:`cut_line`, saved by :func:`encode_line`.

`finder` runs the network, `maps` says what it predicts, `decode` makes lines of that, `order` puts them in reading
order, and `crop` cuts a line out, straightened. `tilt` levels an image of a single line.
"""

from .crop import cut_line, encode_line, slope_of
from .finder import LineFinder, TextLine, find_lines
from .tilt import find_tilted_line, level_line

__all__ = [
    "LineFinder",
    "TextLine",
    "cut_line",
    "encode_line",
    "find_lines",
    "find_tilted_line",
    "level_line",
    "slope_of",
]
