"""Does the ROI hold the lesion? Shares of positive images whose ROI does, beside what three baselines reach.

All points and sizes are in pixels of the stored matrix: (row, col), (H, W), 0-based pixel centres. The
interval of a share (Wilson) takes images as independent; the two views of a breast are not quite.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mammo_steps.core.artefacts import reading
from mammo_steps.core.geometry import roi_corner
from mammo_steps.core.ids import Pseudonyms
from mammo_steps.core.shares import wilson

Mask = NDArray[np.bool_]

ALL_TYPES = "all"
LOCATOR_NAMES = {
    "coa": "COA",
    "random_in_breast": "random point in breast",
    "breast_centroid": "breast centroid",
    "untrained_coa": "COA, untrained network",
}
LESION_COLUMNS = ("image_id", "lesion_type", "malignant", "row", "col")
COLUMNS = (
    "locator",
    "role",
    "lesion_type",
    "n_images",
    "n_hit",
    "hit_rate",
    "ci_low",
    "ci_high",
    "roi_area_over_median_breast_area",
)


class Lesion(NamedTuple):
    """A known lesion's centre in one image."""

    lesion_type: str
    malignant: bool
    row: float
    col: float


def read_lesions(path: Path, pseudonyms: Pseudonyms) -> dict[str, list[Lesion]]:
    """Lesions by pseudonymous image_id, from a CSV with raw image ids; errors name the line, never a cell."""
    lesions: dict[str, list[Lesion]] = defaultdict(list)
    with reading(path).open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = set(LESION_COLUMNS) - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"{path}: columns {sorted(missing)} are missing in line 1")
        for line, row in enumerate(reader, start=2):
            if row["malignant"] not in ("0", "1"):
                raise ValueError(f"{path}, line {line}: malignant is neither 0 nor 1")
            try:
                place = float(row["row"]), float(row["col"])
            except (ValueError, TypeError):  # a cell that is no number, or none
                raise ValueError(f"{path}, line {line}: row and col have to be numbers") from None
            lesion = Lesion(row["lesion_type"], row["malignant"] == "1", *place)
            lesions[pseudonyms.image(row["image_id"])].append(lesion)
    return dict(lesions)


def roi_holds(
    point: tuple[float, float], image_px: tuple[int, int], side_px: int, lesions: Iterable[Lesion]
) -> bool:
    """True if the ROI of a point contains the centre of any of the lesions."""
    top, left = roi_corner(*point, image_px, side_px)
    return any(
        top - 0.5 <= lesion.row < top + side_px - 0.5 and left - 0.5 <= lesion.col < left + side_px - 0.5
        for lesion in lesions
    )


def mask_points(mask: Mask, image_px: tuple[int, int], flipped: bool) -> tuple[list[float], list[float]]:
    """Stored rows (h,) and columns (w,) of the pixel centres of a smaller, perhaps mirrored, breast mask."""
    rows = [(r + 0.5) * image_px[0] / mask.shape[0] - 0.5 for r in range(mask.shape[0])]
    cols = [(c + 0.5) * image_px[1] / mask.shape[1] - 0.5 for c in range(mask.shape[1])]
    return rows, [image_px[1] - 1 - col for col in cols] if flipped else cols


def chance_in_breast(
    mask: Mask, image_px: tuple[int, int], flipped: bool, side_px: int, lesions: Sequence[Lesion]
) -> float:
    """Share of the breast's pixels whose ROI contains the centre of any of the lesions: exact, no draws.

    mask  (h, w) breast mask on a grid that spans the image
    """
    if not mask.any():
        raise ValueError(f"the breast mask {mask.shape} is empty: there is no breast to draw a point from")
    rows, cols = mask_points(mask, image_px, flipped)
    hit = np.zeros(mask.shape, dtype=bool)
    tops = np.array([roi_corner(row, 0, image_px, side_px)[0] for row in rows]) - 0.5
    lefts = np.array([roi_corner(0, col, image_px, side_px)[1] for col in cols]) - 0.5
    for lesion in lesions:
        in_rows = (tops <= lesion.row) & (lesion.row < tops + side_px)
        in_cols = (lefts <= lesion.col) & (lesion.col < lefts + side_px)
        hit |= in_rows[:, None] & in_cols[None, :]
    return float(hit[mask].mean())


