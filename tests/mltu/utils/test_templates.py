import base64

import jinja2
import pytest

from mltu.utils import templates
from mltu.utils.templates import EmbeddedImage, render


@pytest.fixture
def template(tmp_path, monkeypatch):
    """Writes a template to be rendered, and gives its name."""
    monkeypatch.setattr(templates, "TEMPLATES", tmp_path)

    def write(content):
        (tmp_path / "page.html").write_text(content, encoding="utf-8")
        return "page.html"

    return write


def test_render_escapes_values(template):
    name = template('<p title="{{ text }}">{{ text }}</p>')
    safe = "&lt;b&gt; &amp; &#34;q&#34;"
    assert render(name, text='<b> & "q"') == f'<p title="{safe}">{safe}</p>'


def test_render_applies_filters(template):
    assert render(template("{{ share | percent }}"), {"percent": "{:.0%}".format}, share=0.5) == "50%"


def test_render_misses_no_value(template):
    with pytest.raises(jinja2.UndefinedError, match="text"):
        render(template("{{ text }}"))


def test_embedded_image_is_a_data_uri():
    image = EmbeddedImage.of(b"\x89PNG", "png", 3, 2)
    kind, content = image.src.split(";base64,")
    assert (kind, base64.b64decode(content), image.width, image.height) == ("data:image/png", b"\x89PNG", 3, 2)
