"""A folder of charts: each as SVG and as Vega-Lite specification, and what to say about them.

figures.json is for the page, captions.rst for `snakemake --report`: the same titles and captions.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mammo_steps.core.chart import MARK, Spec, svg
from mammo_steps.core.files import write_json, write_text

SECTIONS = {  # group -> what its figures are about, in the order of the page
    "roc": "ROC curves",
    "folds": "Spread over folds",
    "operating_points": "Operating points",
    "calibration": "Calibration",
    "triage": "Triage",
    "subgroups": "Subgroups",
    "scores": "Scores by outcome",
    "localisation": "Localisation",
    "training": "Training",
}


def mark_of(told: Mapping[str, Any]) -> str:
    """What every chart says of its data: that they are synthetic, or of some folds alone."""
    partial = told["partial"]
    words = ["synthetic data"] if told["synthetic"] else []
    words += [f"{len(partial['folds'])} of {partial['of']} folds"] if partial else []
    return ", ".join(words)


class Album:
    """Charts written to a folder. mark: what each of them says of its data; empty = nothing."""

    def __init__(self, folder: Path, mark: str) -> None:
        self.folder = folder
        self.mark = mark
        self.entries: list[dict[str, str]] = []

    def add(self, group: str, name: str, spec: Spec, title: str, caption: str) -> None:
        """group: of SECTIONS; caption: what is to be seen, also for those who cannot see it."""
        if self.mark:
            spec = {**spec, "title": {"text": self.mark, **MARK}}
        write_text(self.folder / f"{name}.svg", svg(spec) + "\n")
        write_text(self.folder / f"{name}.vl.json", json.dumps(spec, allow_nan=False) + "\n")
        entry = {"group": group, "section": SECTIONS[group], "file": f"{name}.svg"}
        self.entries.append({**entry, "title": title, "caption": caption})

    def write_list(self) -> None:
        """What every figure is, after the last one."""
        write_json(self.folder / "figures.json", self.entries)
        write_text(self.folder / "captions.rst", self._captions())

    def _captions(self) -> str:
        """A template of Snakemake's: it fills in the figure's name as `snakemake.wildcards.figure`."""
        parts = []
        for number, entry in enumerate(self.entries):
            test = f'snakemake.wildcards.figure == "{Path(entry["file"]).stem}"'
            parts.append(f"{{% {'elif' if number else 'if'} {test} %}}\n{_plain(entry['caption'])}\n")
        mark = f"\n**{self.mark.capitalize()}.**\n" if self.mark else ""
        return "".join(parts) + "{% endif %}\n" + mark


def _plain(text: str) -> str:
    """Text that reStructuredText and its template take as it is."""
    return re.sub(r"([\\*`|_])", r"\\\1", text).replace("{", "(").replace("}", ")")
