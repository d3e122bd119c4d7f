"""The outcome of an exam from the time to a diagnosis, for sources that give dates instead of outcomes.

The one rule for every such source, so that their outcomes mean the same:

    cancer within screen_detected_days, woman recalled       screen_detected
    other cancer within interval_days                        interval
    the same, but she was screened again in between          prior
    later cancer, within prior_days where that is set        prior
    later than that, or before the exam, or undated          unknown, with its reason
    no cancer                                                benign with a benign finding, else normal
"""

from mammo_steps.core.labels import Windows
from mammo_steps.core.terms import Outcome, Undefined


def outcome_of_cancer(
    days_to_diagnosis: float | None, recalled: bool, windows: Windows, screened_again: bool = False
) -> tuple[Outcome, Undefined | None]:
    """Outcome of an exam of a woman with a cancer, and why it is unknown if it is.

    days_to_diagnosis  from this exam; None = not known
    recalled           the exam itself led to further work-up
    screened_again     another screening exam came between this one and the diagnosis: the cancer is that one's
    A recalled woman's cancer that is found later than screen_detected_days counts as not found by the exam.
    """
    if days_to_diagnosis is None:
        return Outcome.UNKNOWN, Undefined.DATES_MISSING
    if days_to_diagnosis < 0:
        return Outcome.UNKNOWN, Undefined.DATES_CONTRADICT
    if recalled and days_to_diagnosis <= windows.screen_detected_days:
        return Outcome.SCREEN_DETECTED, None
    if days_to_diagnosis <= windows.interval_days and not screened_again:
        return Outcome.INTERVAL, None
    if windows.prior_days is None or days_to_diagnosis <= windows.prior_days:
        return Outcome.PRIOR, None
    return Outcome.UNKNOWN, Undefined.OUTSIDE_WINDOWS
