"""Checks that need outcomes: labels that do not meet the archive, too few cancers, cancers that differ otherwise.

Thresholds stand where they are used.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from mammo_steps.core.answerable import women_by_worst_outcome
from mammo_steps.core.fold_count import MIN_FOLDS, MIN_POSITIVES, most_folds, per_fold
from mammo_steps.core.page_words import n_of, percent
from mammo_steps.core.reason_texts import UNDEFINED_TEXTS
from mammo_steps.core.selective_loss import Association, exclusion_tests, group_tests
from mammo_steps.core.terms import Outcome, Reason, Undefined
from mammo_steps.core.verdict import Finding, Level, graded, part, rule_text

P_LOOK = 0.01  # after Holm
SHOWN = 4  # associations that a finding names, the clearest ones
FEW_PER_FOLD = 10
PROPERTIES = {
    "machine": "maker and model", "exam_year": "year", "size": "matrix", "intent": "intent", "window": "window",
    "bits_stored": "bits", "syntax": "encoding",
}  # fmt: skip


@dataclass(frozen=True)
class Labelled:
    """exams: with outcome, reason and PROPERTIES; labels: index exam_id; excluded: as in core.flow."""

    exams: pd.DataFrame
    labels: pd.DataFrame
    excluded: pd.DataFrame
    folds: int
    follow_up_months: float | None

    @property
    def kept(self) -> pd.DataFrame:
        return self.exams[self.exams["reason"].isna()]

    def with_outcome(self, outcome: Outcome) -> pd.DataFrame:
        kept = self.kept
        return kept[kept["outcome"] == outcome]


def exam_properties(files: pd.DataFrame) -> pd.DataFrame:
    """PROPERTIES but the year, of each exam's first image that is taken; index exam_id."""
    images = files[files["reason"].isna()].sort_values("image_id")
    images = images.assign(machine=images["vendor"] + " " + images["model"].fillna("model not said"))
    first: pd.DataFrame = images.groupby("exam_id")[[n for n in PROPERTIES if n != "exam_year"]].first()
    return first


def check_labelled(labelled: Labelled) -> list[Finding]:
    return [check(labelled) for check in CHECKS]


def _unlabelled(labelled: Labelled) -> Finding:
    n, of = int((labelled.exams["reason"] == Reason.NO_LABEL).sum()), len(labelled.exams)
    return Finding(
        graded(n / of if of else 1.0, 0.01, 0.9),
        "Exams that the label table does not have",
        part(n, of, "exams"),
        rule_text(0.01, 0.9),
        "They are left out. Nearly all of them means that the ids of table and headers are not the same ids.",
        "Compare an exam id of the table with the header field read_headers.settings.exam_id_field, zeros included.",
    )


def _no_exam(labelled: Labelled) -> Finding:
    n, of = int((labelled.excluded["reason"] == Reason.NO_EXAM).sum()), len(labelled.labels)
    return Finding(
        graded(n / of, 0.01, 0.9),
        "Labels whose exam is not in the archive",
        part(n, of, "labels"),
        rule_text(0.01, 0.9),
        "Exams that were not delivered are seldom a random part: old years, other sites, or difficult cases.",
        "Ask for the missing exams, or for the reason why they are missing.",
    )


def _unknown(labelled: Labelled) -> Finding:
    unknown = labelled.labels[labelled.labels["outcome"] == Outcome.UNKNOWN]
    counts = Counter(None if pd.isna(why) else Undefined(why) for why in unknown["undefined"])
    words = [f"{n:,} {UNDEFINED_TEXTS[why]}" for why, n in counts.most_common()]
    n, of = len(unknown), len(labelled.labels)
    return Finding(
        graded(n / of, 0.05, 0.9),
        "Labels without a known outcome",
        part(n, of, "labels") + (f": {'; '.join(words)}" if words else ""),
        rule_text(0.05, 0.9),
        "They are left out. If outcomes are unknown more often for one kind of woman, the rest is not the programme.",
        "Link the missing outcomes, or state their number.",
    )


