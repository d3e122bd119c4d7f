"""DICOM objects of an exam's scores: what they say, where they point, whose they are; other readers take them."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from made_files import JPEG_LOSSLESS
from made_prediction import MEMBERS, headers, made_exam, made_prediction, paper_bundle
from pydicom.dataset import Dataset

from mammo_steps.core.dicom_places import clipped_box, to_dicom
from mammo_steps.core.dicom_results import dicom_objects
from mammo_steps.core.dicom_writing import Machine

MADE = datetime(2026, 1, 2, 3, 4, 5)
PICTURE = np.arange(60 * 80 * 3, dtype=np.uint32).reshape(60, 80, 3).astype(np.uint8)
MONOCHROME1 = Machine("siemens", "lut", "SRT", "MONOCHROME1", JPEG_LOSSLESS)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return made_exam(tmp_path_factory.mktemp("exam"))


@pytest.fixture(scope="module")
def sources(files: dict[str, Path]) -> dict[str, Dataset]:
    return headers(files)


def objects(sources, picture=PICTURE, bundle=None, made=MADE, **exam):
    bundle = bundle or paper_bundle()
    return dicom_objects(made_prediction(sources, bundle, **exam), sources, picture, bundle, made)


def items(report: Dataset) -> Iterator[Dataset]:
    """All content items below a report's root."""
    for item in report.get("ContentSequence", ()):
        yield item
        yield from items(item)


def name_of(item: Dataset) -> str:
    return item.ConceptNameCodeSequence[0].CodeMeaning if "ConceptNameCodeSequence" in item else ""


def texts(report: Dataset, name: str) -> list[str]:
    return [item.TextValue for item in items(report) if item.ValueType == "TEXT" and name_of(item) == name]


def group(report: Dataset, tracking: str) -> list[Dataset]:
    """The items of the group whose tracking identifier begins so."""
    for item in items(report):
        if name_of(item) == "Measurement Group" and texts(item, "Tracking Identifier")[0].startswith(
            tracking
        ):
            return list(item.ContentSequence)
    raise AssertionError(f"no group {tracking}")


def numbers(group: list[Dataset]) -> list[tuple[str, str, str, bool]]:
    """(name, text of the value, unit, is a standard deviation)."""
    found = []
    for item in group:
        if item.ValueType == "NUM":
            value = item.MeasuredValueSequence[0]
            unit = value.MeasurementUnitsCodeSequence[0].CodeValue
            found.append((name_of(item), str(value.NumericValue), unit, "ContentSequence" in item))
    return found


def as_bytes(made: Dataset) -> bytes:
    buffer = BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_a_pixels_centre_lies_at_a_half_and_columns_come_first() -> None:
    assert to_dicom(0, 0) == (0.5, 0.5)  # PS3.3 C.18.6.1.2: the pixel's corners are 0\0 and 1\1
    assert to_dicom(70.25, 40.5) == (41.0, 70.75)


def test_a_box_has_the_edges_of_its_pixels_and_ends_with_the_image() -> None:
    assert clipped_box((40, 10, 64), (160, 120)) == (10, 40, 74, 104)  # pixels 10..73 span 10 to 74
    assert clipped_box((-5, 100, 64), (160, 120)) == (100, 0, 120, 59)


def test_report_marks_of_each_image_and_picture_belong_to_the_images_study_and_woman(sources) -> None:
    made = objects(sources)
    assert [one.Modality for one in made] == ["SR", "PR", "PR", "PR", "PR", "OT"]
    source = next(iter(sources.values()))
    for one in made:
        assert one.StudyInstanceUID == source.StudyInstanceUID and one.PatientID == "P1"
        assert (one.PatientName, str(one.StudyDate)) == ("SYNTHETIC^DEMO", "20150304")
        assert "research use only" in one.SeriesDescription.lower()
    series = [one.SeriesInstanceUID for one in made]
    assert len(set(series)) == 4  # report, marks of the left, marks of the right, picture
    assert source.SeriesInstanceUID not in series
    assert len({one.SOPInstanceUID for one in made}) == 6