@dataclass(frozen=True)
class Case:
    """A positive image whose malignant lesions are known.

    roi_px  side of the image's ROIs
    chance  lesion type (and "all") -> chance of a ROI centred at a random breast pixel to hold one
    """

    image_px: tuple[int, int]
    roi_px: int
    lesions: Sequence[Lesion]
    breast_area_px: int
    centroid: tuple[float, float]
    chance: Mapping[str, float]

    def of_type(self, lesion_type: str) -> list[Lesion]:
        return [lesion for lesion in self.lesions if lesion_type in (ALL_TYPES, lesion.lesion_type)]


def case_of(image: Mapping[str, Any], mask: Mask, side_px: int, lesions: Sequence[Lesion]) -> Case:
    """The case of a row of the `images` table; mask: of its holistic image; lesions: its malignant ones."""
    image_px = (image["height_px"], image["width_px"])
    chance = {}
    for name in (ALL_TYPES, *{lesion.lesion_type for lesion in lesions}):
        wanted = [lesion for lesion in lesions if name in (ALL_TYPES, lesion.lesion_type)]
        chance[name] = chance_in_breast(mask, image_px, image["flipped"], side_px, wanted)
    centroid = (image["breast_row"], image["breast_col"])
    return Case(image_px, side_px, lesions, image["breast_area_px"], centroid, chance)


class Found(NamedTuple):
    """Where one network put the COA of one image, and what the fold did with the woman."""

    image_id: str
    role: str
    row: float
    col: float


def _hit_shares(
    cases: Mapping[str, Case], found: Iterable[Found], lesion_type: str
) -> dict[str, dict[str, float]]:
    """role -> image -> share of the networks whose ROI holds the lesion (a train image has several)."""
    hits: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for place in found:
        case = cases.get(place.image_id)
        if case and case.of_type(lesion_type):
            hit = roi_holds((place.row, place.col), case.image_px, case.roi_px, case.of_type(lesion_type))
            hits[place.role][place.image_id].append(hit)
    return {
        role: {image: float(np.mean(each)) for image, each in images.items()} for role, images in hits.items()
    }


def localisation_rows(
    cases: Mapping[str, Case], coas: Sequence[Found], untrained: Sequence[Found]
) -> list[dict[str, Any]]:
    """Rows of localisation.csv: locator x role x lesion type.

    An image counts once per role. Where several networks give its COA (it is a training image of many folds)
    its share of hits counts; `random_in_breast` counts its chance, so n_hit need not be whole.
    """
    rows = []
    types = [ALL_TYPES, *sorted({lesion.lesion_type for case in cases.values() for lesion in case.lesions})]
    for lesion_type in types:
        by_role = _hit_shares(cases, coas, lesion_type)
        by_untrained = _hit_shares(cases, untrained, lesion_type)
        for role in by_role:
            images = {image: cases[image] for image in by_role[role]}
            shares = {
                "coa": by_role[role],
                "random_in_breast": {image: case.chance[lesion_type] for image, case in images.items()},
                "breast_centroid": {
                    image: float(
                        roi_holds(case.centroid, case.image_px, case.roi_px, case.of_type(lesion_type))
                    )
                    for image, case in images.items()
                },
                "untrained_coa": by_untrained.get(role, {}),
            }
            for locator, hits in shares.items():
                if hits:
                    rows.append(_row((locator, role, lesion_type), hits, cases))
    roles = ("test", "validation", "train")
    return sorted(
        rows,
        key=lambda row: (
            roles.index(row["role"]),
            types.index(row["lesion_type"]),
            list(LOCATOR_NAMES).index(row["locator"]),
        ),
    )


def _row(who: tuple[str, str, str], hits: Mapping[str, float], cases: Mapping[str, Case]) -> dict[str, Any]:
    """who: locator, role, lesion type; hits: image -> share or chance."""
    n, n_hit = len(hits), float(sum(hits[image] for image in sorted(hits)))
    low, high = wilson(n_hit, n)
    breast = float(np.median([cases[image].breast_area_px for image in hits]))
    roi = float(np.median([cases[image].roi_px ** 2 for image in hits]))
    return dict(zip(COLUMNS, (*who, n, n_hit, n_hit / n, low, high, roi / breast), strict=True))
