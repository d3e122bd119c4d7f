"""What every page of ours has in common: how numbers and words are written, and how a template is filled.

A page is one HTML file that needs no other file and no network. Its colours and type stand in
page_style.html.j2 beside the steps.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mammo_steps.core.plots import INK, PAPER


def number(value: float | None, digits: int = 3) -> str:
    """Fixed digits, thousands apart; a dash for None."""
    return "\N{EN DASH}" if value is None else f"{value:,.{digits}f}".replace("-", "\N{MINUS SIGN}")


def percent(value: float | None, digits: int = 1) -> str:
    return "\N{EN DASH}" if value is None else f"{100 * value:.{digits}f}\N{NARROW NO-BREAK SPACE}%"


def p_value(value: float | None) -> str:
    if value is None:
        return "\N{EN DASH}"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def ratio(value: float) -> str:
    """A ratio from 0 to infinity."""
    return "\N{INFINITY}" if value == float("inf") else f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def words(text: str | None) -> str:
    """A value of a closed set as people write it."""
    if text is None:
        return "not known"
    return text.replace("screen_detected", "screen-detected").replace("_", " ")


def typeset(text: str) -> str:
    """Typographic apostrophes."""
    return text.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")


def inline_svg(text: str, name: str) -> Markup:
    """An SVG file as part of the page: its ink is the page's, its ids its own, its size the column's.

    ValueError if it is not an SVG or could run anything.
    """
    root = ElementTree.fromstring(text)
    tags = {str(element.tag).rpartition("}")[2] for element in root.iter()}
    handlers = [key for element in root.iter() for key in element.attrib if key.lower().startswith("on")]
    if not root.tag.endswith("}svg") or tags & {"script", "foreignObject", "a"} or handlers:
        raise ValueError(f"figure {name}: not a plain SVG; run draw_figures again")
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'(<svg\b[^>]*?) width="[^"]*" height="[^"]*"', r"\1", body, count=1)
    body = re.sub(r'(<svg\b[^>]*?) height="[^"]*"([^>]*?) width="[^"]*"', r"\1\2", body, count=1)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r'(url\(|href=")#([^")]+)', rf"\1#{name}-\2", body)
    return Markup(body.replace(PAPER, "none").replace(INK, "currentColor"))


def render(values: Mapping[str, Any], template: Path) -> str:
    """The page; everything in `values` is escaped, a name that is missing is an error."""
    loader = FileSystemLoader(template.parent)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {f.__name__: f for f in (number, percent, p_value, ratio, words, typeset)}
    return environment.get_template(template.name).render(values) + "\n"
