"""How often the drift guard finds exams of its own cohort strange, and how often exams that were changed on purpose.

Of a finished study, by default the demo's (`make demo` first): the fingerprint is made of the exams of all folds but
one, and the exams of that fold are held against it; so for each fold. Then the same exams with one thing changed in all
their images; and both once more with a few inverted images among those that the fingerprint is made of. Grey levels are
changed in the 8-bit images that the networks see. Prints a table and writes bench/drift.json.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from common import about_this_run

from mammo_steps.core.drift import findings_of, fingerprint_of
from mammo_steps.core.files import write_json
from mammo_steps.core.image_facts import image_facts
from mammo_steps.core.image_store import ImageStore, Pixels, Place
from mammo_steps.core.tables import read_table

Row = dict[str, Any]
CONFIG = Path(__file__).resolve().parents[1] / "config/config.yaml"


@dataclass(frozen=True)
class Shift:
    """What is changed: the image's row, or its grey levels as shares of white (h, w) -> (h, w)."""

    row: Callable[[Row], Row] = lambda row: row
    grey: Callable[[Any], Any] | None = None

    def pixels(self, canvas: Pixels) -> Pixels:
        if self.grey is None:
            return canvas
        return np.rint(255 * np.clip(self.grey(canvas / 255), 0, 1)).astype(np.uint8)


def within(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The change, with the background left black, as shards have it."""
    return lambda grey: np.where(grey > 0, change(grey), 0)


def halved(row: Row) -> Row:
    sizes = {name: row[name] // 2 for name in ("height_px", "width_px")}
    sizes["breast_area_px"] = row["breast_area_px"] // 4
    return {**row, **sizes, "pixel_spacing_mm": 2 * row["pixel_spacing_mm"]}


def spaced(factor: float) -> Callable[[Row], Row]:
    return lambda row: {**row, "pixel_spacing_mm": factor * row["pixel_spacing_mm"]}


SHIFTS = {
    "none": Shift(),
    "grey levels inverted, background too": Shift(grey=lambda grey: 1 - grey),
    "grey levels inverted in the breast": Shift(grey=within(lambda grey: 1 - grey)),
    "window half as wide": Shift(grey=within(lambda grey: 2 * (grey - 0.5) + 0.5)),
    "window twice as wide": Shift(grey=within(lambda grey: (grey - 0.5) / 2 + 0.5)),
    "window moved by a quarter, brighter": Shift(grey=within(lambda grey: grey + 0.25)),
    "window moved by a tenth, brighter": Shift(grey=within(lambda grey: grey + 0.1)),
    "window moved by a quarter, darker": Shift(grey=within(lambda grey: grey - 0.25)),
    "pixel spacing x 0.6": Shift(row=spaced(0.6)),
    "pixel spacing x 1.15": Shift(row=spaced(1.15)),
    "another maker": Shift(row=lambda row: {**row, "vendor": "ge", "model": "Senographe Pristina"}),
    "half the resolution": Shift(row=halved),
}


def images_of(results: Path) -> list[Row]:
    """Rows of the cohort's images with what index, shards and folds say of them."""
    columns = [
        "image_id",
        "shard",
        "breast_area_px",
        "holistic_row_group",
        "height_px",
        "width_px",
        "exam_id",
    ]
    images = read_table(results / "cohort/images.parquet", "images", columns).to_pylist()
    known: dict[str, Row] = {}
    for path in results.glob("intakes/*/index.parquet"):
        names = ["image_id", "vendor", "model", "photometric", "bits_stored", "pixel_spacing_mm", "age_years"]
        known |= {row["image_id"]: row for row in read_table(path, "index", names).to_pylist()}
    for path in results.glob("shards/*/images.parquet"):
        for row in read_table(path, "shard_images", ["image_id", "intensity", "voi"]).to_pylist():
            known[row["image_id"]] |= row
    exams = read_table(results / "cohort/exams.parquet", "exams", ["exam_id", "fold"]).to_pylist()
    fold = {row["exam_id"]: row["fold"] for row in exams}
    return [{**known[row["image_id"]], **row, "fold": fold[row["exam_id"]]} for row in images]


def facts_under(images: list[Row], store: ImageStore, shift: Shift) -> list[Row]:
    facts = []
    for row in images:
        found = image_facts(shift.row(row), shift.pixels(store.canvas(row["image_id"])))
        facts.append({"exam_id": row["exam_id"], "fold": row["fold"], **found})
    return facts


def exams_found(
    usual: list[Row], shifted: list[Row], actions: Mapping[str, str], odd: Sequence[Row] = ()
) -> dict[str, Any]:
    """Share of the exams that the config warns of, and of those with each kind of finding, ignored ones too.

    odd  facts of images that were in the training cohort as well, and should not have been
    """
    kinds: dict[str, set[str]] = {row["exam_id"]: set() for row in shifted}
    for fold in sorted({row["fold"] for row in usual}):
        own = [*(row for row in usual if row["fold"] != fold), *odd]
        fingerprint = fingerprint_of(own, len(own), len({row["exam_id"] for row in own}))
        for row in (row for row in shifted if row["fold"] == fold):
            kinds[row["exam_id"]] |= {found.kind for found in findings_of(row, fingerprint)}
    told = [any(actions[kind] != "ignore" for kind in own) for own in kinds.values()]
    names = sorted(set().union(*kinds.values()))
    by_kind = {kind: share([kind in own for own in kinds.values()]) for kind in names}
    return {"exams_told_of": share(told), "by_kind": by_kind}


def share(flags: Sequence[bool]) -> float:
    return round(sum(flags) / len(flags), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results/demo"), help="a finished study")
    parser.add_argument("--report", type=Path, default=Path("bench/drift.json"))
    args = parser.parse_args()
    actions = yaml.safe_load(CONFIG.read_text())["predict"]["drift"]
    images = images_of(args.results)
    store = ImageStore(
        {
            row["image_id"]: Place(
                args.results / "shards" / row["shard"] / "holistic.parquet", row["holistic_row_group"], 0, 0
            )
            for row in images
        }
    )
    usual = facts_under(images, store, SHIFTS["none"])
    odd = facts_under(images[: len(images) // 100], store, SHIFTS["grey levels inverted, background too"])
    evaluation = json.loads((args.results / "report/evaluation.json").read_text())
    kind = "SYNTHETIC images" if evaluation["synthetic"] else "images"
    result: dict[str, Any] = {"what": f"{kind}; shares of exams of the fold held out"}
    result |= {"n_exams": len({row["exam_id"] for row in images}), "n_odd_images": len(odd), "shifts": {}}
    print(f"{'changed in every image':37}  told of  with odd images in training  by kind")
    for name, shift in SHIFTS.items():
        shifted = facts_under(images, store, shift)
        found = exams_found(usual, shifted, actions)
        with_odd = exams_found(usual, shifted, actions, odd)["exams_told_of"]
        result["shifts"][name] = found | {"exams_told_of_with_odd_images": with_odd}
        kinds = ", ".join(f"{kind} {part:.0%}" for kind, part in found["by_kind"].items())
        print(f"{name:37}  {found['exams_told_of']:7.1%}  {with_odd:27.1%}  {kinds}")
    write_json(args.report, result | about_this_run())


if __name__ == "__main__":
    main()
