"""The cohort's flow chart: what left at which step and why, with sums that must come out.

Everywhere `files` has one row per file of the archive and `exams` one per exam (index exam_id); their
`reason` is why they are out, NaN = they are not. A usable file's exam may be out all the same.
"""

from typing import Any

import pandas as pd

from mammo_steps.core.columns import TABLES
from mammo_steps.core.eligibility import ORDER
from mammo_steps.core.terms import Reason

EXAM_IS_OUT = "its exam is out"  # detail of a usable image's row
STEPS = {
    Reason.NO_LABEL: "with a label",
    Reason.PATIENT_CONTRADICTS_LABEL: "of the woman that the label names",
    Reason.LEARNED_BY_BUNDLE: "of women that the networks had not learned from before",
    Reason.LATERALITY_CONTRADICTS_LABEL: "with images of the breast that the label names",
    Reason.OUTCOME_UNKNOWN: "with a known outcome",
    Reason.AFTER_CANCER: "not after a cancer",
    Reason.SHORT_FOLLOW_UP: "with enough follow-up",
    Reason.AGE_UNKNOWN: "with a known age",
    Reason.OUTSIDE_AGE_RANGE: "in the age range",
    Reason.INCOMPLETE_EXAM: "with every view of both breasts",
    Reason.EXTRA_IMAGES: "without extra images",
}


def _exam_details(exams: pd.DataFrame) -> pd.Series:
    """What was found in each excluded exam, where the reason alone does not say it."""
    line = "line " + exams["row"].astype("Int64").astype("str") + " of the label table"
    details = {
        Reason.PATIENT_CONTRADICTS_LABEL: line + ", " + exams["n_women"].astype("str") + " in the headers",
        Reason.LATERALITY_CONTRADICTS_LABEL: line + " says " + exams["cancer_laterality"],
        Reason.INCOMPLETE_EXAM: "no usable" + exams["missing"],
        Reason.EXTRA_IMAGES: exams["n_images"].astype("Int64").astype("str") + " images",
    }
    detail = pd.Series(None, index=exams.index, dtype="str")
    for reason, text in details.items():
        detail = detail.mask(exams["reason"] == reason, text)
    return detail


def excluded_rows(files: pd.DataFrame, exams: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """The `excluded` table: files and exams that are not in the cohort, and labels without an exam."""
    files = files.assign(
        outcome=files["exam_id"].map(labels["outcome"]), exam_reason=files["exam_id"].map(exams["reason"])
    )
    of_file = files[files["reason"].notna()]
    of_image = files[files["reason"].isna() & files["exam_reason"].notna()]
    of_image = of_image.assign(reason=of_image["exam_reason"], detail=EXAM_IS_OUT)
    of_exam = exams[exams["reason"].notna()].rename_axis("exam_id").reset_index()
    of_exam = of_exam.assign(level="exam", detail=_exam_details(of_exam))
    lost = labels[~labels.index.isin(exams.index)].rename_axis("exam_id").reset_index()
    lost = lost.assign(
        level="label",
        reason=Reason.NO_EXAM.value,
        patient_id=lost["label_patient_id"],
        detail="line " + lost["row"].astype("str") + " of the label table",
    )
    columns = list(TABLES["excluded"])
    parts = [part.reindex(columns=columns) for part in (of_file, of_image, of_exam, lost) if len(part)]
    rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    return rows.sort_values(["level", "exam_id", "image_id", "file_id"], ignore_index=True)


def check_sums(
    files: pd.DataFrame,
    exams: pd.DataFrame,
    labels: pd.DataFrame,
    images: pd.DataFrame,
    excluded: pd.DataFrame,
) -> None:
    """RuntimeError unless every file, exam and label is either in the cohort or excluded, once."""
    n_out = excluded["level"].value_counts()
    files_out = int(n_out.get("file", 0) + n_out.get("image", 0))
    exams_in, exams_out = int(images["exam_id"].nunique()), int(n_out.get("exam", 0))
    labels_out = int(n_out.get("label", 0)) + int(exams.loc[exams["reason"].notna(), "outcome"].notna().sum())
    sums = {
        "files": (len(files), len(images), files_out),
        "exams": (len(exams), exams_in, exams_out),
        "labels": (len(labels), exams_in, labels_out),
    }
    for what, (n_all, n_in, n_out_of) in sums.items():
        if n_all != n_in + n_out_of:
            raise RuntimeError(f"{n_all} {what}, but {n_in} in the cohort and {n_out_of} excluded")


def _counts(step: str, images: pd.DataFrame) -> dict[str, Any]:
    return {
        "step": step,
        "images": len(images),
        "exams": int(images["exam_id"].nunique()),
        "women": int(images["patient_id"].nunique()),
    }


def flow_chart(
    files: pd.DataFrame, exams: pd.DataFrame, excluded: pd.DataFrame, notes: list[str]
) -> dict[str, Any]:
    """`flow.json`: numbers left after each step, and what was excluded by level, reason and outcome."""
    steps: list[dict[str, Any]] = [{"step": "files in the archive", "files": len(files)}]
    images = files[files["level"] == "image"]
    steps.append(_counts("mammograms of the standard views", images))
    images = images[images["reason"].isna() | (images["reason"] == Reason.EXTRA_IMAGES)]
    steps.append(_counts("with usable pixels", images))
    for reason in ORDER:
        out = exams.index[exams["reason"] == reason]
        images = images[~images["exam_id"].isin(out)]
        if reason == Reason.EXTRA_IMAGES:
            images = images[images["reason"].isna()]
        steps.append(_counts(STEPS[reason], images))
    groups = excluded.groupby(["level", "reason", "outcome"], dropna=False).size().rename("n").reset_index()
    left_out = groups.astype(object).where(groups.notna(), None).to_dict("records")
    return {"steps": steps, "excluded": left_out, "notes": notes}
