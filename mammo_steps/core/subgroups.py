"""AUCs within groups of exams: by machine, age, year, kind of cancer, view. Small groups are marked, not hidden."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mammo_steps.core.auc import Bools, Floats, Ints
from mammo_steps.core.auc_interval import estimated, interval
from mammo_steps.core.terms import OLDEST_YEARS

Words = NDArray[np.str_]
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Group:
    """Some exams: of what (`vendor`), which (`siemens`), and (n,) whether an exam is one of them."""

    by: str
    value: str
    members: Bools


@dataclass(frozen=True)
class Truth:
    """The exams of an end point: used (n,), positive (n,), woman (n,); form of the intervals."""

    used: Bools
    positive: Bools
    woman: Ints
    form: str


def age_bands(ages: Sequence[int | None], width: int) -> list[str]:
    """`50-54` and the like; the band of 90, which stands for all above, has no upper end; `unknown` without an age."""

    def band(age: int) -> str:
        low = age - age % width
        return f"{low}+" if low + width > OLDEST_YEARS else f"{low}-{low + width - 1}"

    return [UNKNOWN if age is None else band(age) for age in ages]


def groups_of(by: str, values: Sequence[str]) -> list[Group]:
    """One group per value, in their order; none where all exams have the same one."""
    words: Words = np.array(values, dtype=np.str_)
    found = np.unique(words)
    return [Group(by, str(value), words == value) for value in found] if found.size > 1 else []


def groups_of_positives(by: str, values: Sequence[str], positive: Bools) -> list[Group]:
    """One group per value among positive exams, each with all negative exams; values (n,) are "" where none."""
    words: Words = np.array(values, dtype=np.str_)
    found = [str(value) for value in np.unique(words[positive]) if value]
    return [Group(by, value, ~positive | (words == value)) for value in found]


def subgroup_row(scores: Floats, truth: Truth, group: Group, small: int) -> dict[str, Any]:
    """AUC of scores (n,) within a group, over exams with a score.

    small  a group with fewer positive or fewer negative exams is marked; without any of either it has no AUC
    """
    inside = truth.used & group.members & np.isfinite(scores)
    own, positive = scores[inside], truth.positive[inside]
    m, n = int(positive.sum()), int((~positive).sum())
    row: dict[str, Any] = {
        "by": group.by,
        "group": group.value,
        "n_positive": m,
        "n_negative": n,
        "small": min(m, n) < small,
    }
    if not m or not n:
        return row | {"auc": None, "ci_low": None, "ci_high": None, "ci_method": "not_estimable"}
    estimate = estimated(own, positive, truth.woman[inside])
    ci = interval(estimate, truth.form)
    return row | {"auc": estimate.value, "ci_low": ci.low, "ci_high": ci.high, "ci_method": ci.method}


def subgroups(
    scores: Mapping[str, Floats], truth: Truth, groups: Sequence[Group], small: int
) -> list[dict[str, Any]]:
    """A row per model and group."""
    return [
        {"model": model, **subgroup_row(values, truth, group, small)}
        for model, values in scores.items()
        for group in groups
    ]
