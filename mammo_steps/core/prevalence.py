"""What a test's sensitivity and specificity mean where cancer is as rare as in screening.

A cohort enriched with cancers has the right sensitivity, specificity and AUC, but not the right recall rate,
PPV and NPV. A prevalence of None leaves it as it is in the cohort.
"""


def negative_weight(n_positive: int, n_negative: int, prevalence: float | None) -> float:
    """How many times a negative exam counts, a positive counting once, for this share of positives."""
    if prevalence is None or not n_positive or not n_negative:
        return 1.0
    if not 0 < prevalence < 1:
        raise ValueError(f"prevalence is {prevalence}, wanted a share of exams between 0 and 1")
    return (1 - prevalence) / prevalence * n_positive / n_negative


def rates(sensitivity: float, specificity: float, prevalence: float) -> dict[str, float | None]:
    """Share of exams recalled, and PPV and NPV (Bayes); None where nobody is recalled, or everybody."""
    found, false_alarm = prevalence * sensitivity, (1 - prevalence) * (1 - specificity)
    recalled = found + false_alarm
    quiet = (1 - prevalence) * specificity
    missed = prevalence * (1 - sensitivity)
    return {
        "recall_rate": recalled,
        "ppv": found / recalled if recalled > 0 else None,
        "npv": quiet / (quiet + missed) if quiet + missed > 0 else None,
    }
