"""What every page of ours has in common: how a template is filled, and what may stand in it as it is.

A page is one HTML file that needs no other file and no network. Templates, and the colours and type that pages share
(page_style.html.j2), stand in the folder `pages`.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mammo_steps.core.page_words import number, p_value, percent, ratio, typeset, words

PAGES = Path(__file__).parents[1] / "pages"


def inline_svg(text: str, name: str) -> Markup:
    """An SVG file as part of the page: its ids are its own, its size the column's.

    ValueError if it is not an SVG or could run anything.
    """
    root = ElementTree.fromstring(text)
    tags = {str(element.tag).rpartition("}")[2] for element in root.iter()}
    handlers = [key for element in root.iter() for key in element.attrib if key.lower().startswith("on")]
    if not root.tag.endswith("}svg") or tags & {"script", "foreignObject", "a"} or handlers:
        raise ValueError(f"figure {name}: not a plain SVG; run draw_figures again")
    body = text[text.index("<svg") :]
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    return Markup(re.sub(r'(url\(|href=")#([^")]+)', rf"\1#{name}-\2", body))


def as_script(text: str) -> tuple[Markup, str]:
    """A script for a page that it cannot break out of, and the source that its content security policy names."""
    if "</script" in text.lower() or "<!--" in text:
        raise ValueError("a script that holds `</script` or `<!--` cannot stand in a page")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup(f"<script>{text}</script>"), f"'sha256-{digest}'"


def as_json(text: str) -> Markup:
    """JSON text for a `<script type="application/json">`."""
    return Markup(text.replace("<", "\\u003c"))


def render(values: Mapping[str, Any], template: str) -> str:
    """A page of `PAGES`; `values` are escaped (in HTML, not in Markdown), a name that is missing is an error."""
    loader = FileSystemLoader(PAGES)
    environment = Environment(
        loader=loader,
        autoescape=".html" in template,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {f.__name__: f for f in (number, percent, p_value, ratio, words, typeset)}
    return environment.get_template(template).render(values) + "\n"
