"""Which mammograms a study takes, by its settings."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from header_settings import header_settings
from made_files import Change, coded, make_dicom, put, view_code
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from mammo_steps.core.dicom_headers import Header, read_header
from mammo_steps.core.terms import Reason

RAW_CLASS = "1.2.840.10008.5.1.4.1.1.1.2.1"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def header(tmp_path: Path, change: Change, **settings: Any) -> Header:
    return read_header(make_dicom(tmp_path / "a.dcm", change=change), header_settings(**settings))


def test_a_study_of_raw_images_takes_no_others(tmp_path: Path) -> None:
    raw = put(SOPClassUID=RAW_CLASS, PresentationIntentType="FOR PROCESSING")
    wanted = {"presentation_intent": "FOR PROCESSING"}
    found = header(tmp_path, raw, **wanted)
    assert (found.reason, found.intent) == (None, "processing")
    found = header(tmp_path, raw)
    assert (found.reason, found.intent) == (Reason.FOR_PROCESSING, "processing")
    found = header(tmp_path, put(), **wanted)
    assert (found.reason, found.intent) == (Reason.FOR_PRESENTATION, "presentation")
    film = put(SOPClassUID=CAPTURE, PresentationIntentType=None)
    found = header(tmp_path, film, accept_secondary_capture=True, **wanted)
    assert (found.reason, found.intent) == (Reason.FOR_PRESENTATION, None)


@pytest.mark.parametrize("intent", ["FOR PRESENTATION", "FOR PROCESSING"])
def test_class_and_intent_that_contradict_each_other_are_taken_by_no_study(
    tmp_path: Path, intent: str
) -> None:
    found = header(tmp_path, put(SOPClassUID=RAW_CLASS), presentation_intent=intent)
    assert found.intent is None
    assert found.reason in (Reason.FOR_PROCESSING, Reason.FOR_PRESENTATION)
    assert found.detail == "SOP class and PresentationIntentType contradict each other"


def part(ds: Dataset) -> None:
    ds.PartialViewCodeSequence = Sequence([coded("255561001", "SCT")])


@pytest.mark.parametrize(
    ("change", "partial", "detail"),
    [
        (put(PartialView="YES"), True, ""),
        (put(PartialView=None, PartialViewDescription="upper half"), True, ""),
        (part, True, "PartialView is NO, PartialViewCodeSequence names a part"),
        (put(PartialViewDescription="x"), True, "PartialView is NO, PartialViewDescription names a part"),
        (put(PartialView=None), None, ""),
        (put(PartialView="NO", PartialViewCodeSequence=Sequence([])), False, ""),
    ],
)
def test_partial_views_are_taken_on_request(
    tmp_path: Path, change: Change, partial: bool | None, detail: str
) -> None:
    found = header(tmp_path, change)
    assert (found.partial, found.detail) == (partial, detail)
    assert found.reason == (Reason.PARTIAL_VIEW if partial else None)
    assert header(tmp_path, change, accept_partial_views=True).reason is None


NO_CODE: dict[str, Any] = {"ViewCodeSequence": None, "ViewPosition": None}


@pytest.mark.parametrize(
    ("change", "displaced"),
    [
        (view_code("399162004", "SCT", ("399209000", "SCT")), True),
        (view_code("R-10242", "SRT", ("R-102D5", "SNM3")), True),
        (put(ViewModifierCodeSequence=Sequence([coded("R-102D5", "99SDM")])), True),
        (put(**NO_CODE, SeriesDescription="L CC ID"), True),
        (put(**NO_CODE, SeriesDescription="L_CC_implant displaced"), True),
        (put(**NO_CODE, ProtocolName="ID LCC"), True),
        (put(ViewCodeSequence=None, ViewPosition="CCID"), True),
        (put(SeriesDescription="L CC ID"), False),  # the view's code says nothing of it
        (put(**NO_CODE, SeriesDescription="L CC, identified"), False),
    ],
)
def test_displaced_implants_are_taken_on_request(tmp_path: Path, change: Change, displaced: bool) -> None:
    found = header(tmp_path, change)
    assert (found.view, found.implant_displaced) == ("CC", displaced)
    assert found.reason == (Reason.IMPLANT_DISPLACED if displaced else None)
    assert header(tmp_path, change, accept_implant_displaced=True).reason is None


def test_implants_are_flagged_and_left_out_on_request(tmp_path: Path) -> None:
    implant = put(BreastImplantPresent="YES")
    assert (header(tmp_path, implant).implant, header(tmp_path, implant).reason) == (True, None)
    assert header(tmp_path, implant, implants="exclude").reason == Reason.IMPLANT
    assert header(tmp_path, put(BreastImplantPresent=None)).implant is None
    assert header(tmp_path, put(), implants="exclude").reason is None
    displaced = view_code("399162004", "SCT", ("399209000", "SCT"))
    found = header(tmp_path, displaced, implants="exclude", accept_implant_displaced=True)
    assert found.reason == Reason.IMPLANT


def test_spots_are_special_whatever_else_is_accepted(tmp_path: Path) -> None:
    accept = {"accept_partial_views": True, "accept_implant_displaced": True, "accept_synthetic": True}
    spot = view_code("399162004", "SCT", ("399209000", "SCT"), ("399055006", "SCT"))
    assert header(tmp_path, spot, **accept).detail == "spot compression"


@pytest.mark.parametrize(
    ("paddle", "special"),
    [("10CM SPOT", True), ("SPT CONTACT", True), ("15CM MAG", True), ("24x29 IMAGE", False), ("FLEX", False)],
)
def test_spot_and_magnification_paddles_are_known_by_name(tmp_path: Path, paddle: str, special: bool) -> None:
    found = header(tmp_path, put(PaddleDescription=paddle))
    assert found.reason == (Reason.SPECIAL_VIEW if special else None)


@pytest.mark.parametrize(
    ("factor", "special"), [("1.0", False), ("1.2", False), ("1.21", True), ("1.8", True)]
)
def test_more_than_contact_magnification_is_special(tmp_path: Path, factor: str, special: bool) -> None:
    found = header(tmp_path, put(EstimatedRadiographicMagnificationFactor=factor))
    assert (found.reason == Reason.SPECIAL_VIEW) == special


@pytest.mark.parametrize(
    "kind",
    ["STEREO_SCOUT", "STEREO_MINUS", "PREFIRE_PLUS", "POSTFIRE_MINUS", "POSTBIOPSY", "POSTMARKER", "CAD"],
)
def test_images_of_a_biopsy_and_pictures_of_cad_are_special(tmp_path: Path, kind: str) -> None:
    found = header(tmp_path, put(ImageType=["DERIVED", "PRIMARY", kind]))
    assert (found.reason, found.detail) == (Reason.SPECIAL_VIEW, "by ImageType")


def test_the_marks_of_cad_are_told_from_an_examination_with_cad(tmp_path: Path) -> None:
    for text, special in (
        ("R2 CAD", True),
        ("CAD overlay L CC", True),
        ("SCREENING MAMMO BILAT W/CAD", False),
    ):
        assert (header(tmp_path, put(SeriesDescription=text)).reason is not None) == special, text


@pytest.mark.parametrize(
    "text", ["L CC C-View", "L_CC_S-View", "V-Preview", "Intelligent 2D", "Synthesized CC"]
)
def test_images_from_tomosynthesis_are_known_by_name(tmp_path: Path, text: str) -> None:
    found = header(tmp_path, put(SeriesDescription=text))
    assert (found.synthetic, found.reason) == (True, Reason.SYNTHETIC)
    assert header(tmp_path, put(SeriesDescription=text), accept_synthetic=True).reason is None


def test_an_empty_item_among_the_modifiers_says_nothing(tmp_path: Path) -> None:
    found = header(tmp_path, put(ViewModifierCodeSequence=Sequence([Dataset()])))
    assert found.reason is None


@pytest.mark.parametrize(
    ("name", "value"), [("exam_id_field", "StudyID"), ("presentation_intent", "both"), ("implants", "drop")]
)
def test_a_setting_outside_its_set_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is '{value}', wanted one of"):
        dataclasses.replace(header_settings(), **{name: value})
