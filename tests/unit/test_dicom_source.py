"""Results of images with odd headers: valid objects of the same patient and study, and nothing said of either."""

import logging
import shutil
import subprocess
import warnings
from collections.abc import Callable
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from made_prediction import headers, made_exam, made_prediction, paper_bundle
from pydicom.dataset import Dataset

from mammo_steps.core.dicom_display import modality_of, presentation_of, voi_of
from mammo_steps.core.dicom_results import dicom_objects
from mammo_steps.core.dicom_source import can_be_referred_to, source_header

MADE = datetime(2026, 11, 28, 17, 0)
Change = Callable[[Dataset], Any]


def _without(*names: str) -> Change:
    def change(header: Dataset) -> None:
        for name in names:
            if name in header:
                del header[name]

    return change


def _with(**values: Any) -> Change:
    def change(header: Dataset) -> None:
        for name, value in values.items():
            setattr(header, name, value)

    return change


def _raw(tag: int, vr: str, value: bytes) -> Change:
    """An element with these bytes, as a file holds it."""

    def change(header: Dataset) -> None:
        length = len(value).to_bytes(2, "little")
        element = tag.to_bytes(4, "little")[2:] + tag.to_bytes(4, "little")[:2] + vr.encode() + length + value
        file = BytesIO(element)
        header.update(pydicom.dcmread(file, force=True))

    return change


def _private(header: Dataset) -> None:
    header.private_block(0x0029, "SOMEONE", create=True).add_new(0x10, "LO", "Doe^Jane")


