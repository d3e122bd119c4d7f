"""Which exams belong to the cohort: one reason each for those that do not."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from mammo_steps.core.terms import LATERALITIES, Outcome, Reason

CANCER_FOUND = (Outcome.SCREEN_DETECTED, Outcome.INTERVAL)  # diagnosed before the next exam was due
CANCER_FREE = (Outcome.NORMAL, Outcome.BENIGN)

# Left out by their headers, and images of the exam all the same: an exam with a spot view has more images
# than views, and holds a cancer more often than others.
EXTRA_VIEWS = (Reason.SPECIAL_VIEW, Reason.OTHER_VIEW, Reason.PARTIAL_VIEW, Reason.IMPLANT_DISPLACED)

# An exam leaves for the first reason that applies.
ORDER = (
    Reason.NO_LABEL,
    Reason.PATIENT_CONTRADICTS_LABEL,
    Reason.LEARNED_BY_BUNDLE,
    Reason.LATERALITY_CONTRADICTS_LABEL,
    Reason.OUTCOME_UNKNOWN,
    Reason.AFTER_CANCER,
    Reason.SHORT_FOLLOW_UP,
    Reason.AGE_UNKNOWN,
    Reason.OUTSIDE_AGE_RANGE,
    Reason.INCOMPLETE_EXAM,
    Reason.EXTRA_IMAGES,
)


@dataclass(frozen=True)
class Rules:
    """What an exam must fulfil.

    age_range         first and last age in years; None = any age
    follow_up_months  what a `normal` exam needs, or else a later cancer-free exam; None = its word is taken
    n_images          images that an exam should have; None = more are no reason to leave it out
    learned           women that the networks which training starts from have learned from (`core.lineage`)
    """

    age_range: tuple[float, float] | None
    follow_up_months: float | None
    n_images: int | None
    learned: frozenset[str] = frozenset()


def best_first(images: pd.DataFrame) -> pd.DataFrame:
    """The images, of two of the same view the one to prefer first.

    A standard view before one with the implant displaced, then a whole view before a partial one, a full-field
    image before one computed from tomosynthesis, the larger matrix, the later acquired, the smaller image_id.
    Where a header does not say, it is taken as the usual case; a time that is not known is the earliest.
    """
    flags = {
        name: images[name].eq(True).fillna(False) for name in ("implant_displaced", "partial", "synthetic")
    }
    area = images["height_px"] * images["width_px"]
    ranked = pd.DataFrame(
        flags | {"area": -area, "s": -images["acquired_s"].fillna(-1), "id": images["image_id"]}
    )
    return images.loc[ranked.sort_values(list(ranked.columns)).index]


def without_extra_images(files: pd.DataFrame, exams: pd.DataFrame, slots: Sequence[str]) -> pd.DataFrame:
    """The files with all but the best image of each view of the cohort's exams out, as extra images."""
    of_cohort = files["exam_id"].isin(exams.index[exams["reason"].isna()])
    usable = files[files["reason"].isna() & of_cohort]
    ranked = best_first(usable[usable["slot"].isin(slots)])
    keep = ranked.drop_duplicates(["exam_id", "slot"]).index
    extra = usable.index.difference(keep)
    return files.assign(reason=files["reason"].mask(files.index.isin(extra), Reason.EXTRA_IMAGES.value))


def without_unknown_spacing(files: pd.DataFrame) -> pd.DataFrame:
    """The files with those that could be used but have no pixel spacing out."""
    out = files["reason"].isna() & files["pixel_spacing_mm"].isna()
    return files.assign(reason=files["reason"].mask(out, Reason.NO_PIXEL_SPACING.value))


