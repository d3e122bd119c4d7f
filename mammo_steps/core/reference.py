"""What a new score is held against: the out-of-fold scores of a study's own exams.

    reference.json    quantiles of the scores of exams without cancer, per exam, breast and image
    calibration.json  how an exam's score becomes a probability of cancer, and what limits of scores would have done

Both rest on scores of single folds. A new exam's score is the mean over all folds' networks, which varies less: a
percentile or a probability is then nearer to the middle than that of a single network would be.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mammo_steps.core.auc import Floats
from mammo_steps.core.calibration import Calibrator, shifted
from mammo_steps.core.endpoints import truths
from mammo_steps.core.prediction import NETWORKS
from mammo_steps.core.terms import Endpoint, Outcome

GRID = np.linspace(0.0, 1.0, 1001)
UNITS = ("exam", "breast", "image")
SPECIFICITIES = (0.8, 0.9, 0.95, 0.97, 0.99)
_ENDPOINTS = (Endpoint.SCREEN_DETECTED, Endpoint.SCREEN_DETECTED_OR_INTERVAL)
_WITHOUT_CANCER = (Outcome.NORMAL, Outcome.BENIGN)


def reference_of(images: pd.DataFrame) -> dict[str, Any]:
    """reference.json of the out-of-fold margins.

    images  columns exam_id, laterality, outcome and a margin per network of `NETWORKS`; in the order of image_id
    """
    without = images[images["outcome"].isin([str(outcome) for outcome in _WITHOUT_CANCER])]
    if without.empty:
        raise ValueError("the study has no exam without cancer: new scores have nothing to be compared with")
    networks = list(NETWORKS)
    breasts = without.groupby(["exam_id", "laterality"])[networks].sum()
    tables = {"image": without[networks], "breast": breasts, "exam": breasts.groupby("exam_id").max()}
    quantiles = {
        unit: {network: np.quantile(table[network], GRID).tolist() for network in networks}
        for unit, table in tables.items()
    }
    return {
        "of": "out-of-fold scores of exams without cancer (outcomes normal and benign)",
        **{f"n_{unit}s": len(tables[unit]) for unit in UNITS},
        "at": GRID.tolist(),
        "quantiles": quantiles,
    }


def thresholds_of(scores: pd.DataFrame, prior: str) -> list[dict[str, Any]]:
    """Limits of exam scores at round specificities, and the sensitivity there, out of fold.

    scores  columns outcome and one per network of `NETWORKS`
    prior   `negative` or `leave_out`: exams before the one at which a cancer was found
    An exam at or above `score` counts as called; positive and negative are the exams that are so in report/auc.csv.
    """
    rows: list[dict[str, Any]] = []
    for endpoint in _ENDPOINTS:
        truth = truths(scores["outcome"].tolist(), endpoint, prior)
        known, positive = scores[truth >= 0], truth[truth >= 0] == 1
        if not positive.any() or positive.all():
            continue
        for network in NETWORKS:
            values = known[network].to_numpy(dtype=np.float64)
            for wanted in SPECIFICITIES:
                limit = float(np.quantile(values[~positive], wanted, method="higher"))
                called = values >= limit
                rows.append(
                    {
                        "network": network,
                        "endpoint": str(endpoint),
                        "score": limit,
                        "specificity": float(1 - called[~positive].mean()),
                        "sensitivity": float(called[positive].mean()),
                        "n_positive": int(positive.sum()),
                        "n_negative": int((~positive).sum()),
                    }
                )
    return rows


def calibration_of(evaluation: Mapping[str, Any], scores: pd.DataFrame) -> dict[str, Any]:
    """calibration.json from evaluation.json and the exam scores.

    A network whose scores are no higher for cancers has no probability: it would fall as the score rises.
    """
    rows = [
        {
            "network": row["model"],
            **{
                name: row[name]
                for name in ("endpoint", "n_positive", "n_negative", "prevalence", "logit_shift")
            },
            "calibrator": row["calibrator_of_all_folds"],
        }
        for row in evaluation["calibration"]
        if row["model"] in NETWORKS and row.get("calibrator_of_all_folds", {"slope": 0})["slope"] > 0
    ]
    return {"probability_of": rows, "thresholds": thresholds_of(scores, evaluation["prior"])}


def without_probability(
    evaluation: Mapping[str, Any], calibration: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """(network, end point) that were calibrated in vain."""
    told = {(row["network"], row["endpoint"]) for row in calibration["probability_of"]}
    fitted = [row for row in evaluation["calibration"] if "calibrator_of_all_folds" in row]
    whose = [(row["model"], row["endpoint"]) for row in fitted if row["model"] in NETWORKS]
    return [one for one in whose if one not in told]


@dataclass(frozen=True)
class Reference:
    """reference.json and calibration.json, read."""

    scores: Mapping[str, Any]
    calibration: Mapping[str, Any]

    def percentile(self, unit: str, network: str, score: float) -> float:
        """Share of the reference's scores below this one, in %; between quantiles on a straight line."""
        quantiles = np.array(self.scores["quantiles"][unit][network])
        return float(100 * np.interp(score, quantiles, GRID))

    def probability(self, network: str, score: float, endpoint: str) -> float | None:
        """Of cancer as the end point has it, at the share that `prevalence` tells; None if none could be fitted."""
        for row in self.calibration["probability_of"]:
            if (row["network"], row["endpoint"]) == (network, endpoint):
                values: Floats = np.array([score], dtype=np.float64)
                found = Calibrator(**row["calibrator"]).probabilities(values, "logistic")
                target = self.prevalence(network, endpoint)
                assert target is not None
                return float(shifted(found, row["prevalence"], target)[0])
        return None

    def prevalence(self, network: str, endpoint: str) -> float | None:
        """At which probabilities are given: of screening where the study stated it, else the study's own share."""
        for row in self.calibration["probability_of"]:
            if (row["network"], row["endpoint"]) == (network, endpoint):
                odds = row["prevalence"] / (1 - row["prevalence"]) * float(np.exp(row["logit_shift"]))
                return float(odds / (1 + odds))
        return None
