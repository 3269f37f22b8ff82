"""Fonts of the tests' own making."""

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