def _contradictions(labelled: Labelled) -> Finding:
    reasons = (Reason.PATIENT_CONTRADICTS_LABEL, Reason.LATERALITY_CONTRADICTS_LABEL)
    n, of = int(labelled.exams["reason"].isin(reasons).sum()), len(labelled.exams)
    return Finding(
        graded(n / of if of else 0.0, 0, 0.05),
        "Labels that contradict the headers",
        part(n, of, "exams"),
        rule_text(0, 0.05),
        "The label names another woman, or a breast of which there is no image: other labels may be wrong unseen.",
        "Look up a few of them (README, Privacy, says how to find an exam again) and correct the table.",
    )


def _cohort(labelled: Labelled) -> Finding:
    n, of = len(labelled.kept), len(labelled.exams)
    return Finding(
        Level.STOP if n == 0 else graded(1 - n / of, 0.5),
        "Exams that are in the cohort",
        part(n, of, "exams"),
        "look below 50 %, stop if there are none",
        "What is left should still stand for the programme.",
        "The flow chart shows where exams leave.",
    )


def _sides(labelled: Labelled) -> Finding:
    cancers = labelled.with_outcome(Outcome.SCREEN_DETECTED)
    n, of = int(cancers["cancer_laterality"].isna().sum()), len(cancers)
    return Finding(
        graded(n / of if of else 0.0, 0, 0.9),
        "Screen-detected cancers of unknown side",
        part(n, of, "exams with a screen-detected cancer"),
        rule_text(0, 0.9),
        "They are evaluated, not trained on: only images of the affected breast are positive.",
        "Fill in the side in the label table.",
    )


def _follow_up(labelled: Labelled) -> Finding:
    normal = labelled.labels[labelled.labels["outcome"] == Outcome.NORMAL]
    n_short = int((labelled.exams["reason"] == Reason.SHORT_FOLLOW_UP).sum())
    stated = int(normal["follow_up_months"].notna().sum())
    if labelled.follow_up_months is None:
        level = Level.LOOK
    else:
        level = Level.LOOK if not stated else graded(n_short / len(normal) if len(normal) else 0.0, 0.2, 0.9)
    wanted = (
        "none wanted" if labelled.follow_up_months is None else f"{labelled.follow_up_months:g} months wanted"
    )
    return Finding(
        level,
        "Follow-up of normal exams",
        f"stated for {part(stated, len(normal), 'normal exams')}, {wanted}; {n_short:,} left out as too short",
        "look if none is stated or wanted, or above 20 % left out; stop above 90 %",
        "Without follow-up, interval cancers hide among the normals: every AUC then means something else.",
        "State follow_up_months in the label table, or how normals were confirmed.",
    )


def _positives(labelled: Labelled) -> Finding:
    women = women_by_worst_outcome(labelled.kept)
    n, most = women[Outcome.SCREEN_DETECTED], most_folds(women)
    fewest, _ = per_fold(n, labelled.folds)
    level = Level.STOP if labelled.folds > most else Level.LOOK if fewest < FEW_PER_FOLD else Level.FINE
    return Finding(
        level,
        "Cancers per fold",
        f"{n_of(n, 'woman', 'women')} with a screen-detected cancer, "
        f"{fewest:,} or more in each of {labelled.folds} folds; the largest possible number of folds is {most}",
        f"look below {FEW_PER_FOLD} a fold, stop where split_folds would refuse",
        "A fold's epoch is chosen on few cancers, and its AUC rests on few.",
        _folds_advice(women, labelled.folds),
    )


