"""What a header says, and which files are refused with which reason."""

import logging
import warnings
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from header_settings import header_settings
from made_files import EXPLICIT, edit, make_dicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from mammo_steps.core.dicom_headers import (
    ExcludedFileError,
    Header,
    HeaderSettings,
    quiet_pydicom,
    read_header,
)
from mammo_steps.core.dicom_writing import Machine
from mammo_steps.core.terms import Reason

SETTINGS = header_settings()
Change = Callable[[Dataset], object]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    quiet_pydicom()


def put(**values: Any) -> Change:
    """A change that sets elements; None deletes one."""

    def change(ds: Dataset) -> None:
        for name, value in values.items():
            if value is None:
                delattr(ds, name)
            else:
                setattr(ds, name, value)

    return change


def coded(value: str, scheme: str, modifier: tuple[str, str] | None = None) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "some words"
    if modifier:
        item.ViewModifierCodeSequence = Sequence([coded(*modifier)])
    return item


def view_code(value: str, scheme: str, modifier: tuple[str, str] | None = None) -> Change:
    return put(ViewCodeSequence=Sequence([coded(value, scheme, modifier)]), ViewPosition="")


def header(tmp_path: Path, change: Change | None = None, settings: HeaderSettings = SETTINGS) -> Header:
    return read_header(make_dicom(tmp_path / "a.dcm", change=change), settings)


def refusal(tmp_path: Path, change: Change, settings: HeaderSettings = SETTINGS) -> ExcludedFileError:
    with pytest.raises(ExcludedFileError) as caught:
        header(tmp_path, change, settings)
    return caught.value


def test_a_standard_mammogram_gives_every_field(tmp_path: Path) -> None:
    assert header(tmp_path) == Header(
        patient_id="P1",
        exam_id="1.2.10",
        image_id="1.2.10.1",
        laterality="L",
        view="CC",
        height_px=160,
        width_px=120,
        photometric="MONOCHROME2",
        bits_stored=12,
        transfer_syntax=EXPLICIT,
        vendor="hologic",
        pixel_spacing_mm=0.07,
        exam_date=date(2015, 3, 4),
        age_years=61,
        implant=False,
    )


@pytest.mark.parametrize("laterality", ["L", "R"])
@pytest.mark.parametrize("view", ["CC", "MLO"])
@pytest.mark.parametrize("scheme", ["SCT", "SRT", "SNM3"])
def test_series_laterality_and_view_codes_are_enough(
    tmp_path: Path, laterality: str, view: str, scheme: str
) -> None:
    machine = Machine("siemens", "linear", scheme, "MONOCHROME1", EXPLICIT)
    found = read_header(
        make_dicom(tmp_path / "a.dcm", laterality=laterality, view=view, machine=machine), SETTINGS
    )
    assert (found.laterality, found.view, found.vendor) == (laterality, view, "siemens")