def test_the_report_gives_each_score_with_its_meaning_and_unit(sources) -> None:
    report = objects(sources)[0]
    margin, percentile = "Margin of the ensemble model (logit difference)", "Percentile of the ensemble score"
    exam = numbers(group(report, "exam"))
    assert len(exam) == 10
    # members' breasts: 2 x (-1 + 1) / 2 = 0 and 2 x (0 + 2) / 2 = 2; mean 1, SD 1.4142
    assert exam[6][:3] == (margin, "1.0000", "1") and exam[7] == (margin, "1.4142", "1", True)
    assert exam[8][0].startswith(percentile) and exam[8][1:3] == ("60.0000", "%")  # 10 x (1 + 5)
    assert exam[9] == ("Probability of cancer", "73.1059", "%", False)  # 1 / (1 + exp(-1))
    assert len(numbers(group(report, "left breast"))) == len(numbers(group(report, "right breast"))) == 9
    image = numbers(group(report, "L-CC ROI"))
    assert image[6][1] == "0.5000" and image[7][1] == "0.7071" and image[8][1] == "55.0000"


def test_the_exact_number_stands_beside_its_four_decimals(sources) -> None:
    exam = group(objects(sources)[0], "exam")
    value = next(i for i in exam if name_of(i) == "Probability of cancer").MeasuredValueSequence[0]
    assert value.FloatingPointValue == pytest.approx(100 / (1 + np.exp(-1)), abs=1e-10)


def test_roi_and_coa_lie_where_they_should_on_their_own_image(sources) -> None:
    report = objects(sources)[0]
    for view, box, point in (
        ("L-CC", [10, 40, 74, 40, 74, 104, 10, 104, 10, 40], [41.0, 70.75]),  # COA (70.25, 40.5)
        ("R-CC", [46, 40, 110, 40, 110, 104, 46, 104, 46, 40], [79.0, 70.75]),  # COA (70.25, 78.5)
    ):
        for what, kind, data in (("ROI", "POLYLINE", box), ("COA", "POINT", point)):
            region = next(i for i in group(report, f"{view} {what}") if i.ValueType == "SCOORD")
            assert region.GraphicType == kind and list(region.GraphicData) == data
            image = region.ContentSequence[0].ReferencedSOPSequence[0]
            assert image.ReferencedSOPInstanceUID == sources[view].SOPInstanceUID


def test_every_group_can_be_told_apart_and_names_the_algorithm(sources) -> None:
    report = objects(sources)[0]
    groups = [item for item in items(report) if name_of(item) == "Measurement Group"]
    uids = {i.UID for g in groups for i in g.ContentSequence if name_of(i) == "Tracking Unique Identifier"}
    assert len(groups) == len(uids) == 3 + 2 * 4
    for each in groups:
        assert texts(each, "Algorithm Version") == ["bundle 0123456789ab, version 1"]
        assert texts(each, "Algorithm Parameters") == ["study paper", "networks fold0, fold1"]


def test_the_report_says_what_must_be_read_with_the_scores(sources) -> None:
    two = {key: sources[key] for key in ("L-CC", "L-MLO")}
    report = objects(
        two, n_left_out=1, drift=("Its pixels are smaller.",), bundle=paper_bundle(synthetic=True)
    )[0]
    notes = " ".join(texts(report, "Comment"))
    for words in (
        "For research use only, not for diagnosis.", "SYNTHETIC", "where 50.00 % of exams have one",
        "one breast has no image", "files of the exam were left out", "Its pixels are smaller.",
    ):  # fmt: skip
        assert words in notes


