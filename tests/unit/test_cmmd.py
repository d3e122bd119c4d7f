"""cmmd: the published workbook, and a CSV saved from it."""

from pathlib import Path

import pytest
from openpyxl import Workbook
from pydicom.dataset import Dataset

from mammo_steps.core.labels import Windows
from mammo_steps.datasets.cmmd import image_facts, read_labels

WINDOWS = Windows(180, 730, None)
COLUMNS = ["ID1", "LeftRight", "Age", "number", "abnormality", "classification", "subtype"]
ROWS = [
    ["D1-0001", "R", 44, 2, "calcification", "Benign", None],
    ["D1-0087", "L", 51, 2, "mass", "Benign", None],
    ["D1-0087", "R", 51, 2, "both", "Malignant", None],
    ["D2-0001", "L", 64, 2, "calcification", "Malignant", "Luminal B"],
    ["D2-0002", "L", 64, 2, "mass", "Malignant", "HER2-enriched"],
    ["D2-0002", "R", 64, 2, "mass", "Malignant", "HER2-enriched"],
]
FOUND = [
    ("D1-0001", "benign", None, 2),
    ("D1-0087", "screen_detected", "R", 3),
    ("D2-0001", "screen_detected", "L", 5),
    ("D2-0002", "screen_detected", "both", 6),
]


def workbook(folder: Path, rows: list[list[object]]) -> Path:
    path = folder / "CMMD_clinicaldata_revision.xlsx"
    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def csv_of(folder: Path, rows: list[list[object]]) -> Path:
    path = folder / "CMMD_clinicaldata_revision.csv"
    path.write_text("".join(",".join("" if c is None else str(c) for c in row) + "\r\n" for row in rows))
    return path


@pytest.mark.parametrize("write", [workbook, csv_of])
def test_the_worst_of_a_womans_breasts_is_her_outcome(tmp_path: Path, write) -> None:
    labels = read_labels(write(tmp_path, [COLUMNS, *ROWS]), WINDOWS)
    assert [(x.exam_id, x.outcome, x.cancer_laterality, x.row) for x in labels] == FOUND
    assert all(label.patient_id == label.exam_id for label in labels)


def test_empty_rows_and_rows_without_their_last_cells_do_no_harm(tmp_path: Path) -> None:
    path = workbook(tmp_path, [COLUMNS, [], ["D1-0001", "R", 44, 2, "mass", "Malignant"]])
    [label] = read_labels(path, WINDOWS)
    assert (label.exam_id, label.outcome, label.row) == ("D1-0001", "screen_detected", 3)


@pytest.mark.parametrize("write", [workbook, csv_of])
def test_a_fault_is_told_by_line_and_never_by_id(tmp_path: Path, write) -> None:
    rows = [
        COLUMNS,
        ["D1-0001", "B", 44, 2, "mass", "Benign", None],
        [None, "L", 4, 2, "mass", "Cancer", None],
    ]
    rows.append(["D1-0003", None, 44, 2, "mass", None, "x"])
    with pytest.raises(ValueError, match="5 fault") as error:
        read_labels(write(tmp_path, rows), WINDOWS)
    assert "line 2, LeftRight: found another word, wanted l, r" in str(error.value)
    assert "line 3, ID1: found nothing" in str(error.value)
    assert "line 3, classification: found another word, wanted malignant, benign" in str(error.value)
    assert "line 4, LeftRight: found nothing" in str(error.value)
    assert "D1-" not in str(error.value)


def test_another_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 1: column LeftRight is missing"):
        read_labels(workbook(tmp_path, [["ID1", "classification"], ["D1-0001", "Benign"]]), WINDOWS)
    with pytest.raises(ValueError, match="no breast below line 1; wanted one row per breast"):
        read_labels(workbook(tmp_path, [COLUMNS]), WINDOWS)
    (tmp_path / "damaged.xlsx").write_bytes(b"PK no zip")
    with pytest.raises(ValueError, match=r"damaged.xlsx: no workbook that can be read \(BadZipFile\)"):
        read_labels(tmp_path / "damaged.xlsx", WINDOWS)
    with pytest.raises(FileNotFoundError, match="there is no such label table"):
        read_labels(tmp_path / "none.xlsx", WINDOWS)


def test_the_headers_patient_id_is_woman_and_exam(tmp_path: Path) -> None:
    ds = Dataset()
    ds.PatientID = "D1-0001"
    facts = image_facts(None)("D1-0001/07-18-2010/1-1.dcm", ds)
    assert (facts.patient_id, facts.exam_id, facts.laterality, facts.view) == (
        "D1-0001",
        "D1-0001",
        None,
        None,
    )
    assert image_facts(None)("1-1.dcm", Dataset()).exam_id is None
    with pytest.raises(ValueError, match="wanted null"):
        image_facts(tmp_path)
