"""A PACS keeps or replaces an object by its UID: the same content has the same one, and no other content has."""

from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from made_prediction import headers, made_exam, made_prediction, paper_bundle
from pydicom.dataset import Dataset

from mammo_steps.core.dicom_results import dicom_objects
from mammo_steps.core.prediction import ExamPrediction

BUNDLE = paper_bundle()
PICTURE = np.zeros((60, 80, 3), np.uint8)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    return headers(made_exam(tmp_path_factory.mktemp("exam")))


def objects(sources: dict[str, Dataset], exam: ExamPrediction | None = None, day: int = 1) -> list[Dataset]:
    """Report, marks of four images, picture."""
    exam = exam or made_prediction(sources, BUNDLE)
    return dicom_objects(exam, sources, PICTURE, BUNDLE, datetime(2026, 1, day))


def uids(made: list[Dataset]) -> list[str]:
    assert all(one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID for one in made)
    return [one.SOPInstanceUID for one in made]


def changed(sources: dict[str, Dataset], **values: str) -> dict[str, Dataset]:
    other = deepcopy(sources)
    for header in other.values():
        for name, value in values.items():
            setattr(header, name, value)
    return other


def test_the_same_content_has_the_same_uids_whenever_it_is_made(sources) -> None:
    assert uids(objects(sources)) == uids(objects(deepcopy(sources), day=9))


@pytest.mark.parametrize(
    "identity",
    [{"PatientID": "P2"}, {"PatientName": "OTHER^WOMAN"}, {"AccessionNumber": "A7"}, {"StudyInstanceUID": "1.2.77"}],
    ids=lambda identity: next(iter(identity)),
)  # fmt: skip
def test_another_identity_of_patient_or_study_makes_other_objects(sources, identity: dict[str, str]) -> None:
    assert not set(uids(objects(sources))) & set(uids(objects(changed(sources, **identity))))


@pytest.mark.parametrize("change", [{"holistic": 9.0}, {"coa": (1.0, 1.0)}, {"roi": (0, 0, 64)}])
def test_another_score_or_place_in_an_image_makes_another_report_and_other_marks(
    sources, change: dict[str, Any]
) -> None:
    exam = made_prediction(sources, BUNDLE)
    images = [
        replace(image, members=tuple(replace(member, **change) for member in image.members))
        for image in exam.images
    ]
    before, after = uids(objects(sources)), uids(objects(sources, replace(exam, images=tuple(images))))
    assert not set(before[:5]) & set(after[:5]) and before[5] == after[5]  # (the same picture)


def test_the_smallest_other_score_of_the_exam_makes_another_report(sources) -> None:
    exam = made_prediction(sources, BUNDLE)
    scores = {name: replace(score, margin=score.margin + 1e-9) for name, score in exam.scores.items()}
    before, after = uids(objects(sources)), uids(objects(sources, replace(exam, scores=scores)))
    assert before[0] != after[0] and before[1:] == after[1:]  # (the others say nothing of it)


def test_results_of_two_women_are_in_no_series_together(sources) -> None:
    ours, others = objects(sources), objects(changed(sources, PatientID="P2"))
    assert not {one.SeriesInstanceUID for one in ours} & {one.SeriesInstanceUID for one in others}
