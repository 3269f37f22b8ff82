"""Pages with transcriptions, in ALTO and PAGE."""

from __future__ import annotations

import shutil
from functools import cache, partial
from pathlib import Path

from mltu.datasets import read_alto

from .base import OUTSIDE, SECRET, Attacks, Input, Target
from .images import plain_images

ALTO = (
    '<?xml version="1.0" encoding="UTF-8"?>{dtd}<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#"><Description>'
    "<sourceImageInformation><fileName>{name}</fileName></sourceImageInformation></Description><Layout>"
    '<Page WIDTH="400" HEIGHT="300"><PrintSpace><TextBlock>{lines}</TextBlock></PrintSpace></Page></Layout></alto>'
)
LINE = (
    '<TextLine ID="l1" HPOS="20" VPOS="20" WIDTH="300" HEIGHT="40">{shape}<String CONTENT="{text}"/><SP/>'
    '<String CONTENT="line"/></TextLine>'
)
SHAPE = '<Shape><Polygon POINTS="{points}"/></Shape>'
PAGE = (
    '<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"><Page imageFilename="{name}" '
    '{size}><TextRegion id="r">{lines}</TextRegion></Page></PcGts>'
)
PAGE_SIZE = 'imageWidth="400" imageHeight="300"'
PAGE_LINE = (
    '<TextLine id="l"><Coords points="{points}"/>{more}<TextEquiv><Unicode>text</Unicode></TextEquiv></TextLine>'
)
BASELINE = '<Baseline points="{points}"/>'
POLYGON = "20,100 320 100 320 140 20 140"
XML_TOKENS = (
    *(b"TextLine", b"Coords", b"Baseline", b"points", b"imageWidth", b"TextEquiv", b"<HYP/>", b"1e308", b"%20"),
    *(b"&l;", b"&#0;", b"&#xd800;", b"&amp;", b"]]>", b"<![CDATA[", b"<!--", b"<a>", b"</a>", b"<?x?>", b'<a b="'),
    *(b"<!DOCTYPE alto>", b'<!ENTITY x SYSTEM "../secret.xml">', b"../secret.png", b"POINTS", b"nan"),
)


def alto_page(name: str = "page.png", dtd: str = "", shape: str = "", text: str = "a", lines: str = "") -> bytes:
    lines = lines or LINE.format(shape=shape, text=text)
    return ALTO.format(name=name, dtd=dtd, lines=lines).encode("utf-8", "surrogatepass")


def page_page(
    more: str = "", points: str = "1,2 300,2 300,99", name: str = "page.png", size: str = PAGE_SIZE, lines: str = ""
) -> bytes:
    lines = lines or PAGE_LINE.format(points=points, more=more)
    return PAGE.format(name=name, size=size, lines=lines).encode("utf-8", "surrogatepass")


@cache
def alto_files() -> list[Input]:
    line = LINE.format(shape=SHAPE.format(points=POLYGON), text="first")
    return [
        Input("pages/a.xml", alto_page(lines=line + LINE.format(shape="", text="second"))),
        Input("pages/a.xml", alto_page(shape=SHAPE.format(points=POLYGON))),
        Input("pages/a.xml", alto_page(lines=line.replace("<TextLine", '<TextLine BASELINE="20 50 200 90"'))),
        Input("pages/a.xml", page_page()),
        Input("pages/a.xml", page_page(BASELINE.format(points="20,90 200,20"), "")),
        Input("pages/a.xml", page_page(BASELINE.format(points="200,20 20,20"), size="")),
    ]


def laughs(word: str = "lol", levels: int = 12) -> str:
    """A document type whose last entity stands for the word ten to the power of the levels times."""
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, levels))
    return f'<!DOCTYPE alto [<!ENTITY l0 "{word}">{entities}]>'


