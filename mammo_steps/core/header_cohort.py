"""The cohort as far as headers and labels decide it: every image's pixels are taken to be usable."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from mammo_steps.core.cohort_settings import CohortSettings
from mammo_steps.core.eligibility import (
    ORDER,
    exam_frame,
    exam_reasons,
    without_extra_images,
    without_unknown_spacing,
)
from mammo_steps.core.flow import EXAM_IS_OUT, STEPS, excluded_rows, flow_chart
from mammo_steps.core.terms import Outcome, Reason

LABEL_REASONS = (
    Reason.NO_LABEL,
    Reason.LATERALITY_CONTRADICTS_LABEL,
    Reason.OUTCOME_UNKNOWN,
    Reason.AFTER_CANCER,
    Reason.SHORT_FOLLOW_UP,
)

ONE_WOMAN = "of one woman"  # what is left of the check against the label's woman where there are no labels


@dataclass(frozen=True)
class HeaderCohort:
    """exams: core.eligibility.exam_frame with reason; excluded, flow: as list_images writes them."""

    exams: pd.DataFrame
    excluded: pd.DataFrame
    flow: dict[str, Any]


def stand_in_labels(files: pd.DataFrame) -> pd.DataFrame:
    """Labels that contradict nothing, one per exam with an image, for an archive without a label table."""
    with_image = files[files["exam_id"].isin(files.loc[files["reason"].isna(), "exam_id"])]
    women = with_image.groupby("exam_id")["patient_id"].min()
    labels = pd.DataFrame({"label_patient_id": women, "outcome": Outcome.NORMAL.value})
    for name in ("cancer_laterality", "density", "cancer_type"):
        labels[name] = pd.Series(None, index=labels.index, dtype="str")
    return labels.assign(follow_up_months=float("nan"), row=0)


def header_cohort(files: pd.DataFrame, labels: pd.DataFrame | None, settings: CohortSettings) -> HeaderCohort:
    """files: core.archive_tables; labels: index exam_id, None = there are none, and then outcomes are null."""
    if settings.require_pixel_spacing:
        files = without_unknown_spacing(files)
    given = stand_in_labels(files) if labels is None else labels
    exams = exam_frame(files, given, settings.slots)
    exams["reason"] = exam_reasons(exams, settings.rules(bool(given["follow_up_months"].notna().any())))
    if settings.extra_images == "best":
        files = without_extra_images(files, exams, settings.slots)
    excluded = excluded_rows(files, exams, given)
    flow = flow_chart(files, exams, excluded, [])
    skipped = {"with usable pixels"} | ({STEPS[r] for r in LABEL_REASONS} if labels is None else set())
    flow["steps"] = [step for step in flow["steps"] if step["step"] not in skipped]
    if labels is None:
        for step in flow["steps"]:
            if step["step"] == STEPS[Reason.PATIENT_CONTRADICTS_LABEL]:
                step["step"] = ONE_WOMAN
        exams["outcome"], excluded["outcome"] = None, None
    return HeaderCohort(exams, excluded, flow)


def _lost(excluded: pd.DataFrame, step: str, place: int) -> tuple[str, pd.DataFrame]:
    """(unit, rows of `excluded`) of what is lost on the way to a step: files first, then exams, else images."""
    if place < 2:
        return "file", excluded[(excluded["level"] == "file") & (place == 1)]
    reason = next((why for why, text in STEPS.items() if text == step), Reason.PATIENT_CONTRADICTS_LABEL)
    rows = excluded[(excluded["reason"] == reason) & (excluded["detail"] != EXAM_IS_OUT)]
    units = [unit for unit in ("exam", "image") if (rows["level"] == unit).any()]
    return (units[0], rows[rows["level"] == units[0]]) if units else ("exam", rows[:0])


def flow_boxes(cohort: HeaderCohort) -> list[dict[str, Any]]:
    """The first two steps of the flow chart, and each later one that loses something.

    Added to a step are what was `lost` on the way to it (reason, n and n by outcome), its `unit`, and in the last box
    `all_fulfil`: the steps at which nothing was lost.
    """
    boxes: list[dict[str, Any]] = []
    passed = []
    for place, step in enumerate(cohort.flow["steps"]):
        unit, lost = _lost(cohort.excluded, step["step"], place)
        if place >= 2 and lost.empty:
            passed.append(step["step"])
            continue
        rows = [
            {"reason": reason, "n": len(own), "outcomes": own["outcome"].value_counts().to_dict()}
            for reason, own in sorted(lost.groupby("reason"), key=lambda item: -len(item[1]))
        ]
        boxes.append(step | {"lost": rows, "unit": unit, "all_fulfil": []})
    boxes[-1]["all_fulfil"] = passed
    return boxes


def exclusion_table(excluded: pd.DataFrame) -> tuple[list[str], list[dict[str, Any]]]:
    """(outcomes that occur, `unlabelled` the last, rows of level, reason, n by outcome and in all).

    Images whose exam is out are not counted again.
    """
    excluded = excluded[excluded["detail"] != EXAM_IS_OUT]
    named = excluded.assign(outcome=excluded["outcome"].astype("object").fillna("unlabelled"))
    present = set(named["outcome"])
    outcomes = [name for name in (*(str(outcome) for outcome in Outcome), "unlabelled") if name in present]
    order = {reason.value: place for place, reason in enumerate((*Reason, *ORDER))}
    groups = sorted(named.groupby(["level", "reason"]), key=lambda item: (item[0][0], order[item[0][1]]))
    rows = []
    for (level, reason), own in groups:
        counts = own["outcome"].value_counts()
        row = {"level": level, "reason": reason, "n": len(own)}
        rows.append(row | {name: int(counts.get(name, 0)) for name in outcomes})
    return outcomes, rows
