"""What a header says, and which files are refused with which reason."""

import dataclasses
import logging
import warnings
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest
from header_settings import header_settings
from made_files import EXPLICIT, Change, coded, edit, make_dicom, put, view_code
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from mammo_steps.core.dicom_codes import SECONDARY_CAPTURE
from mammo_steps.core.dicom_headers import Header, quiet_pydicom, read_header
from mammo_steps.core.dicom_writing import Machine
from mammo_steps.core.header_choice import HeaderSettings
from mammo_steps.core.terms import Reason

SETTINGS = header_settings()


@pytest.fixture(autouse=True)
def _quiet() -> None:
    quiet_pydicom()


def header(tmp_path: Path, change: Change | None = None, settings: HeaderSettings = SETTINGS) -> Header:
    return read_header(make_dicom(tmp_path / "a.dcm", change=change), settings)


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
        acquired=datetime(2015, 3, 4, 12, 0),
        age_years=61,
        model="Synthetic phantom",
        intent="presentation",
        window="linear_exact",
        n_windows=3,
        implant=False,
        implant_displaced=False,
        partial=False,
        synthetic=False,
        burned_in=False,
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
    "stereotaxy": (put(ImageType=["ORIGINAL", "PRIMARY", "STEREO_PLUS"]), Reason.SPECIAL_VIEW),
    "spot in the view's item": (view_code("399162004", "SCT", ("399055006", "SCT")), Reason.SPECIAL_VIEW),
    "implant displaced": (view_code("R-10242", "SRT", ("R-102D5", "SRT")), Reason.IMPLANT_DISPLACED),
    "displaced and magnified": (
        view_code("399162004", "SCT", ("399209000", "SCT"), ("R-102D6", "SRT")),
        Reason.SPECIAL_VIEW,
    ),
    "projection for tomosynthesis": (
        put(ImageType=["ORIGINAL", "PRIMARY", "TOMO_PROJ"]),
        Reason.SPECIAL_VIEW,
    ),
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
    assert header(tmp_path, change).reason == reason


def test_a_mammogram_whose_class_and_modality_were_taken_out_is_one_by_its_file(tmp_path: Path) -> None:
    assert header(tmp_path, put(SOPClassUID=None, Modality=None)).reason is None
    capture = put(SOPClassUID=SECONDARY_CAPTURE, Modality=None)
    found = header(tmp_path, capture, header_settings(accept_secondary_capture=True))
    assert found.reason == Reason.NOT_MAMMOGRAPHY


def test_a_deciding_number_that_is_none_is_named(tmp_path: Path) -> None:
    path = make_dicom(tmp_path / "a.dcm", change=put(NumberOfFrames=7777))
    path.write_bytes(path.read_bytes().replace(b"7777", b"1\\oo"))
    found = read_header(path, SETTINGS)
    assert (found.reason, found.detail) == (Reason.UNREADABLE_HEADER, "element NumberOfFrames")
    assert found.patient_id == "P1"


def test_the_cleavage_modifier_is_no_mlo(tmp_path: Path) -> None:
    assert header(tmp_path, view_code("R-102D2", "SRT")).reason == Reason.OTHER_VIEW
    modified = header(tmp_path, view_code("R-10242", "SRT", ("R-102D2", "SRT")))
    assert (modified.reason, modified.detail) == (Reason.SPECIAL_VIEW, "cleavage")


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
    assert header(tmp_path, ambiguous).reason == Reason.MISSING_VIEW
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
    assert header(tmp_path, put(AccessionNumber=""), settings).reason == Reason.MISSING_ID


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


def test_a_file_that_is_left_out_keeps_what_it_has(tmp_path: Path) -> None:
    whole = header(tmp_path)
    spot = header(tmp_path, put(PaddleDescription="SPOT"))
    assert spot == dataclasses.replace(whole, reason=Reason.SPECIAL_VIEW, detail="by PaddleDescription")
    magnetic = header(tmp_path, put(Modality="MR", PatientID="", StudyDate="", PatientAge=""))
    assert magnetic.reason == Reason.NOT_MAMMOGRAPHY
    assert (magnetic.patient_id, magnetic.exam_id, magnetic.exam_date) == (None, "1.2.10", date(2015, 3, 4))
    assert (magnetic.height_px, magnetic.vendor, magnetic.laterality) == (160, "hologic", "L")


def test_other_files_are_not_dicom(tmp_path: Path) -> None:
    for content in (b"", b"notes", b"\0" * 4096):
        (tmp_path / "a.txt").write_bytes(content)
        found = read_header(tmp_path / "a.txt", SETTINGS)
        assert found == Header(reason=Reason.NOT_DICOM, detail="no DICOM prefix")


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
        found = read_header(path, SETTINGS)
        refused += found.reason is not None
        assert secret not in found.detail
    assert refused > 100
    assert secret not in caplog.text
    assert not [warning for warning in recwarn if secret in str(warning.message)]