@cache
def alto_attacks() -> Attacks:
    def shaped(points: str) -> bytes:
        return alto_page(shape=SHAPE.format(points=points))

    def outer(entity: str, text: str = "&x;") -> bytes:
        return alto_page(dtd=f"<!DOCTYPE alto [{entity}]>", text="a", name=text)

    secret = f'"{SECRET}.xml"'
    include = f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href={secret} parse="text"/>'
    nested = LINE.format(shape="", text="a").removesuffix("</TextLine>")
    contents = {
        "laughs": partial(alto_page, dtd=laughs(), name="&l11;"),
        "quadratic": partial(alto_page, dtd=laughs("x" * 50_000, 1), name="&l0;" * 20_000),
        "outside": partial(outer, f"<!ENTITY x SYSTEM {secret}>"),
        "outside2": partial(outer, '<!ENTITY x SYSTEM "file:///etc/hostname">'),
        "outside3": partial(outer, '<!ENTITY x SYSTEM "http://127.0.0.1:9/x">'),
        "outside4": partial(outer, f"<!ENTITY % x SYSTEM {secret}> %x;"),
        "outside5": partial(alto_page, dtd=f"<!DOCTYPE alto SYSTEM {secret}>"),
        "include": partial(alto_page, lines=include),
        "style": lambda: b'<?xml-stylesheet href="../secret.xml"?>' + alto_page().split(b"?>", 1)[1],
        "deep": partial(alto_page, lines="<a>" * 200_000 + "</a>" * 200_000),
        "nested": partial(alto_page, lines=nested * 10_000 + "</TextLine>" * 10_000),
        "lines": partial(alto_page, lines=LINE.format(shape="", text="") * 5000),
        "attribute": partial(alto_page, text="x" * 2_000_000),
        "attributes": partial(alto_page, lines="<a " + " ".join(f'a{n}=""' for n in range(100_000)) + "/>"),
        "elements": partial(alto_page, lines='<a b=""/>' * 200_000),
        "points": partial(shaped, "1 2 " * 100_000),
        "huge": partial(shaped, "1e308 -1e308 1e308 1e308 -1e308 1e308"),
        "nan": partial(shaped, "nan nan inf inf 1 1"),
        "digits": partial(shaped, "9" * 100_000 + " 1 2 3 4 5"),
        "flat": partial(shaped, "1 1 1 1 1 1"),
        "size": lambda: alto_page().replace(b'"400"', b'"1e-320"'),
        "size2": lambda: alto_page().replace(b'"400"', b'"1e308"').replace(b'"20"', b'"-1e308"'),
        "utf16": lambda: ALTO.format(name="x", dtd="", lines="").replace("UTF-8", "UTF-16").encode("utf-16"),
        "encoding": lambda: alto_page().replace(b"UTF-8", b"x-none"),
        "utf7": lambda: alto_page().replace(b"UTF-8", b"UTF-7"),
        "surrogate": partial(alto_page, text="\ud800"),
        "breaks": partial(alto_page, name="a&#10;&#x2028;&#x85;b"),
        "pages": lambda: alto_page().replace(b"</Page>", b"</Page>" + b"<Page/>" * 20_000),
        "pages2": lambda: (
            alto_page().replace(b"<PrintSpace>", b"<Page>" * 5000).replace(b"</P", b"</Page>" * 5000 + b"</P")
        ),
        "hyphens": partial(alto_page, lines=LINE.format(shape="<HYP/>" * 100_000, text="a")),
        "baseline": partial(page_page, BASELINE.format(points="-1e308,1e308 1e308,-1e308"), ""),
        "baseline2": partial(page_page, BASELINE.format(points="1,1 1,1.0000001"), ""),
        "baseline3": partial(page_page, BASELINE.format(points="1,2 " * 100_000), ""),
        "baseline4": partial(page_page, BASELINE.format(points="-39000,-29000 39000,29000"), ""),
        "baselines": partial(
            page_page, lines=PAGE_LINE.format(points="", more=BASELINE.format(points="1,9 9,9")) * 3000
        ),
        "words": partial(page_page, lines=PAGE_LINE.format(points="", more="<Word>" * 100_000 + "</Word>" * 100_000)),
        "point": partial(
            page_page, lines="<TextLine><Coords>" + "<Point x='1' y='2'/>" * 100_000 + "</Coords></TextLine>"
        ),
        "index": partial(page_page, '<TextEquiv index="' + "9" * 5000 + '"/><TextEquiv index="²"/>'),
        "pixels": partial(page_page, size='imageWidth="1e7" imageHeight="1e7"'),
        "large": lambda: b" " * (1 << 25) + alto_page(),
    }
    attacks: Attacks = {f"{title}:pages/a.xml": make for title, make in contents.items()}
    for number, name in enumerate(OUTSIDE):
        attacks[f"name{number}:pages/a.xml"] = partial((alto_page, page_page)[number % 2], name=name.replace("\0", ""))
    return attacks | {f"stem:pages/{'x' * 250}.xml": partial(alto_page, shape=SHAPE.format(points=POLYGON))}


def read_collection(path: Path) -> list[str]:
    try:
        _, skipped = read_alto("pages", "cut")
    finally:
        shutil.rmtree("cut", ignore_errors=True)
    return [entry.reason for entry in skipped]


ALTO_FILES = Target(read_collection, alto_files, alto_attacks, XML_TOKENS, partial(plain_images, "pages/page.png"))
