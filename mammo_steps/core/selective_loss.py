"""Whether exclusions, machines or years go along with cancer: exact tests on exams with a known outcome.

Exams of one woman are taken as independent, so p values are somewhat too small.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import fisher_exact
from scipy.stats.contingency import odds_ratio

from mammo_steps.core.eligibility import CANCER_FOUND, CANCER_FREE
from mammo_steps.core.terms import Reason

# These take normals or cancers by their own definition: a difference says nothing.
BY_DESIGN = (Reason.NO_LABEL, Reason.OUTCOME_UNKNOWN, Reason.SHORT_FOLLOW_UP, Reason.AFTER_CANCER)
_MOST_GROUPS = 20  # values of one property that are tested, the most frequent ones


@dataclass(frozen=True)
class Association:
    """A 2 x 2 table: cancers and cancer-free exams that have a property, of how many.

    ratio, low, high  odds ratio (conditional maximum likelihood) with its exact 95 % interval; inf where undefined
    p                 Fisher's exact test, two-sided, corrected after Holm for the tests made together
    """

    name: str
    cancers: int
    cancers_of: int
    free: int
    free_of: int
    ratio: float
    low: float
    high: float
    p: float

    @property
    def share_of_cancers(self) -> float:
        return self.cancers / self.cancers_of

    @property
    def share_of_free(self) -> float:
        return self.free / self.free_of


Counts = tuple[
    str, int, int, int, int
]  # name, cancers with it, all cancers, cancer-free with it, all cancer-free


def exact_tests(counts: Sequence[Counts]) -> list[Association]:
    """Exact tests of tables in which both classes have exams, in the given order."""
    usable = [row for row in counts if row[2] and row[4]]
    tables = [np.array([[a, m - a], [b, n - b]]) for _, a, m, b, n in usable]
    raw = [float(fisher_exact(table).pvalue) for table in tables]
    corrected: dict[int, float] = {}
    largest = 0.0
    for place, index in enumerate(sorted(range(len(raw)), key=raw.__getitem__)):
        largest = max(largest, min(1.0, raw[index] * (len(raw) - place)))
        corrected[index] = largest
    found = []
    for index, (row, table) in enumerate(zip(usable, tables, strict=True)):
        result = odds_ratio(table)
        ends = result.confidence_interval(0.95)
        ratio, low, high = (float(value) for value in (result.statistic, ends.low, ends.high))
        found.append(Association(*row, ratio, low, high, corrected[index]))
    return found


def exclusion_tests(excluded: pd.DataFrame, kept: pd.DataFrame) -> list[Association]:
    """Per reason by which exams or labels were lost: were cancers lost more often than cancer-free exams?

    Each reason's losses are set against the exams that stayed.
    """
    lost = excluded[excluded["level"].isin(["exam", "label"]) & ~excluded["reason"].isin(BY_DESIGN)]
    n_cancers, n_free = (int(kept["outcome"].isin(kind).sum()) for kind in (CANCER_FOUND, CANCER_FREE))
    counts = []
    for reason, rows in lost.groupby("reason"):
        cancers, free = (int(rows["outcome"].isin(kind).sum()) for kind in (CANCER_FOUND, CANCER_FREE))
        if cancers + free:
            counts.append((str(reason), cancers, cancers + n_cancers, free, free + n_free))
    return exact_tests(counts)


def group_tests(exams: pd.DataFrame, name: str) -> list[Association]:
    """Per frequent value of a property `name` of the exams: does it hold more or fewer of the cancers?"""
    known = exams[exams["outcome"].isin(CANCER_FOUND + CANCER_FREE) & exams[name].notna()]
    cancer = known["outcome"].isin(CANCER_FOUND)
    m, n = int(cancer.sum()), int((~cancer).sum())
    groups = known[name].value_counts().index[:_MOST_GROUPS]
    if known[name].nunique() < 2:
        return []
    counts = []
    for group in groups:
        own = known[name] == group
        text = str(int(group)) if isinstance(group, float) else str(group)
        counts.append((text, int((own & cancer).sum()), m, int((own & ~cancer).sum()), n))
    return exact_tests(counts)