def test_the_report_is_no_final_one_and_evidence_names_every_image(sources) -> None:
    report = objects(sources)[0]
    assert (report.PreliminaryFlag, report.VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    named = {
        i.ReferencedSOPInstanceUID for s in study.ReferencedSeriesSequence for i in s.ReferencedSOPSequence
    }
    assert named == {source.SOPInstanceUID for source in sources.values()}


def test_an_exam_without_scores_gets_a_report_that_says_why_and_nothing_else(sources) -> None:
    (report,) = objects(sources, refused="its pixels are unlike all that the networks saw")
    assert "No score: its pixels are unlike all that the networks saw." in texts(report, "Comment")
    assert not any(
        item.ValueType in ("NUM", "SCOORD") for item in items(report) if "Pixel" not in name_of(item)
    )


def test_marks_are_the_box_a_cross_and_a_line_of_text(sources) -> None:
    marks = objects(sources)[1]
    (annotation,) = marks.GraphicAnnotationSequence
    box, across, down = annotation.GraphicObjectSequence
    assert list(box.GraphicData) == [10, 40, 74, 40, 74, 104, 10, 104, 10, 40]
    # the arms are 0.02 x 160 = 3.2 pixels long
    assert list(across.GraphicData) == pytest.approx([37.8, 70.75, 44.2, 70.75])
    assert list(down.GraphicData) == pytest.approx([41.0, 67.55, 41.0, 73.95])
    assert annotation.TextObjectSequence[0].UnformattedTextValue == "Research use only. Margin 0.50"
    (area,) = marks.DisplayedAreaSelectionSequence
    corners = area.DisplayedAreaTopLeftHandCorner, area.DisplayedAreaBottomRightHandCorner
    assert [list(corner) for corner in corners] == [[1, 1], [120, 160]]  # the whole image


def test_marks_of_one_series_are_of_one_side(sources) -> None:
    made = [one for one in objects(sources) if one.Modality == "PR"]
    assert len({(one.SeriesInstanceUID, one.Laterality) for one in made}) == 2


def test_a_table_of_12_bits_shows_as_before_and_monochrome1_stays_inverted(tmp_path) -> None:
    sources = headers(made_exam(tmp_path, MONOCHROME1))
    marks = objects(sources)[1]
    table = next(iter(sources.values())).VOILUTSequence[0]
    before = np.frombuffer(table.LUTData, "<u2")
    (shown,) = marks.SoftcopyVOILUTSequence[0].VOILUTSequence
    assert list(shown.LUTDescriptor) == [4096, 0, 16]
    assert np.abs(np.frombuffer(shown.LUTData, "<u2") / 65535 - before / 4095).max() < 1e-5
    assert marks.PresentationLUTShape == "INVERSE"


def test_the_picture_says_that_it_is_derived_and_has_words_in_it(sources) -> None:
    capture = objects(sources, bundle=paper_bundle(synthetic=True))[-1]
    assert np.array_equal(capture.pixel_array, PICTURE)
    assert list(capture.ImageType[:2]) == ["DERIVED", "SECONDARY"] and capture.BurnedInAnnotation == "YES"
    assert "SYNTHETIC" in capture.DerivationDescription and "research use" in capture.DerivationDescription
    assert len(capture.SourceImageSequence) == 4


def test_made_again_they_are_the_same_bytes(sources) -> None:
    assert [as_bytes(one) for one in objects(sources)] == [as_bytes(one) for one in objects(sources)]


def test_made_later_they_have_the_same_uids(sources) -> None:
    later = objects(sources, made=datetime(2027, 1, 1))
    assert [one.SOPInstanceUID for one in objects(sources)] == [one.SOPInstanceUID for one in later]
    assert str(later[0].ContentDate) == "20270101"


@pytest.mark.parametrize(
    "other",
    [
        lambda sources: objects(sources, bundle=paper_bundle(MEMBERS[:1])),
        lambda sources: objects(sources, bundle=replace(paper_bundle(), id="ba9876543210")),
        lambda sources: objects({key: sources[key] for key in ("L-CC", "L-MLO", "R-CC")}),
    ],
    ids=["fewer members", "another bundle", "one image less"],
)
def test_other_scores_are_other_objects(
    sources, other: Callable[[dict[str, Dataset]], list[Dataset]]
) -> None:
    assert not {one.SOPInstanceUID for one in objects(sources)} & {
        one.SOPInstanceUID for one in other(sources)
    }


def test_an_exam_refused_today_and_scored_tomorrow_has_two_reports(sources) -> None:
    refused, scored = objects(sources, refused="drift")[0], objects(sources)[0]
    assert refused.SOPInstanceUID != scored.SOPInstanceUID
    assert refused.SeriesInstanceUID == scored.SeriesInstanceUID


def test_without_a_header_there_is_nothing_to_refer_to(sources) -> None:
    bundle = paper_bundle()
    with pytest.raises(ValueError, match="wanted the header of one at least"):
        dicom_objects(made_prediction([], bundle), {}, None, bundle, MADE)
    with pytest.raises(ValueError, match="1 of 4 scored images"):
        rest = {key: source for key, source in sources.items() if key != "R-CC"}
        dicom_objects(made_prediction(sources, bundle), rest, None, bundle, MADE)


def said_by(program: str, *arguments: Path | str) -> str:
    if shutil.which(program) is None:
        pytest.skip(f"no {program}: tests/install installs it where it may")
    done = subprocess.run([program, *map(str, arguments)], capture_output=True)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


@pytest.fixture(scope="module", params=["hologic", "siemens", "refused"])
def written(request, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Objects of exams that highdicom treats differently, as files."""
    folder = tmp_path_factory.mktemp(request.param)
    files = made_exam(folder / "exam", MONOCHROME1 if request.param == "siemens" else None)
    refused = "its pixels are unlike all" if request.param == "refused" else None
    paths = []
    for number, made in enumerate(objects(headers(files), refused=refused)):
        paths.append(folder / f"{number}_{made.Modality}.dcm")
        made.save_as(paths[-1], enforce_file_format=True)
    return paths


def test_dciodvfy_finds_no_error(written: list[Path]) -> None:
    for path in written:
        said = said_by("dciodvfy", "-new", path)
        kinds = {"SR": "ComprehensiveSR", "PR": "GrayscaleSoftcopyPresentationState", "OT": "SCImage"}
        assert "Error" not in said and kinds[path.stem[-2:]] in said


def test_dcentvfy_finds_that_the_objects_of_an_exam_agree_with_each_other_and_an_image(written) -> None:
    said = said_by("dcentvfy", *written, written[0].parent / "exam/0.dcm")
    assert "Error" not in said


def test_dsrdump_reads_the_report(written: list[Path]) -> None:
    said = said_by("dsrdump", "+Pl", written[0])
    assert said.startswith(("Comprehensive SR", "W: The VR checker")) and "not for diagnosis" in said
    assert "E: " not in said


def test_dcmpschk_passes_the_presentation_states(written: list[Path]) -> None:
    for path in written:
        if path.stem.endswith("PR"):
            assert "Test passed" in said_by("dcmpschk", path)


def test_dcmp2pgm_renders_marks_over_the_image(written, tmp_path) -> None:
    """What dcmtk shows with the state is the image as dcmtk shows it without."""
    marks = [path for path in written if path.stem.endswith("PR")]
    for path, source in zip(marks, sorted((written[0].parent / "exam").iterdir()), strict=bool(marks)):
        plain, with_state, without = (tmp_path / name for name in ("plain.dcm", "with.pgm", "without.pgm"))
        said_by("dcmdjpeg", source, plain)  # (dcmp2pgm reads no JPEG)
        said_by("dcmp2pgm", "-p", path, plain, with_state)
        said_by("dcmp2pgm", plain, without)
        shown, before = (np.frombuffer(p.read_bytes()[-160 * 120 :], np.uint8) for p in (with_state, without))
        assert np.abs(shown.astype(int) - before).max() <= 1
