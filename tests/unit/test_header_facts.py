"""What a data set's own tables say of an image, beside its header."""

from datetime import date
from pathlib import Path

import pytest
from header_settings import header_settings
from made_files import make_dicom, put
from pydicom.dataset import Dataset

from mammo_steps.core.dicom_headers import read_header
from mammo_steps.core.labels import ImageFacts
from mammo_steps.core.terms import Reason

SETTINGS = header_settings()

FACTS = ImageFacts(
    "W7", "E7", "I7", "L", "CC", exam_date=date(2001, 2, 3), age_years=52, synthetic=True, implant=True
)


def test_facts_of_the_data_set_stand_in_for_the_header(tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    def facts_of(relative: str, ds: Dataset) -> ImageFacts:
        asked.append((relative, ds.PatientID))
        return FACTS

    path = make_dicom(
        tmp_path / "a.dcm", change=put(ImageLaterality=None, ViewPosition=None, ViewCodeSequence=None)
    )
    found = read_header(path, header_settings(accept_synthetic=True), facts_of, "b/a.dcm")
    assert asked == [("b/a.dcm", "P1")]
    assert (found.patient_id, found.exam_id, found.image_id) == ("W7", "E7", "I7")
    assert (found.laterality, found.view, found.reason) == ("L", "CC", None)
    assert (found.exam_date, found.age_years) == (date(2001, 2, 3), 52)
    assert (found.synthetic, found.implant) == (True, True)
    assert read_header(path, SETTINGS, facts_of).reason == Reason.SYNTHETIC


@pytest.mark.parametrize(
    ("facts", "reason", "detail"),
    [
        (ImageFacts(laterality="R"), Reason.LATERALITY_CONFLICT, "L in the header, R in the metadata"),
        (ImageFacts(view="MLO"), Reason.VIEW_CONFLICT, "CC in the header, MLO in the metadata"),
        (ImageFacts(reason=Reason.OTHER_VIEW, detail="cropped"), Reason.OTHER_VIEW, "cropped"),
        (ImageFacts(), None, ""),
    ],
)
def test_facts_that_contradict_the_header_are_a_conflict(
    tmp_path: Path, facts: ImageFacts, reason: Reason | None, detail: str
) -> None:
    found = read_header(make_dicom(tmp_path / "a.dcm"), SETTINGS, lambda relative, ds: facts)
    assert (found.reason, found.detail) == (reason, detail)


def test_of_a_view_that_is_told_and_not_ours_the_reason_is_its_name(tmp_path: Path) -> None:
    path = make_dicom(tmp_path / "a.dcm", change=put(ViewPosition=None, ViewCodeSequence=None))
    found = read_header(path, SETTINGS, lambda relative, ds: ImageFacts(view="XCCL"))
    assert (found.reason, found.detail, found.view) == (Reason.OTHER_VIEW, "XCCL", "XCCL")


def test_facts_that_fail_on_a_file_leave_it_out(tmp_path: Path) -> None:
    def facts_of(relative: str, ds: Dataset) -> ImageFacts:
        raise KeyError("P1")

    found = read_header(make_dicom(tmp_path / "a.dcm"), SETTINGS, facts_of)
    assert (found.reason, found.detail) == (Reason.UNREADABLE_HEADER, "KeyError")


def test_ages_of_90_and_above_are_one_class_wherever_they_come_from(tmp_path: Path) -> None:
    path = make_dicom(tmp_path / "a.dcm")
    for told, kept in ((97, 90), (90, 90), (89, 89), (0, None)):
        assert read_header(path, SETTINGS, lambda *_, age=told: ImageFacts(age_years=age)).age_years == kept