def exam_frame(files: pd.DataFrame, labels: pd.DataFrame, slots: Sequence[str]) -> pd.DataFrame:
    """One row per exam that has a label or a usable image, index exam_id.

    files   one row per file: the columns of `index`, slot (such as L-CC), level and reason (NaN = usable)
    labels  index exam_id: label_patient_id, outcome, cancer_laterality, follow_up_months, ...
    slots   the images of a complete exam
    Adds to the labels' columns: patient_id and n_women (of all headers), exam_day, exam_year, age_years,
    vendor, has_L and has_R (a file that is or may be of that breast), missing (slots without a usable image),
    n_images (of whatever view).
    """
    known = files[files["exam_id"].notna()]
    usable = known[known["reason"].isna()].sort_values("image_id")
    by_exam = known.groupby("exam_id")
    exams = by_exam[["patient_id"]].min()
    # a file that is left out may be of another day, and tells the date only where no other file does
    dates = ["exam_day", "exam_year", "age_years"]
    taken = known[known["level"] == "image"].groupby("exam_id")[dates].min()
    exams = exams.join(taken.combine_first(by_exam[dates].min()))
    exams["n_women"] = by_exam["patient_id"].nunique()
    exams["vendor"] = usable.groupby("exam_id")["vendor"].first()
    images = known[(known["level"] == "image") | known["reason"].isin(EXTRA_VIEWS)]
    exams["n_images"] = images.groupby("exam_id").size().reindex(exams.index, fill_value=0)
    for laterality in LATERALITIES:
        of_side = known.loc[known["laterality"].isna() | (known["laterality"] == laterality), "exam_id"]
        exams[f"has_{laterality}"] = exams.index.isin(of_side)
    exams["missing"] = ""
    for slot in slots:
        there = exams.index.isin(usable.loc[usable["slot"] == slot, "exam_id"])
        exams["missing"] += pd.Series(there, exams.index).map({True: "", False: f" {slot}"})
    wanted = exams.index.isin(usable["exam_id"]) | exams.index.isin(labels.index)
    return exams[wanted].join(labels)


def order(exams: pd.DataFrame, days: pd.Series, years: pd.Series) -> pd.Series:
    """Per exam -1, 0 or 1: before, on or after its woman's date, by calendar year where a day is not known.

    days, years  per woman (index patient_id); NaN = not known. What cannot be ordered is NaN.
    """
    by_day = exams["exam_day"] - exams["patient_id"].map(days).astype("float64")
    by_year = exams["exam_year"] - exams["patient_id"].map(years).astype("float64")
    return by_day.where(by_day.notna(), by_year).clip(-1, 1)


def after_cancer(exams: pd.DataFrame) -> pd.Series:
    """Exams later than the woman's first one that was followed by a diagnosis, a second cancer included."""
    found = exams[exams["outcome"].isin(CANCER_FOUND)].groupby("patient_id")
    return order(exams, found["exam_day"].min(), found["exam_year"].min()) > 0


def followed(exams: pd.DataFrame, months: float) -> pd.Series:
    """Exams with enough follow-up, or with a later cancer-free exam of the same woman."""
    free = exams[exams["outcome"].isin(CANCER_FREE) & ~after_cancer(exams)].groupby("patient_id")
    before_last_free = order(exams, free["exam_day"].max(), free["exam_year"].max()) < 0
    return (exams["follow_up_months"] >= months) | before_last_free


def exam_reasons(exams: pd.DataFrame, rules: Rules) -> pd.Series:
    """Per exam of an `exam_frame` the first of `ORDER` that applies, NaN = it is in the cohort."""
    no_label = exams["outcome"].isna()
    contradicts = (exams["n_women"] > 1) | (exams["patient_id"] != exams["label_patient_id"])
    history = exams[~no_label & ~contradicts]  # days count from a day of the woman's own
    side = exams["cancer_laterality"]
    needs_left, needs_right = side.isin(["L", "both"]), side.isin(["R", "both"])
    applies = {
        Reason.NO_LABEL: no_label,
        Reason.PATIENT_CONTRADICTS_LABEL: contradicts,
        Reason.LEARNED_BY_BUNDLE: exams["patient_id"].isin(rules.learned),
        Reason.LATERALITY_CONTRADICTS_LABEL: (needs_left & ~exams["has_L"]) | (needs_right & ~exams["has_R"]),
        Reason.OUTCOME_UNKNOWN: exams["outcome"] == Outcome.UNKNOWN,
        Reason.AFTER_CANCER: after_cancer(history).reindex(exams.index, fill_value=False),
        Reason.INCOMPLETE_EXAM: exams["missing"] != "",
    }
    if rules.follow_up_months is not None:
        enough = followed(history, rules.follow_up_months).reindex(exams.index, fill_value=False)
        applies[Reason.SHORT_FOLLOW_UP] = (exams["outcome"] == Outcome.NORMAL) & ~enough
    if rules.age_range is not None:
        applies[Reason.AGE_UNKNOWN] = exams["age_years"].isna()
        applies[Reason.OUTSIDE_AGE_RANGE] = ~exams["age_years"].between(*rules.age_range)
    if rules.n_images is not None:
        applies[Reason.EXTRA_IMAGES] = exams["n_images"] > rules.n_images
    reasons = pd.Series(None, index=exams.index, dtype="str")
    for reason in ORDER:
        if reason in applies:
            reasons = reasons.mask(reasons.isna() & applies[reason], reason.value)
    return reasons
