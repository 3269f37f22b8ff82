"""Generated handwriting: no download, any amount, always the same for the same seed.

Two ways to draw: pen strokes, from the single-line Hershey fonts, deformed as a hand does; or handwriting fonts from
a folder. Paper, ruling and ink are the same for both.
"""

from .drawing import draw_line, draw_page
from .fonts import family_of, find_fonts
from .lines import generate_lines
from .text import english_sentences

__all__ = ["draw_line", "draw_page", "english_sentences", "family_of", "find_fonts", "generate_lines"]