def _folds_advice(women: Mapping[Outcome, int], folds: int) -> str:
    """What there is to do about too few women with cancer per fold."""
    if min(most_folds(women), folds - 1) >= MIN_FOLDS:
        return "Set split_folds.folds lower, or get more exams with cancer."
    wanted = f"{MIN_FOLDS * MIN_POSITIVES} women with a screen-detected cancer"
    if women[Outcome.INTERVAL]:
        wanted += f" and {MIN_FOLDS} with an interval cancer"
    return f"Get more labelled exams with cancer: fewer folds than {MIN_FOLDS} cannot be, and they need {wanted}."


def _interval_cancers(labelled: Labelled) -> Finding:
    n = len(labelled.with_outcome(Outcome.INTERVAL))
    return Finding(
        Level.LOOK if n < 30 else Level.FINE,
        "Interval cancers",
        n_of(n, "exam", "exams")
        + ("" if n else ": end point interval cancers is not estimable, and (b) is the same as (a)"),
        "look below 30",
        "They are the cancers that the readers missed: only they tell whether a model finds more than readers do.",
        "Link the cancer registry, or report end point (a) alone.",
    )


def _cancer_free(labelled: Labelled) -> Finding:
    n = len(labelled.with_outcome(Outcome.NORMAL)) + len(labelled.with_outcome(Outcome.BENIGN))
    return Finding(
        Level.STOP if n == 0 else Level.LOOK if n < 100 else Level.FINE,
        "Exams without cancer",
        n_of(n, "exam", "exams"),
        "look below 100, stop if there are none",
        "An AUC needs both classes.",
        "Take normal exams of the same machines and years.",
    )


def association_text(name: str, one: Association) -> str:
    return (
        f"{name} {one.name}: {percent(one.share_of_cancers, 0)} of {one.cancers_of:,} cancers, "
        f"{percent(one.share_of_free, 0)} of {one.free_of:,} others"
    )


def _lost_cancers(labelled: Labelled) -> Finding:
    hits = [t for t in exclusion_tests(labelled.excluded, labelled.kept) if t.p < P_LOOK and t.ratio > 1]
    words = [association_text("", one).strip().replace("_", " ") for one in hits]
    return Finding(
        Level.LOOK if hits else Level.FINE,
        "Exclusions that hit cancers more often",
        "; ".join(words) if hits else "no reason does",
        f"look if a reason's exact test has p below {P_LOOK} (corrected after Holm)",
        "Extra views and missing images follow suspicion: leaving these exams out takes the easy cancers away.",
        "See the table of exclusions; list_images.extra_images can keep exams with extra images.",
    )


def _confounding(labelled: Labelled) -> Finding:
    level = Level.FINE
    found: list[tuple[float, str]] = []
    for column, name in PROPERTIES.items():
        for one in group_tests(labelled.kept, column):
            cancers, free = one.share_of_cancers, one.share_of_free
            if one.p >= P_LOOK or 1 / 1.5 < (cancers + 1e-9) / (free + 1e-9) < 1.5:
                continue
            found.append((one.p, association_text(name, one)))
            alone = cancers == 1 and one.cancers_of >= 5 and free <= 0.8
            level = Level.STOP if alone or level == Level.STOP else Level.LOOK
    words = [text for _, text in sorted(found)[:SHOWN]]
    words += [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return Finding(
        level,
        "Cancers and machines, years, encodings",
        "; ".join(words)
        if words
        else "no machine, year, matrix or encoding holds more or fewer of the cancers",
        f"look if a share differs by half and its exact test has p below {P_LOOK} (after Holm); stop if one value "
        "holds all cancers and at most 80 % of the others",
        "A network finds the machine or the export more easily than a cancer; its AUC then says nothing about cancer.",
        "Take cancers and others from the same machines and years, or report AUCs within each.",
    )


CHECKS: tuple[Callable[[Labelled], Finding], ...] = (
    _unlabelled,
    _no_exam,
    _unknown,
    _contradictions,
    _cohort,
    _sides,
    _follow_up,
    _positives,
    _interval_cancers,
    _cancer_free,
    _lost_cancers,
    _confounding,
)