REFUSED: dict[str, tuple[Change, Reason]] = {
    "another modality": (put(Modality="CR"), Reason.NOT_MAMMOGRAPHY),
    "another class": (put(SOPClassUID="1.2.840.10008.5.1.4.1.1.7"), Reason.NOT_MAMMOGRAPHY),
    "raw by class": (put(SOPClassUID="1.2.840.10008.5.1.4.1.1.1.2.1"), Reason.FOR_PROCESSING),
    "raw by intent": (put(PresentationIntentType="FOR PROCESSING"), Reason.FOR_PROCESSING),
    "tomosynthesis": (put(SOPClassUID="1.2.840.10008.5.1.4.1.1.13.1.3"), Reason.MULTI_FRAME),
    "several frames": (put(NumberOfFrames=3), Reason.MULTI_FRAME),
    "colour": (put(PhotometricInterpretation="RGB", SamplesPerPixel=3), Reason.NOT_GREYSCALE),
    "no size": (put(Rows=None), Reason.NO_PIXELS),
    "no pixels": (put(PixelData=None), Reason.NO_PIXELS),
    "no woman": (put(PatientID=""), Reason.MISSING_ID),
    "no exam": (put(StudyInstanceUID=None), Reason.MISSING_ID),
    "no image id": (put(SOPInstanceUID=""), Reason.MISSING_ID),
    "no side": (put(ImageLaterality=None), Reason.MISSING_LATERALITY),
    "unpaired": (put(ImageLaterality="U"), Reason.MISSING_LATERALITY),
    "both breasts": (put(ImageLaterality="B"), Reason.MISSING_LATERALITY),
    "two sides": (put(Laterality="R"), Reason.LATERALITY_CONFLICT),
    "no view": (put(ViewCodeSequence=None, ViewPosition=None), Reason.MISSING_VIEW),
    "two views": (put(ViewPosition="MLO"), Reason.VIEW_CONFLICT),
    "code against word": (put(ViewPosition="ML"), Reason.VIEW_CONFLICT),
    "ML": (view_code("399260004", "SCT"), Reason.OTHER_VIEW),
    "exaggerated CC": (view_code("R-1024A", "SRT"), Reason.OTHER_VIEW),
    "unknown code": (view_code("12345", "99LOCAL"), Reason.OTHER_VIEW),
    "right code, wrong scheme": (view_code("399162004", "DCM"), Reason.OTHER_VIEW),
    "magnification factor": (put(EstimatedRadiographicMagnificationFactor="1.5"), Reason.SPECIAL_VIEW),
    "spot paddle": (put(PaddleDescription="10CM SPOT"), Reason.SPECIAL_VIEW),
    "partial view": (put(PartialView="YES"), Reason.SPECIAL_VIEW),
    "stereotaxy": (put(ImageType=["ORIGINAL", "PRIMARY", "STEREO_PLUS"]), Reason.SPECIAL_VIEW),
    "spot in the view's item": (view_code("399162004", "SCT", ("399055006", "SCT")), Reason.SPECIAL_VIEW),
    "implant displaced": (view_code("R-10242", "SRT", ("R-102D5", "SRT")), Reason.SPECIAL_VIEW),
    "unknown modifier": (view_code("399162004", "SCT", ("1", "99X")), Reason.SPECIAL_VIEW),
    "modifier at the top level": (
        put(ViewModifierCodeSequence=Sequence([coded("399163009", "SCT")])),
        Reason.SPECIAL_VIEW,
    ),
    "generated from tomosynthesis": (
        put(ImageType=["DERIVED", "PRIMARY", "TOMO", "GENERATED_2D"]),
        Reason.SYNTHETIC,
    ),
    "synthetic by its name": (put(SeriesDescription="L CC C-View"), Reason.SYNTHETIC),
}


