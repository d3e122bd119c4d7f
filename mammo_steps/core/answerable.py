"""What a cohort could and could not answer: cancers per end point and per fold, and how sure an AUC would be."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from mammo_steps.core.auc_interval import SCORE, Estimate, Interval, interval
from mammo_steps.core.endpoints import truths
from mammo_steps.core.terms import WORST_FIRST, Endpoint, Outcome

AUCS = (0.85, 0.90, 0.95)
READERS = ("reader_1", "reader_2")


def expected_interval(auc: float, n_positive: int, n_negative: int) -> Interval | None:
    """The 95 % interval that such an AUC would get; None where a class is empty.

    The default interval of `core.auc_interval` with the binormal model's variance: the width before any score is
    known. It takes exams as independent.
    """
    if not n_positive or not n_negative:
        return None
    return interval(Estimate(auc, 0.0, n_positive, n_negative), SCORE)


@dataclass(frozen=True)
class Answer:
    """One end point. n_* are exams; widths: AUC -> its interval; why: what is missing, None = estimable."""

    endpoint: Endpoint
    sampled: bool
    n_positive: int
    n_negative: int
    women_positive: int
    intervals: Mapping[float, Interval]
    why: str | None


def answers(kept: pd.DataFrame, prior: str, sampled_negatives: int) -> list[Answer]:
    """Every end point with all exams, and with sampled negatives where there are more than that.

    kept   the cohort's exams: patient_id, outcome
    prior  what a prior is: negative or leave_out
    """
    found = []
    for endpoint in Endpoint:
        truth = truths(kept["outcome"].tolist(), endpoint, prior)
        n_positive, n_all = int((truth == 1).sum()), int((truth == 0).sum())
        women = int(kept.loc[truth == 1, "patient_id"].nunique())
        for n_negative in dict.fromkeys((n_all, min(n_all, sampled_negatives))):
            intervals = {auc: expected_interval(auc, n_positive, n_negative) for auc in AUCS}
            missing = [name for name, n in (("positive", n_positive), ("negative", n_negative)) if not n]
            found.append(
                Answer(
                    endpoint,
                    n_negative < n_all,
                    n_positive,
                    n_negative,
                    women,
                    {auc: one for auc, one in intervals.items() if one is not None},
                    f"no {' and no '.join(missing)} exam" if missing else None,
                )
            )
    return found


def women_by_worst_outcome(kept: pd.DataFrame) -> Counter[Outcome]:
    """Women of the cohort by the worst outcome of their exams, which is the stratum they are dealt in."""
    places = kept["outcome"].map({outcome: place for place, outcome in enumerate(WORST_FIRST)})
    worst = places.groupby(kept["patient_id"]).min()
    return Counter(WORST_FIRST[place] for place in worst.astype("int64").tolist())


def reader_table(kept: pd.DataFrame, cancers: Sequence[str]) -> list[dict[str, int | str]]:
    """Exams, and exams with a cancer, that each reader and both have read, and how many levels a score has."""
    read = {name: kept[[f"{name}_left", f"{name}_right"]].notna().all(axis=1) for name in READERS}
    read["both"] = read[READERS[0]] & read[READERS[1]]
    is_cancer = kept["outcome"].isin(cancers)
    rows: list[dict[str, int | str]] = []
    for name, exams in read.items():
        columns = [
            f"{one}_{side}" for one in (READERS if name == "both" else (name,)) for side in ("left", "right")
        ]
        levels = int(pd.unique(kept.loc[exams, columns].to_numpy().ravel()).size)
        rows.append(
            {
                "reader": name,
                "exams": int(exams.sum()),
                "cancers": int((exams & is_cancer).sum()),
                "levels": levels,
            }
        )
    return rows
