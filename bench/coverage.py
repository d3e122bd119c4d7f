"""How often do the 95 % intervals of an AUC hold the true one? Measured by simulation, for each way of making them.

`make bench-coverage` draws scores whose true AUC is known exactly, prints a table and writes bench/coverage.json:
per cell and form the coverage and both kinds of misses, in %. A cell is a true AUC x a kind of score x a design.
The variance is Obuchowski's for exams clustered by woman, which is DeLong's where every woman has one exam.
The rule: the default interval covers 93 to 97 % in each of the 24 cells that are not marked as extra.
"""

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from common import about_this_run, print_table
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from mammo_steps.core.auc_interval import FORMS, estimated, interval
from mammo_steps.core.files import write_json

REPO = Path(__file__).resolve().parents[1]
N_DRAWS = 4000
AUCS = (0.75, 0.85, 0.94, 0.987)
NAMES = {"": "delong", "_logit": "delong_logit", "_binormal_score": "delong_binormal_score"}

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def _women(n_positive: int, n_negative: int, both: int) -> Ints:
    """(n,) the woman of each exam, two exams each; the first `both` positive exams are of women with two of them.

    The positives come first; every other positive exam is paired with a negative one, and so are the negatives.
    """
    single = np.arange(both // 2, both // 2 + n_positive - both)
    rest = single.size + both // 2 + np.arange(n_negative - single.size) // 2
    return np.concatenate([np.arange(both) // 2, single, single, rest])


# name -> positive exams, all exams, the woman of each exam
DESIGNS: dict[str, tuple[int, int, Ints]] = {
    "60_in_1500": (60, 1500, np.arange(1500)),
    "20_in_150": (20, 150, np.arange(150)),
    "two_exams_per_woman": (60, 1500, _women(60, 1440, 30)),
    "two_exams_both_positive": (60, 1500, _women(60, 1440, 60)),
    "two_exams_20_in_150": (20, 150, _women(20, 130, 10)),
}
EXTRA_DESIGNS = ("two_exams_both_positive", "two_exams_20_in_150")
CORRELATION = 0.5  # of the scores of a woman's two exams


@dataclass(frozen=True)
class Cell:
    """kind: `continuous`, `levels` (five, evenly spaced cuts), `reader` (five, most negatives in the lowest) or
    `wide` (continuous, the positives' standard deviation 1.5 times the negatives')."""

    auc: float
    kind: str
    design: str

    @property
    def is_extra(self) -> bool:
        return self.kind in ("reader", "wide") or self.design in EXTRA_DESIGNS


def cells() -> list[Cell]:
    return [
        Cell(auc, kind, design)
        for auc in AUCS
        for kind in ("continuous", "levels", "reader", "wide")
        for design in DESIGNS
        if kind in ("continuous", "levels") or design == "60_in_1500"
    ]


def _cuts(kind: str, shift: float) -> Floats | None:
    if kind == "levels":
        return np.linspace(-1, shift + 1, 6)[1:-1]
    return np.asarray(norm.ppf([0.6, 0.85, 0.95, 0.99])) if kind == "reader" else None


def levelled_auc(shift: float, cuts: Floats) -> float:
    """True AUC of normal scores cut into levels, positives moved up by `shift`: P(higher) + P(same) / 2."""
    negative = np.diff(norm.cdf(cuts), prepend=0, append=1)
    positive = np.diff(norm.cdf(cuts - shift), prepend=0, append=1)
    return float(positive @ (np.cumsum(negative) - negative / 2))


@cache
def shift_of(cell: Cell) -> float:
    """How far the positives' mean lies above the negatives', so that the true AUC is the cell's."""
    spread = 1.5 if cell.kind == "wide" else 1.0
    if cell.kind in ("continuous", "wide"):
        return float(norm.ppf(cell.auc) * np.sqrt(1 + spread**2))

    def excess(shift: float) -> float:
        cuts = _cuts(cell.kind, shift)
        assert cuts is not None
        return levelled_auc(shift, cuts) - cell.auc

    return float(brentq(excess, 0.01, 12))


def scores_of(cell: Cell, generator: np.random.Generator) -> Floats:
    """(n,) scores of one draw, positives first."""
    n_positive, n, woman = DESIGNS[cell.design]
    noise = generator.standard_normal(n)
    if woman[-1] < n - 1:
        shared = generator.standard_normal(woman.max() + 1)[woman]
        noise = np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * noise
    shift = shift_of(cell)
    noise[:n_positive] = noise[:n_positive] * (1.5 if cell.kind == "wide" else 1.0) + shift
    cuts = _cuts(cell.kind, shift)
    return noise if cuts is None else np.searchsorted(cuts, noise).astype(np.float64)


def misses(cell: Cell, n_draws: int, forms: tuple[str, ...] = FORMS) -> dict[str, tuple[float, float]]:
    """Form -> share of draws whose interval lies wholly above the true AUC, and wholly below it."""
    n_positive, n, woman = DESIGNS[cell.design]
    positive = np.arange(n) < n_positive
    generator = np.random.default_rng([int(cell.auc * 1000), *cell.kind.encode(), *cell.design.encode()])
    counts = dict.fromkeys(forms, (0, 0))
    for _ in range(n_draws):
        scores = scores_of(cell, generator)
        estimate = estimated(scores, positive, woman)
        for form in forms:
            found, (above, below) = interval(estimate, form), counts[form]
            counts[form] = above + (found.low > cell.auc), below + (found.high < cell.auc)
    return {form: (above / n_draws, below / n_draws) for form, (above, below) in counts.items()}


def measured(cell: Cell, n_draws: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "true_auc": cell.auc,
        "scores": cell.kind,
        "design": cell.design,
        "extra": cell.is_extra,
    }
    for form, (above, below) in misses(cell, n_draws).items():
        row[f"{NAMES[form]}_covers_percent"] = round(100 * (1 - above - below), 2)
        row[f"{NAMES[form]}_too_high_percent"] = round(100 * above, 2)
        row[f"{NAMES[form]}_too_low_percent"] = round(100 * below, 2)
    return row


def main() -> None:
    start, rows = time.perf_counter(), []
    print(f"{'':44}" + "".join(f"{name:>26}" for name in NAMES.values()))
    for cell in cells():
        row = measured(cell, N_DRAWS)
        rows.append(row)
        texts = [
            f"{row[f'{name}_covers_percent']:.1f} ({row[f'{name}_too_high_percent']:.1f} high)"
            for name in NAMES.values()
        ]
        print(
            f"{cell.auc:<6}{cell.kind:<12}{cell.design:<26}" + "".join(f"{text:>26}" for text in texts),
            flush=True,
        )
    result: dict[str, Any] = {"n_draws": N_DRAWS, "correlation_within_woman": CORRELATION}
    for name in NAMES.values():
        for group, extra in (("24_cells", False), ("extra_cells", True)):
            found = [row[f"{name}_covers_percent"] for row in rows if row["extra"] == extra]
            result[f"{group}.{name}_lowest_percent"] = min(found)
            result[f"{group}.{name}_highest_percent"] = max(found)
    result |= {"wall_s": round(time.perf_counter() - start), **about_this_run()}
    print()
    print_table(result)
    write_json(REPO / "bench/coverage.json", result | {"cells": rows})


if __name__ == "__main__":
    main()