@pytest.mark.parametrize(("change", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_anything_but_a_standard_view_is_refused(tmp_path: Path, change: Change, reason: Reason) -> None:
    assert refusal(tmp_path, change).reason == reason


def test_the_cleavage_modifier_is_no_mlo(tmp_path: Path) -> None:
    assert refusal(tmp_path, view_code("R-102D2", "SRT")).reason == Reason.OTHER_VIEW
    modified = refusal(tmp_path, view_code("R-10242", "SRT", ("R-102D2", "SRT")))
    assert str(modified) == "special_view: cleavage"


def test_frame_laterality_stands_in_for_a_missing_one(tmp_path: Path) -> None:
    frame, group = Dataset(), Dataset()
    frame.FrameLaterality = "R"
    group.FrameAnatomySequence = Sequence([frame])
    change = put(ImageLaterality=None, SharedFunctionalGroupsSequence=Sequence([group]))
    assert header(tmp_path, change).laterality == "R"


def test_a_series_of_both_breasts_contradicts_no_image(tmp_path: Path) -> None:
    assert header(tmp_path, put(Laterality="B")).laterality == "L"


def test_text_is_the_last_resort(tmp_path: Path) -> None:
    nothing = {"ViewCodeSequence": None, "ViewPosition": None, "ImageLaterality": None}
    found = header(tmp_path, put(**nothing, SeriesDescription="R MLO"))
    assert (found.laterality, found.view) == ("R", "MLO")
    ambiguous = put(**nothing, SeriesDescription="R CC / R MLO")
    assert refusal(tmp_path, ambiguous).reason == Reason.MISSING_VIEW
    # a code decides; words about a biopsy in a series' name then say nothing about the view
    assert header(tmp_path, put(SeriesDescription="screening after biopsy, R MLO")).view == "CC"


def test_ml_is_mlo_only_on_request(tmp_path: Path) -> None:
    change = view_code("R-10224", "SRT")
    assert header(tmp_path, change, header_settings(accept_ml_as_mlo=True)).view == "MLO"


def test_synthetic_and_secondary_capture_images_are_taken_on_request(tmp_path: Path) -> None:
    generated = put(ImageType=["DERIVED", "PRIMARY", "TOMO", "GENERATED_2D"])
    assert header(tmp_path, generated, header_settings(accept_synthetic=True)).view == "CC"
    captured = put(SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    assert header(tmp_path, captured, header_settings(accept_secondary_capture=True)).view == "CC"


def test_the_exam_is_named_by_the_field_of_the_settings(tmp_path: Path) -> None:
    settings = header_settings(exam_id_field="AccessionNumber")
    assert header(tmp_path, put(AccessionNumber="A77"), settings).exam_id == "A77"
    assert refusal(tmp_path, put(AccessionNumber=""), settings).reason == Reason.MISSING_ID
    with pytest.raises(ValueError, match="exam_id_field is 'StudyID', wanted one of"):
        header_settings(exam_id_field="StudyID")


@pytest.mark.parametrize(
    ("age", "born", "years"),
    [
        ("061Y", "", 61),
        ("095Y", "", 90),  # 90 stands for 90 and above
        ("000Y", "", None),
        ("", "", None),
        ("018M", "", None),
        ("", "19550305", 59),  # the day before her 60th birthday
        ("", "19550304", 60),
        ("", "19100101", 90),
        ("", "00000000", None),
    ],
)
def test_ages_are_whole_years(tmp_path: Path, age: str, born: str, years: int | None) -> None:
    assert header(tmp_path, put(PatientAge=age, PatientBirthDate=born)).age_years == years


def test_pixel_spacing_is_that_of_the_breast(tmp_path: Path) -> None:
    change = put(EstimatedRadiographicMagnificationFactor="1.05", ImagerPixelSpacing=["0.105", "0.105"])
    assert header(tmp_path, change).pixel_spacing_mm == pytest.approx(0.1)
    assert header(tmp_path, put(ImagerPixelSpacing=["0.1", "0.2"])).pixel_spacing_mm is None
    other = put(ImagerPixelSpacing=None, PixelSpacing=["0.08", "0.08"])
    assert header(tmp_path, other).pixel_spacing_mm == pytest.approx(0.08)


@pytest.mark.parametrize(
    ("maker", "vendor"),
    [
        ("SIEMENS", "siemens"),
        ("Siemens Healthineers", "siemens"),
        ("LORAD, A Hologic Company", "hologic"),
        ("GE MEDICAL SYSTEMS", "ge"),
        ("FUJIFILM Corporation", "fuji"),
        ("IMS s.r.l.", "ims"),
        ("Gendex", "other"),
        ("", "other"),
    ],
)
def test_makers_are_a_closed_set(tmp_path: Path, maker: str, vendor: str) -> None:
    assert header(tmp_path, put(Manufacturer=maker)).vendor == vendor


def test_implants_are_flagged_not_refused(tmp_path: Path) -> None:
    assert header(tmp_path, put(BreastImplantPresent="YES")).implant is True
    assert header(tmp_path, put(BreastImplantPresent=None)).implant is None


def test_a_refused_file_still_says_whose_it_is(tmp_path: Path) -> None:
    error = refusal(tmp_path, put(PaddleDescription="SPOT"))
    assert error.ids == {"patient_id": "P1", "exam_id": "1.2.10", "image_id": "1.2.10.1"}


def test_other_files_are_not_dicom(tmp_path: Path) -> None:
    for content in (b"", b"notes", b"\0" * 4096):
        (tmp_path / "a.txt").write_bytes(content)
        with pytest.raises(ExcludedFileError, match="not_dicom"):
            read_header(tmp_path / "a.txt", SETTINGS)


def test_damaged_headers_give_reasons_and_no_text(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    secret = "SECRETNAME"
    path = make_dicom(tmp_path / "a.dcm", ids=(secret, "1.2.10", "1.2.10.1"))
    edit(path, put(PatientName=f"{secret}^X", SeriesDescription=secret, StudyDate="20150304"))
    whole = path.read_bytes()
    start = whole.index(b"ISO_IR") - 8
    rng = np.random.default_rng(0)
    warnings.simplefilter("always")
    quiet_pydicom()
    caplog.set_level(logging.DEBUG)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole[: rng.integers(132, 3000)] if rng.random() < 0.5 else whole)
        for place in rng.integers(min(start, len(damaged) - 1), min(len(damaged), start + 1200), 4):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read_header(path, SETTINGS)
        except ExcludedFileError as error:
            refused += 1
            assert secret not in str(error) and error.__cause__ is None
    assert refused > 100
    assert secret not in caplog.text
    assert not [warning for warning in recwarn if secret in str(warning.message)]
