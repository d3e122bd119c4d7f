"""Charts as the report's page takes them."""

import json
from pathlib import Path
from typing import Any

from mammo_steps.core.artefacts import reading
from mammo_steps.core.damage import working_on
from mammo_steps.core.number_text import read_json
from mammo_steps.core.page import as_json, inline_svg


def page_figure(name: str, title: str, caption: str, spec: str, svg: str) -> dict[str, Any]:
    """A chart as the page wants it. spec: JSON text."""
    return {
        "name": name,
        "title": title,
        "caption": caption,
        "spec": as_json(spec),
        "svg": inline_svg(svg, name),
    }


def read_figures(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """group -> figures of draw_figures. DamagedError names the file that is not one of its."""
    groups: dict[str, list[dict[str, Any]]] = {}
    entries = read_json(folder / "figures.json")
    with working_on(folder / "figures.json"):
        if not isinstance(entries, list):
            raise ValueError("it holds no list")
        names = [(folder / e["file"], e["title"], e["caption"], e["group"]) for e in entries]
    for path, title, caption, group in names:
        spec = _spec(path.with_suffix(".vl.json"))
        with working_on(path):
            svg = reading(path).read_text("utf-8")
            groups.setdefault(group, []).append(page_figure(path.stem, title, caption, spec, svg))
    return groups


def _spec(path: Path) -> str:
    with working_on(path):
        text = reading(path).read_text("utf-8").strip()
        if not isinstance(json.loads(text), dict):
            raise ValueError("it holds no JSON object")
        return text