ODD: dict[str, Change] = {
    "type 2 attributes missing": _without(
        "StudyID", "AccessionNumber", "PatientBirthDate", "PatientSex", "PatientName", "PatientID",
        "StudyDate", "StudyTime", "ReferringPhysicianName", "SeriesNumber", "InstanceNumber",
    ),
    "type 2 attributes empty": _with(
        StudyID="", AccessionNumber=None, PatientBirthDate="", PatientSex="", PatientName="", PatientID="",
        StudyDate="", StudyTime="", ReferringPhysicianName=None, SeriesNumber=None,
    ),
    "no orientation, no spacing": _without("PatientOrientation", "ImagerPixelSpacing"),
    "empty orientation": _with(PatientOrientation=""),
    "a slope alone": _without("RescaleIntercept"),
    "no rescale type": _without("RescaleType"),
    "no window": _without("WindowCenter", "WindowWidth", "VOILUTFunction", "WindowCenterWidthExplanation"),
    "a centre alone": _without("WindowWidth"),
    "an unknown function": _with(VOILUTFunction="SOMETHING"),
    "a date that is none": _raw(0x00100030, "DA", b"20150230"),
    "a time that is none": _raw(0x00080030, "TM", b"half six"),
    "an age that is none": _with(PatientAge="61"),
    "a sex that is none": _with(PatientSex="W"),
    "a name without caret": _with(PatientName="DOE", ReferringPhysicianName="ROE"),
    "a long description": _with(StudyDescription="x" * 64, AdditionalPatientHistory="y" * 9000),
    "private elements": _private,
    "no laterality": _without("ImageLaterality", "Laterality"),
    "identity removed, not said how": _with(PatientIdentityRemoved="YES"),
    "a frame of reference": _with(FrameOfReferenceUID="1.2.77", PositionReferenceIndicator=""),
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return made_exam(tmp_path_factory.mktemp("exam"), views=[("L", "CC"), ("R", "CC")])


def objects_of(sources: dict[str, Dataset], scored: list[str] | None = None, **exam: Any) -> list[Dataset]:
    """The objects as files give them back."""
    bundle = paper_bundle()
    prediction = made_prediction(list(sources) if scored is None else scored, bundle, **exam)
    picture = np.zeros((20, 30, 3), np.uint8)
    back = []
    for made in dicom_objects(prediction, sources, picture, bundle, MADE):
        file = BytesIO()
        made.save_as(file, enforce_file_format=True)
        back.append(pydicom.dcmread(BytesIO(file.getvalue())))
    return back


@pytest.mark.parametrize("change", ODD.values(), ids=ODD)
def test_an_odd_header_gives_all_objects_and_valid_ones(
    files: dict[str, Path], change: Change, tmp_path: Path
) -> None:
    sources = headers(files)
    for header in sources.values():
        change(header)
    made = objects_of(sources)
    assert [each.Modality for each in made] == ["SR", "PR", "PR", "OT"]
    for each in made:
        assert each.StudyInstanceUID == "1.2.10"
        for name in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate"):
            assert name in each  # type 2: there, if empty
        assert not any(element.tag.is_private for element in each)
    for number, each in enumerate(made):
        each.save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
    errors = {path.name: found for path in sorted(tmp_path.glob("*.dcm")) if (found := errors_of(path))}
    assert errors == {}


def errors_of(path: Path) -> list[str]:
    """What dicom3tools says; skips the test, whose other parts have passed, where they are not."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("the objects were made, not validated: no dciodvfy (tests/install)")
    told = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True)
    return [line for line in told.stderr.splitlines() if line.startswith("Error")]


NAMES = {
    "ISO_IR 100": "Sørensen^Åse",
    "ISO_IR 144": "Иванова^Анна",
    "ISO_IR 192": "山田^太郎",
    ("", "ISO 2022 IR 87"): "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ("ISO 2022 IR 6", "ISO 2022 IR 149"): "Hong^Gildong=洪^吉洞=홍^길동",
}


@pytest.mark.parametrize("charset", NAMES, ids=str)
def test_a_name_of_any_character_set_comes_out_in_unicode(
    files: dict[str, Path], charset: str | tuple[str, ...], tmp_path: Path
) -> None:
    sources = {}
    for key, header in headers(files).items():
        header.SpecificCharacterSet = charset if isinstance(charset, str) else list(charset)
        header.PatientName = NAMES[charset]
        header.save_as(tmp_path / key, enforce_file_format=True)
        sources[key] = pydicom.dcmread(tmp_path / key)
    for made in objects_of(sources):
        assert made.SpecificCharacterSet == "ISO_IR 192"
        assert str(made.PatientName).rstrip("=") == NAMES[charset]


def test_an_unknown_character_set_stops_nothing(files: dict[str, Path]) -> None:
    sources = headers(files)
    for header in sources.values():
        header.SpecificCharacterSet = "KLINGON"
    assert len(objects_of(sources)) == 4


def test_a_class_that_stands_in_the_meta_header_alone_is_found(files: dict[str, Path]) -> None:
    header = headers(files)["L-CC"]
    kind = header.SOPClassUID
    del header["SOPClassUID"]
    assert source_header(header).SOPClassUID == kind


def test_files_that_nothing_can_refer_to_are_left_out_of_the_references(files: dict[str, Path]) -> None:
    sources = headers(files)
    whole = dict(sources)
    sources["other"] = Dataset()
    sources["of no standard"] = headers(files)["L-CC"]
    sources["of no standard"].SOPClassUID = "1.2.3.4"
    sources["no UID"] = headers(files)["L-CC"]
    sources["no UID"].SOPInstanceUID = "1.2.03"  # a leading zero: readers stop at it
    sources["no series"] = headers(files)["L-CC"]
    del sources["no series"].SeriesInstanceUID
    report = objects_of(sources, list(whole))[0]
    series = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert sum(len(item.ReferencedSOPSequence) for item in series) == 2


def test_a_left_out_file_that_is_no_image_is_referred_to(files: dict[str, Path]) -> None:
    sources = headers(files)
    other = Dataset()
    other.SOPClassUID, other.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.33", "1.2.10.99"
    other.StudyInstanceUID, other.SeriesInstanceUID = "1.2.10", "1.2.98"
    other.PatientName, other.PatientID = sources["L-CC"].PatientName, sources["L-CC"].PatientID
    sources["a report"] = other
    report = objects_of(sources, ["L-CC", "R-CC"])[0]
    series = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert sum(len(item.ReferencedSOPSequence) for item in series) == 3


def test_a_scored_image_without_a_series_is_an_error_that_names_nobody(files: dict[str, Path]) -> None:
    sources = headers(files)
    del sources["L-CC"].SeriesInstanceUID
    with pytest.raises(
        ValueError, match="of 1 of 2 scored images the header is missing, or a valid UID in it"
    ):
        objects_of(sources)
    assert not can_be_referred_to(source_header(sources["L-CC"]))


def test_nothing_can_be_written_of_files_without_uids() -> None:
    header = Dataset()
    header.PatientName = "DOE"
    with pytest.raises(ValueError, match="none of the exam's 1 files has valid UIDs") as caught:
        objects_of({"L-CC": header}, [], refused="no image")
    assert "DOE" not in str(caught.value)


def test_no_warning_and_no_line_of_the_log_quotes_a_header(
    files: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    sources = headers(files)
    for header in sources.values():
        header.PatientName = header.ReferringPhysicianName = "NOCARET"
        header.PatientID = "NOCARET"
    with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        objects_of(sources)
    assert not [str(each.message) for each in caught if "NOCARET" in str(each.message)]
    assert "NOCARET" not in caplog.text and "1.2.10" not in caplog.text


def test_a_state_has_the_first_of_several_windows_with_its_function() -> None:
    header = Dataset()
    header.WindowCenter, header.WindowWidth, header.VOILUTFunction = [1350, 1400], [2100, 900], "SIGMOID"
    voi = voi_of(header)
    assert voi is not None and len(voi) == 1
    assert (voi[0].WindowCenter, voi[0].WindowWidth) == (1350, 2100)
    assert voi[0].VOILUTFunction == "SIGMOID"


def test_a_state_has_the_first_table_alone_in_16_bits() -> None:
    header = Dataset()
    tables = []
    for top in (4095, 2047):
        table = Dataset()
        table.LUTDescriptor = [3, 7, 12]
        table.add_new("LUTData", "OW", np.array([0, 1, top], "<u2").tobytes())
        tables.append(table)
    header.VOILUTSequence = tables
    header.WindowCenter, header.WindowWidth = 1, 2
    voi = voi_of(header)
    assert voi is not None and "WindowCenter" not in voi[0]
    (table,) = voi[0].VOILUTSequence
    assert list(table.LUTDescriptor) == [3, 7, 16]
    assert np.frombuffer(table.LUTData, "<u2").tolist() == [0, 16, 65535]  # 65535 / 4095 = 16.004


def test_a_modality_table_is_taken_over() -> None:
    header, table = Dataset(), Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [2, 0, 16], "US"
    table.add_new("LUTData", "US", [9, 5])
    header.ModalityLUTSequence = [table]
    made = modality_of(header)
    assert made is not None and "RescaleSlope" not in made
    assert np.frombuffer(made.ModalityLUTSequence[0].LUTData, "<u2").tolist() == [9, 5]


def test_a_missing_half_of_the_rescaling_is_the_one_that_changes_nothing() -> None:
    header = Dataset()
    header.RescaleSlope = 2
    made = modality_of(header)
    assert made is not None and (made.RescaleSlope, made.RescaleIntercept) == (2, 0)
    assert modality_of(Dataset()) is None and voi_of(Dataset()) is None


@pytest.mark.parametrize(("photometric", "shape"), [("MONOCHROME1", "INVERSE"), ("MONOCHROME2", "IDENTITY")])
def test_the_polarity_is_the_image_s(photometric: str, shape: str) -> None:
    header = Dataset()
    header.PhotometricInterpretation = photometric
    assert presentation_of(header).PresentationLUTShape == shape


def test_no_object_holds_a_pseudonym(files: dict[str, Path]) -> None:
    sources = {key.replace("L-CC", "L-CC-a1b2"): header for key, header in headers(files).items()}
    sources["L-CC-c3d4"] = headers(files)["L-CC"]
    sources["L-CC-c3d4"].SOPInstanceUID = "1.2.10.77"
    for made in objects_of(sources):
        file = BytesIO()
        made.save_as(file, enforce_file_format=True)
        content = file.getvalue()
        assert not [word for word in (b"a1b2", b"c3d4", b"p-1", b"e-1") if word in content]
        if made.Modality == "SR":
            assert b"L-CC ROI" in content and b"L-CC 2 ROI" in content


def test_an_error_of_the_libraries_quotes_no_header(files: dict[str, Path]) -> None:
    sources = headers(files)
    for header in sources.values():
        header.Rows = None  # a state cannot say which part of the image it shows
        header.PatientName = "DOE"
    with pytest.raises(
        ValueError, match="^the headers of its images make no DICOM result: [A-Za-z]+$"
    ) as caught:
        objects_of(sources)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
