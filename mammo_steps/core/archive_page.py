"""What the page about an archive shows: findings, tables, flow chart, answers, contact sheet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mammo_steps.core import archive_tables as counted
from mammo_steps.core.answerable import AUCS, answers, reader_table, women_by_worst_outcome
from mammo_steps.core.archive_checks import Headers, check_headers
from mammo_steps.core.cohort_checks import Labelled, check_labelled, exam_properties
from mammo_steps.core.eligibility import CANCER_FOUND
from mammo_steps.core.fold_count import most_folds, per_fold
from mammo_steps.core.geometry import InputCut
from mammo_steps.core.header_cohort import HeaderCohort, exclusion_table, flow_boxes
from mammo_steps.core.image_sample import sheet_images
from mammo_steps.core.pixel_checks import check_pixels, decode_table, grey_table
from mammo_steps.core.selective_loss import Association, exclusion_tests
from mammo_steps.core.table1 import ENDPOINT_NAMES, SYNTHETIC
from mammo_steps.core.terms import Outcome
from mammo_steps.core.verdict import Finding, headline, worst_first

SHOWN_ROWS = 40  # of a long table; the rest stands in the CSV


@dataclass(frozen=True)
class Settings:
    """What the page is about; sections of the config under their own names.

    study, synthetic   its name; whether the cohort is synthetic
    doctor             sample_images, sheet_images
    list_images        what an exam of the cohort is
    make_shards        how pixels are prepared
    folds              number of folds
    prior              what a prior is in an AUC: negative or leave_out
    sampled_negatives  of the sampled protocol
    input              the network's: side_px, crop, mm_per_px (`core.geometry.InputCut`)
    """

    study: str
    synthetic: bool
    doctor: Mapping[str, int]
    list_images: Mapping[str, Any]
    make_shards: Mapping[str, Any]
    folds: int
    prior: str
    sampled_negatives: int
    input: Mapping[str, Any]

    @property
    def width_px(self) -> int:
        return int(self.make_shards["holistic_width_px"])

    @property
    def cut(self) -> InputCut:
        return InputCut(**self.input)

    @property
    def resized_to(self) -> str:
        mm = self.cut.mm_per_px
        return f"{self.width_px} columns" if mm is None else f"{mm:g} mm per pixel"


def rows_of(table: pd.DataFrame) -> dict[str, Any]:
    """The first rows of a table for the page, nulls as None, and how many there are in all."""
    head = table.head(SHOWN_ROWS).astype("object")
    return {"rows": head.where(head.notna(), None).to_dict("records"), "total": len(table)}


def flags_of(image: Mapping[str, Any]) -> list[str]:
    """What a person should know of an image on the contact sheet."""
    named = {
        "implant": "implant",
        "implant_displaced": "implant pushed back",
        "partial": "partial view",
        "synthetic": "computed",
        "burned_in": "burned-in text",
        "lossy": "may have lost detail",
        "narrow": "enlarged",
        "orientation_conflict": "breast on the other side",
    }
    return [words for name, words in named.items() if image[name]]


@dataclass(frozen=True)
class Archive:
    """What is known of the archive: files (core.archive_tables), labels (None = there are none), cohort, sample.

    sample  one row per examined image: its `files` row without reason, and what core.examination found
    """

    files: pd.DataFrame
    labels: pd.DataFrame | None
    cohort: HeaderCohort
    sample: pd.DataFrame

    @property
    def n_images(self) -> int:
        return len(counted.taken(self.files))

    @property
    def kept(self) -> pd.DataFrame:
        return self.cohort.exams[self.cohort.exams["reason"].isna()]

    def exclusion_tests(self) -> dict[str, Association]:
        tests = [] if self.labels is None else exclusion_tests(self.cohort.excluded, self.kept)
        return {test.name: test for test in tests}


def findings_of(archive: Archive, settings: Settings, workers: int) -> list[Finding]:
    """Every check, the worst first."""
    rules = settings.list_images
    headers = Headers(archive.files, archive.cohort.exams, rules["age_range"], settings.width_px)
    findings = check_headers(headers)
    if archive.labels is not None:
        exams = archive.cohort.exams.join(exam_properties(archive.files))
        excluded = archive.cohort.excluded
        labelled = Labelled(exams, archive.labels, excluded, settings.folds, rules["follow_up_months"])
        findings += check_labelled(labelled)
    return worst_first(findings + check_pixels(archive.sample, archive.n_images, workers))


def tables_of(archive: Archive, settings: Settings) -> dict[str, pd.DataFrame]:
    """The tables that the page and the CSV files have in common, by the CSV's name."""
    return {
        "machines": counted.machine_table(archive.files),
        "sizes": counted.size_table(archive.files, settings.width_px, settings.cut),
        "syntaxes": counted.syntax_table(archive.files),
        "years": counted.year_table(archive.files),
    }


def answer_values(kept: pd.DataFrame, settings: Settings) -> dict[str, Any]:
    """What the page's section about answers shows; kept: the cohort's exams."""
    women = women_by_worst_outcome(kept)
    n_exams = kept["outcome"].value_counts()
    return {
        "endpoints": answers(kept, settings.prior, settings.sampled_negatives),
        "outcomes": [
            (outcome, int(n_exams[outcome]), women[outcome]) for outcome in Outcome if outcome in n_exams
        ],
        "strata": [(o, women[o], per_fold(women[o], settings.folds)) for o in CANCER_FOUND],
        "most_folds": most_folds(women),
        "readers": reader_table(kept, CANCER_FOUND),
    }


def page_values(archive: Archive, settings: Settings, findings: Sequence[Finding]) -> dict[str, Any]:
    """Everything that the template wants."""
    sample = archive.sample
    rows = sample.astype("object").where(sample.notna(), None).to_dict("records")
    outcomes, exclusions = exclusion_table(archive.cohort.excluded)
    has_labels = archive.labels is not None
    return {
        "settings": settings,
        "synthetic_text": SYNTHETIC,
        "headline": headline(findings),
        "findings": findings,
        "n_files": len(archive.files),
        "n_images": archive.n_images,
        "has_labels": has_labels,
        "reasons": counted.reason_table(archive.files).to_dict("records"),
        **{name: rows_of(table) for name, table in tables_of(archive, settings).items()},
        "boxes": flow_boxes(archive.cohort),
        "outcomes": outcomes,
        "exclusions": exclusions,
        "tests": archive.exclusion_tests(),
        "answers": answer_values(archive.kept, settings) if has_labels else None,
        "aucs": AUCS,
        "endpoint_names": ENDPOINT_NAMES,
        "sample": rows,
        "flags": flags_of,
        "sheet": sheet_images(rows, settings.doctor["sheet_images"]),
        "greys": grey_table(sample),
        "decoding": decode_table(sample),
        "intensities": sample["intensity"].value_counts().to_dict(),
    }
