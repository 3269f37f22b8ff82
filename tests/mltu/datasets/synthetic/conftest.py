"""Fonts of the tests' own making."""

from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen


@pytest.fixture(scope="session")
def font_folder(tmp_path_factory):
    """Two fonts: boxes for the letters a to e, in TTF and WOFF."""
    folder = tmp_path_factory.mktemp("fonts")
    for name, letters, flavor in (("ae.ttf", "abcde", None), ("small/ab.woff", "ab", "woff")):
        builder = FontBuilder(1000, isTTF=True)
        names = [".notdef", "space", *letters]
        builder.setupGlyphOrder(names)
        builder.setupCharacterMap({32: "space"} | {ord(letter): letter for letter in letters})
        glyphs = {}
        for index, glyph in enumerate(names):
            pen = TTGlyphPen(None)
            if glyph != "space":
                height = 300 + 50 * index
                pen.moveTo((50, 0))
                for point in ((50, height), (400, height), (400, 0)):
                    pen.lineTo(point)
                pen.closePath()
            glyphs[glyph] = pen.glyph()
        builder.setupGlyf(glyphs)
        builder.setupHorizontalMetrics(dict.fromkeys(names, (500, 50)))
        builder.setupHorizontalHeader(ascent=800, descent=-200)
        builder.setupNameTable({"familyName": name, "styleName": "Regular"})
        builder.setupOS2()
        builder.setupPost()
        builder.font.flavor = flavor
        (folder / name).parent.mkdir(exist_ok=True)
        builder.save(folder / name)
    return folder


@pytest.fixture(scope="session")
def stroke_font(tmp_path_factory) -> Path:
    """A single-line font in which a is a bar of 500 units above the baseline, o a curve below it, and . a dot."""
    path = tmp_path_factory.mktemp("stroke_fonts") / "bars.svg"
    path.write_text(
        """<?xml version="1.0"?>
        <!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
        <svg xmlns="http://www.w3.org/2000/svg"><defs><font horiz-adv-x="400"><missing-glyph/>
        <glyph unicode=" "/><glyph unicode="a" d="M 100 0 L 100 250 L 100 500"/>
        <glyph unicode="o" horiz-adv-x="800" d="M 0 500 C 0 -166.67 600 -166.67 600 500"/>
        <glyph unicode="fi" d="M 0 0 L 9 9"/><glyph unicode="b"/>
        </font></defs></svg>"""
    )
    return path
