"""How a new exam differs from the exams that a bundle's networks learned from.

The training cohort's images are described by a fingerprint (`fingerprint_of`). A word is strange if fewer than five
exams had it. A number is strange if it lies further from the training's quartiles than 1.75 times the distance between
these (Tukey's fences; of a normal distribution one in 400 lies outside), a pixel spacing if it lies beyond all of
theirs by more than a tenth of itself. Grey levels are compared with those of the same machine where there are enough:
a machine that few exams came from would lie outside everybody's fences. Limits from the least and the greatest value
would do as well in a clean cohort, but a few odd images in it would open them wide (docs/drift.md).
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mammo_steps.core.fact_names import GREY, NUMBERS, WORDS
from mammo_steps.core.image_facts import OTHER

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
FEWEST = 5  # exams that a word needs to be told of; no quantile lies further out than so many images
GRID = np.linspace(0, 1, 101)
FENCE = 1.75  # distances between the quartiles
LEAST_SPREAD = (
    0.02  # taken for that distance in a cohort that is more uniform: grey levels and shares of 8-bit images
)
MACHINE_EXAMS = 20  # that a machine needs for grey levels of its own
SPACING_MARGIN = 0.1  # of the new image's own pixel spacing
ACTIONS = ("ignore", "warn", "refuse")
GREY_LEVELS = "grey_levels"
KINDS = (*WORDS, *(name for name in NUMBERS if name not in GREY), GREY_LEVELS)

_NAMES = {
    "vendor": "maker", "model": "model of the machine", "photometric": "photometric interpretation",
    "bits_stored": "bits stored", "size": "matrix", "intensity": "source of the grey levels", "voi": "window function",
    "pixel_spacing_mm": "pixel spacing in mm", "age_years": "age in years", "breast_share": "share of the matrix",
    **{name: f"{quantile:.0%} quantile of the breast's grey levels" for name, quantile in GREY.items()},
}  # fmt: skip


def name_of(fact: str) -> str:
    """In words."""
    return _NAMES[fact]


def fingerprint_of(facts: Sequence[Mapping[str, Any]], n_images: int, n_exams: int) -> dict[str, Any]:
    """cohort.json of the facts of a sample of images: words with their counts, numbers as 101 quantiles.

    facts  with the image's `exam_id`: a word of fewer than FEWEST exams is counted with the rest, for it could name a
           woman; for the same reason the quantiles' ends are the FEWEST-th least and greatest value
    """
    words = {}
    for name in WORDS:
        counts = Counter(str(row[name]) for row in facts)
        n_exams_of = Counter(word for word, _ in {(str(row[name]), row["exam_id"]) for row in facts})
        kept = {w: n for w, n in sorted(counts.items()) if n_exams_of[w] >= FEWEST and w != OTHER}
        rest = sum(counts.values()) - sum(kept.values())
        words[name] = kept | ({OTHER: rest} if rest else {})
    return {
        "n_images": n_images,
        "n_exams": n_exams,
        "n_sampled": len(facts),
        "words": words,
        "numbers": _numbers(facts, NUMBERS),
        "machines": [
            {"vendor": vendor, "model": model, "numbers": _numbers(own, GREY)}
            for (vendor, model), own in _by_machine(facts)
            if len({row["exam_id"] for row in own}) >= MACHINE_EXAMS
        ],
    }


def _by_machine(facts: Sequence[Mapping[str, Any]]) -> list[tuple[tuple[str, str], list[Mapping[str, Any]]]]:
    machines: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in facts:
        machines.setdefault((str(row["vendor"]), str(row["model"])), []).append(row)
    return sorted(machines.items())


def _numbers(facts: Sequence[Mapping[str, Any]], names: Iterable[str]) -> dict[str, Any]:
    found = {}
    for name in names:
        values = np.sort(np.array([row[name] for row in facts if row[name] is not None], dtype=np.float64))
        if values.size >= 2 * FEWEST:
            told = np.clip(np.quantile(values, GRID), values[FEWEST - 1], values[-FEWEST])
            found[name] = {"n": int(values.size), "quantiles": told.tolist()}
    return found


@dataclass(frozen=True)
class Finding:
    """kind: one of KINDS; text: what was found and what the training cohort had."""

    kind: str
    text: str


def findings_of(facts: Mapping[str, Any], fingerprint: Mapping[str, Any]) -> list[Finding]:
    """What is strange about one image."""
    found = []
    for name, seen in fingerprint["words"].items():
        word = str(facts[name])
        if word not in seen:
            found.append(Finding(name, f"{_NAMES[name]} {word}; training: {_most(seen)}"))
    of_machine = _of_machine(facts, fingerprint)
    for name, everyone in fingerprint["numbers"].items():
        value, own = facts[name], of_machine.get(name)
        quantiles = (own or everyone)["quantiles"]
        if value is not None and not _is_usual(name, value, quantiles):
            kind, whose = (GREY_LEVELS if name in GREY else name), " of this machine" if own else ""
            text = f"{_NAMES[name]} {value:.3g}; training{whose}: {_span(quantiles)}"
            found.append(Finding(kind, text))
    return found


def _of_machine(facts: Mapping[str, Any], fingerprint: Mapping[str, Any]) -> Mapping[str, Any]:
    machine = (facts["vendor"], facts["model"])
    own = [one for one in fingerprint.get("machines", ()) if (one["vendor"], one["model"]) == machine]
    return own[0]["numbers"] if own else {}


def _is_usual(name: str, value: float, quantiles: Sequence[float]) -> bool:
    if name == "pixel_spacing_mm":
        margin = SPACING_MARGIN * value
        return quantiles[0] - margin <= value <= quantiles[-1] + margin
    lower, upper = quantiles[25], quantiles[75]
    margin = FENCE * max(upper - lower, 0.0 if name == "age_years" else LEAST_SPREAD)
    return lower - margin <= value <= upper + margin


def _span(quantiles: Sequence[float]) -> str:
    return f"{quantiles[1]:.3g} to {quantiles[99]:.3g} (1st to 99th percentile)"


def _most(seen: Mapping[str, int]) -> str:
    total = sum(seen.values())
    most = sorted(seen.items(), key=lambda item: (-item[1], item[0]))[:3]
    return ", ".join(f"{word} ({n / total:.0%})" for word, n in most) + (", ..." if len(seen) > 3 else "")


def distance(values: Sequence[float], quantiles: Sequence[float]) -> float:
    """Largest difference between two cumulative distributions (Kolmogorov and Smirnov), 0 to 1.

    values     of the new images
    quantiles  101 of the training cohort
    """
    ordered, theirs = np.sort(np.asarray(values, dtype=np.float64)), np.asarray(quantiles, dtype=np.float64)
    most = 0.0
    sides: tuple[Literal["left"], Literal["right"]] = ("left", "right")
    for side in sides:  # below each value, and up to it: a number such as a spacing comes in few values
        own = np.searchsorted(ordered, ordered, side) / ordered.size
        most = max(most, float(np.abs(own - _share_up_to(ordered, theirs, side)).max()))
    return most


def _share_up_to(values: Floats, quantiles: Floats, side: Literal["left", "right"]) -> Floats:
    """Share of a distribution below ("left") or up to ("right") each value; straight lines between its quantiles."""
    above = np.searchsorted(quantiles, values, side).clip(1, quantiles.size - 1)
    low, high = quantiles[above - 1], quantiles[above]
    part = np.clip((values - low) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
    shares = np.where(high > low, GRID[above - 1] + part * (GRID[above] - GRID[above - 1]), GRID[above - 1])
    below, beyond = values < quantiles[0], values > quantiles[-1]
    if side == "left":
        below |= values == quantiles[0]
    else:
        beyond |= values == quantiles[-1]
    return np.asarray(np.select([below, beyond], [0.0, 1.0], shares))


def by_chance(n: int) -> float:
    """Below which the distance of 95 % of samples of n from one distribution lies (Kolmogorov's 1.36 / sqrt(n))."""
    return 1.36 / math.sqrt(max(1, n))


def reading(found: float | None, n: int) -> str:
    """A distance in words; n exams, since images of one exam are alike."""
    if found is None:
        return "not known"
    if found <= by_chance(n):
        return f"no more than chance gives (up to {min(1.0, by_chance(n)):.2f})"
    return "differs" if found < 0.5 else "differs greatly"


def compared(facts: Sequence[Mapping[str, Any]], fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    """Training cohort and new images side by side, fact by fact, for a page."""
    words = []
    for name, seen in fingerprint["words"].items():
        counts = Counter(str(row[name]) for row in facts)
        total = sum(seen.values())
        rows = [
            {"word": word, "training": seen.get(word, 0) / total, "new": counts[word] / max(1, len(facts))}
            for word in sorted({*seen, *counts}, key=lambda word: (-seen.get(word, 0), word))
        ]
        words.append({"name": _NAMES[name], "rows": rows[:20], "n_more": max(0, len(rows) - 20)})
    numbers = []
    n_exams = len({row["exam_id"] for row in facts})
    for name, seen in fingerprint["numbers"].items():
        values = [row[name] for row in facts if row[name] is not None]
        picks = (0, 5, 50, 95, 100)
        numbers.append(
            {
                "name": _NAMES[name],
                "training": [seen["quantiles"][k] for k in picks],
                "new": np.quantile(values, [k / 100 for k in picks]).tolist() if values else None,
                "distance": (found := distance(values, seen["quantiles"]) if values else None),
                "reading": reading(found, n_exams),
                "digits": 1 if name == "age_years" else 3,
                "n_unknown": len(facts) - len(values),
            }
        )
    return {"words": words, "numbers": numbers, "n_new": len(facts)}
