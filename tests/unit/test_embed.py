"""embed: the outcome of a screening exam from all rows of its woman; facts of files from the metadata table."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from mammo_steps.core.labels import ExamLabel, Windows
from mammo_steps.core.terms import Reason
from mammo_steps.datasets.embed import image_facts, read_labels

WINDOWS = Windows(screen_detected_days=180, interval_days=365, prior_days=1000)

# some of the published columns, in their order; the table has about 150
COLUMNS = "empi_anon,acc_anon,study_date_anon,desc,tissueden,asses,numfind,side,bside,procdate_anon,path1,path_severity"
SCREEN, DIAGNOSTIC = "MG Screening Bilateral w/CAD", "MG Diagnostic Left w/CAD"


def finding(exam: str, day: str, desc: str, asses: str, side: str = "", tissue: str = ",,,") -> str:
    """One row of woman 10000003. tissue: bside, procdate_anon, path1, path_severity"""
    return f"10000003,{exam},{day},{desc},2.0,{asses},1,{side},{tissue}"


def labels_of(folder: Path, *rows: str, windows: Windows = WINDOWS) -> dict[str, ExamLabel]:
    path = folder / "EMBED_OpenData_clinical.csv"
    path.write_text("\n".join([COLUMNS, *rows]) + "\n")
    return {label.exam_id: label for label in read_labels(path, windows)}


def decided(label: ExamLabel) -> tuple[str, str | None, str | None]:
    return label.outcome, label.cancer_laterality, label.undefined


def test_a_cancer_that_stands_only_at_the_diagnostic_exam_belongs_to_the_screening_exam(
    tmp_path: Path,
) -> None:
    labels = labels_of(
        tmp_path,
        finding("11", "2014-03-01", SCREEN, "A", "L"),
        finding("11", "2014-03-01", SCREEN, "N", "R"),
        finding("12", "2014-03-20", DIAGNOSTIC, "M", "L", "L,2014-03-25,ID,0.0"),
    )
    assert decided(labels["11"]) == ("screen_detected", "L", None)
    assert decided(labels["12"]) == ("unknown", None, "not_screening")
    assert (labels["11"].patient_id, labels["11"].row, labels["12"].row) == ("10000003", 2, 4)


@pytest.mark.parametrize(
    ("asses", "diagnosed", "outcome", "why"),
    [
        ("A", "2014-08-28", "screen_detected", None),  # 180 days
        ("A", "2014-08-29", "interval", None),
        ("N", "2014-03-02", "interval", None),
        ("P", "2015-03-01", "interval", None),  # 365 days
        ("B", "2015-03-02", "prior", None),
        ("N", "2017-11-26", "unknown", "outside_windows"),  # 1001 days
        ("A", "2014-02-27", "unknown", "after_surgery"),
        ("A", "", "unknown", "dates_missing"),
    ],
)
def test_recall_and_days_to_the_diagnosis_decide(
    tmp_path: Path, asses: str, diagnosed: str, outcome: str, why: str | None
) -> None:
    labels = labels_of(
        tmp_path,
        finding("11", "2014-03-01", SCREEN, asses),
        finding("12", "2018-01-01", DIAGNOSTIC, "K", "R", f"R,{diagnosed},DC,1"),
    )
    side = "R" if why is None else None
    assert decided(labels["11"]) == (outcome, side, why)


def test_a_cancer_found_by_the_next_screening_exam_makes_this_one_a_prior(tmp_path: Path) -> None:
    labels = labels_of(
        tmp_path,
        finding("11", "2014-03-01", SCREEN, "N"),
        finding("12", "2015-01-10", SCREEN, "A", "L", "L,2015-01-20,ID,0"),
        finding("13", "2016-02-01", SCREEN, "N"),
    )
    assert decided(labels["11"]) == ("prior", "L", None)
    assert decided(labels["12"]) == ("screen_detected", "L", None)
    assert decided(labels["13"]) == ("unknown", None, "after_surgery")


@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        (("L", "L"), "L"),
        (("L", "R"), "both"),
        (("", "B"), "both"),
        (("L", ""), "L"),  # nothing but the finding's side: L
        (("B", ""), None),  # a finding in both breasts does not say which has the cancer
        (("", ""), None),
    ],
)
def test_the_side_of_the_biopsy_is_the_side_of_the_cancer(
    tmp_path: Path, sides: tuple[str, str], expected: str | None
) -> None:
    rows = [finding("11", "2014-03-01", SCREEN, "A", sides[0], f"{sides[1]},2014-03-09,ID,0")]
    if sides == ("L", "R"):
        rows.append(finding("11", "2014-03-01", SCREEN, "A", "L", "L,2014-03-12,DC,1"))
    assert labels_of(tmp_path, *rows)["11"].cancer_laterality == expected


def test_only_cancers_with_the_same_outcome_give_the_side(tmp_path: Path) -> None:
    labels = labels_of(
        tmp_path,
        finding("11", "2014-03-01", SCREEN, "A", "L", "L,2014-03-09,ID,0"),
        finding("12", "2016-03-01", DIAGNOSTIC, "M", "R", "R,2016-03-09,ID,0"),
    )
    assert decided(labels["11"]) == ("screen_detected", "L", None)


def test_an_exam_with_a_tissue_result_of_its_own_was_recalled(tmp_path: Path) -> None:
    cancer = labels_of(tmp_path, finding("11", "2014-03-01", SCREEN, "N", "L", "L,2014-03-09,ID,0"))
    assert decided(cancer["11"]) == ("screen_detected", "L", None)
    benign = labels_of(tmp_path, finding("12", "2010-03-01", SCREEN, "B", "L", "L,2010-03-09,FA,4"))
    assert decided(benign["12"]) == ("benign", None, None)


@pytest.mark.parametrize(
    ("later", "outcome", "why"),
    [
        ([finding("12", "2014-03-20", DIAGNOSTIC, "S", "L", "L,2014-03-25,FA,4.0")], "benign", None),
        ([finding("12", "2014-03-20", DIAGNOSTIC, "S", "L", "L,2014-03-25,LC,2")], "benign", None),
        ([finding("12", "2014-03-20", DIAGNOSTIC, "S", "L", "L,2014-03-25,,5")], "unknown", "no_pathology"),
        ([finding("12", "2014-03-20", DIAGNOSTIC, "S", "L", "L,2014-03-25,LY,6")], "unknown", "no_pathology"),
        ([finding("12", "2014-03-20", DIAGNOSTIC, "S", "L")], "unknown", "no_pathology"),
        ([finding("12", "2014-03-20", DIAGNOSTIC, "B", "L")], "normal", None),
        ([finding("12", "2014-03-20", DIAGNOSTIC, "P", "L")], "normal", None),
        ([finding("12", "2014-09-20", DIAGNOSTIC, "N", "L")], "unknown", "no_pathology"),  # too late
        ([finding("12", "2014-04-20", SCREEN, "N")], "unknown", "no_pathology"),  # no work-up
        ([], "unknown", "no_follow_up"),
    ],
)
def test_work_up_decides_what_a_recalled_woman_without_cancer_had(
    tmp_path: Path, later: list[str], outcome: str, why: str | None
) -> None:
    labels = labels_of(tmp_path, finding("11", "2014-03-01", SCREEN, "A", "L"), *later)
    assert decided(labels["11"]) == (outcome, None, why)


def test_a_suspicious_exam_without_tissue_result_leaves_the_exam_before_it_undefined(tmp_path: Path) -> None:
    first = finding("11", "2014-03-01", SCREEN, "N")
    soon = labels_of(tmp_path, first, finding("12", "2015-03-01", DIAGNOSTIC, "M", "L"))
    assert decided(soon["11"]) == ("unknown", None, "no_pathology")
    late = labels_of(tmp_path, first, finding("12", "2015-03-02", DIAGNOSTIC, "M", "L"))
    assert decided(late["11"]) == ("normal", None, None)


def test_follow_up_ends_with_the_last_harmless_exam(tmp_path: Path) -> None:
    labels = labels_of(
        tmp_path,
        finding("11", "2014-03-01", SCREEN, "N"),
        finding("12", "2016-03-01", SCREEN, "N", "L"),  # 731 days
        finding("13", "2018-03-01", SCREEN, "A", "L"),
    )
    assert labels["11"].follow_up_months == pytest.approx(731 / 365.25 * 12)
    assert labels["12"].follow_up_months is labels["13"].follow_up_months is None
    assert decided(labels["12"]) == ("normal", None, None)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([finding("11", "2014-03-01", "", "N")], "not_recorded"),
        ([finding("11", "2014-03-01", SCREEN, "")], "not_recorded"),
        ([finding("11", "2014-03-01", SCREEN, "X")], "not_recorded"),
        ([finding("11", "2014-03-01", SCREEN, "K", "L")], "events_contradict"),
        ([finding("11", "2014-03-01", "US Breast Left", "N")], "not_screening"),
        (
            [finding("11", "2014-03-01", SCREEN, "N"), finding("11", "2014-03-02", SCREEN, "N")],
            "events_contradict",
        ),
        (
            [finding("11", "2014-03-01", SCREEN, "N"), finding("11", "2014-03-01", DIAGNOSTIC, "N")],
            "events_contradict",
        ),
        ([finding("11", "2014-03-01", SCREEN, "A", "L", "L,2014-02-01,ID,0")], "dates_contradict"),
    ],
)
def test_what_cannot_be_decided_has_its_reason(tmp_path: Path, rows: list[str], why: str) -> None:
    assert decided(labels_of(tmp_path, *rows)["11"]) == ("unknown", None, why)


def test_an_undated_cancer_matters_only_where_it_may_be_the_first(tmp_path: Path) -> None:
    first = finding("11", "2014-03-01", SCREEN, "A", "L", "L,2014-03-09,ID,0")
    later = labels_of(tmp_path, first, finding("12", "2015-03-01", DIAGNOSTIC, "K", "R", "R,,DC,1"))
    assert decided(later["11"]) == ("screen_detected", "L", None)
    before = labels_of(tmp_path, first, finding("12", "2014-03-05", DIAGNOSTIC, "K", "R", "R,,DC,1"))
    assert decided(before["11"]) == ("unknown", None, "dates_missing")


def test_women_are_kept_apart_and_ids_lose_the_mark_of_a_number(tmp_path: Path) -> None:
    other = finding("21.0", "2014-03-05", DIAGNOSTIC, "M", "L", "L,2014-03-25,ID,0")
    labels = labels_of(
        tmp_path,
        finding("0011", "2014-03-01 00:00:00", SCREEN, "N"),
        other.replace("10000003", "10000004.0"),
    )
    assert decided(labels["0011"]) == ("normal", None, None)
    assert (labels["21"].patient_id, labels["21"].exam_id) == ("10000004", "21")


def test_faults_are_told_by_line_and_never_by_id(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="7 fault") as error:
        labels_of(
            tmp_path,
            finding("8.1e+15", "2014-03-01", SCREEN, "N"),
            finding("11", "03/01/2014", SCREEN, "N"),
            finding("12", "", SCREEN, "N", "left"),
            finding("13", "2014-03-01", SCREEN, "N", "L", "L,2014-03-09,ID,7"),
            finding("13", "2014-03-01", SCREEN, "N").replace("10000003", "10000004"),
            finding("", "2014-03-01", SCREEN, "N"),
        )
    message = str(error.value)
    assert "line 2, acc_anon: found a number with an exponent, wanted the id in full" in message
    assert "line 3, study_date_anon: found no date, wanted a date such as 2015-03-02" in message
    assert "line 4, study_date_anon: found nothing, wanted a date such as 2015-03-02" in message
    assert "line 4, side: found another word, wanted l, r, b" in message
    assert "line 5, path_severity: found another number" in message
    assert "line 6, empi_anon: found something else than line 5" in message
    assert "line 7, acc_anon: found nothing" in message
    assert "1000000" not in message
    with pytest.raises(ValueError, match="no row below line 1; wanted one per finding"):
        labels_of(tmp_path)


METADATA = (
    "empi_anon,acc_anon,cohort_num,anon_dicom_path,study_date_anon,FinalImageType,ImageLateralityFinal,ViewPosition,"
    "spot_mag,PatientAge,BreastImplantPresent,num_roi"
)


def metadata(folder: Path, *rows: str) -> Path:
    path = folder / "EMBED_OpenData_metadata.csv"
    path.write_text("\n".join([METADATA, *rows]) + "\n")
    return path


def image(
    name: str, kind: str, side: str = "L", view: str = "CC", spot: str = "", more: str = "051Y,NO"
) -> str:
    path = f"/mnt/NAS2/mammo/anon_dicom/cohort_1/10000003/1.2/1.3/{name}.dcm"
    return f"10000003,11.0,1,{path},2014-02-28,{kind},{side},{view},{spot},{more},0"


def test_a_files_name_finds_its_row_wherever_the_archive_begins(tmp_path: Path) -> None:
    facts = image_facts(metadata(tmp_path, image("1.9.1", "2D", "R", "MLO", "0.0"), image("1.9.2", "cview")))
    for path in ("1.9.1.dcm", "images/cohort_1/10000003/1.2/1.9.1.dcm"):
        found = facts(path, Dataset())
        assert (found.patient_id, found.exam_id, found.image_id) == ("10000003", "11", None)
        assert (found.laterality, found.view, found.synthetic, found.implant) == ("R", "MLO", False, False)
        assert (str(found.exam_date), found.age_years, found.reason) == ("2014-02-28", 51, None)
    synthetic = facts("1.9.2.dcm", Dataset())
    assert (synthetic.synthetic, synthetic.reason, synthetic.view) == (True, None, "CC")
    assert facts("1.9.3.dcm", Dataset()).reason == Reason.MISSING_ID


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (image("1.9", "2D", spot="1.0"), Reason.SPECIAL_VIEW),
        (image("1.9", "2D", spot="1"), Reason.SPECIAL_VIEW),
        (image("1.9", "3D"), Reason.MULTI_FRAME),
        (image("1.9", "ROI_SSC"), Reason.NOT_MAMMOGRAPHY),
        (image("1.9", ""), Reason.NOT_MAMMOGRAPHY),
        (image("1.9", "C-view", view="XCCL"), None),  # the header names other views
    ],
)
def test_the_kind_of_image_is_a_reason(tmp_path: Path, row: str, reason: Reason | None) -> None:
    assert image_facts(metadata(tmp_path, row))("a/1.9.dcm", Dataset()).reason == reason


def test_an_implant_is_told_and_what_is_empty_is_not(tmp_path: Path) -> None:
    rows = [image("1.1", "2D", more="nan,YES"), image("1.2", "2D", "nan", "nan", more=",")]
    facts = image_facts(metadata(tmp_path, *rows))
    assert (facts("1.1.dcm", Dataset()).implant, facts("1.1.dcm", Dataset()).age_years) == (True, None)
    blank = facts("1.2.dcm", Dataset())
    assert blank.laterality is blank.view is blank.implant is None
    assert (
        image_facts(metadata(tmp_path, image("1.3", "2D", more="095Y,")))("1.3.dcm", Dataset()).age_years
        == 90
    )


def test_two_rows_of_one_file_that_differ_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"line 3, anon_dicom_path: found the image of line 2 with other facts"
    ):
        image_facts(metadata(tmp_path, image("1.9", "2D", "L"), image("1.9", "2D", "R")))
    with pytest.raises(
        ValueError, match="config key `metadata` is empty: embed wants EMBED_OpenData_metadata.csv"
    ):
        image_facts(None)
