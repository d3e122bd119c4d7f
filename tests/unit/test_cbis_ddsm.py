"""cbis_ddsm: four tables, one exam per woman; names of films, crops and masks; two real exams where there are any."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from mammo_steps.core.labels import Windows
from mammo_steps.core.terms import Reason
from mammo_steps.datasets.cbis_ddsm import TABLES, image_facts, read_labels

WINDOWS = Windows(180, 730, None)
MASS = (
    "patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,mass shape,"
    "mass margins,assessment,pathology,subtlety,image file path,cropped image file path,ROI mask file path"
)
CALC = MASS.replace("breast_density", "breast density").replace(
    "mass shape,mass margins", "calc type,calc distribution"
)


def row(woman: str, breast: str, view: str, pathology: str, lesion: int = 1) -> str:
    film = f"Mass-Training_{woman}_{breast}_{view}"
    crop = f'"{film}_{lesion}/1.3.6.1/1.3.6.2/000000.dcm\n"'  # the line break stands in the published tables
    return f"{woman},3,{breast},{view},{lesion},mass,OVAL,SPICULATED,4,{pathology},4,{film}/1/2/0.dcm,{crop},{crop}"


def folder(path: Path, **rows: list[str]) -> Path:
    """The four tables; keys are such as mass_train."""
    for name in TABLES:
        kind, _, _, part, _ = name.split("_")
        lines = [MASS if kind == "mass" else CALC, *rows.get(f"{kind}_{part}", [])]
        (path / name).write_text("\n".join(lines) + "\n")
    return path


def test_a_woman_of_several_tables_is_one_exam_with_the_worst_of_her_lesions(tmp_path: Path) -> None:
    tables = folder(
        tmp_path,
        mass_train=[
            row("P_00001", "LEFT", "CC", "MALIGNANT"),
            row("P_00001", "LEFT", "MLO", "MALIGNANT"),
            row("P_00002", "RIGHT", "CC", "BENIGN"),
        ],
        mass_test=[row("P_00003", "LEFT", "CC", "BENIGN_WITHOUT_CALLBACK")],
        calc_train=[row("P_00002", "RIGHT", "CC", "BENIGN"), row("P_00002", "RIGHT", "CC", "MALIGNANT", 2)],
        calc_test=[row("P_00001", "RIGHT", "CC", "MALIGNANT"), row("P_00004", "RIGHT", "CC", "BENIGN")],
    )
    found = [(x.exam_id, x.outcome, x.cancer_laterality, x.row) for x in read_labels(tables, WINDOWS)]
    assert found == [
        ("P_00001", "screen_detected", "both", 2),
        ("P_00002", "screen_detected", "R", 8),  # each row above has two line breaks in it
        ("P_00003", "benign", None, 2),
        ("P_00004", "benign", None, 5),
    ]
    assert all(label.patient_id == label.exam_id for label in read_labels(tables, WINDOWS))


def test_a_folder_without_all_four_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has to name the folder of mass_case_description_train_set.csv"):
        read_labels(tmp_path / "tables.csv", WINDOWS)
    (folder(tmp_path) / TABLES[3]).unlink()
    with pytest.raises(ValueError, match="has no calc_case_description_test_set.csv"):
        read_labels(tmp_path, WINDOWS)
    with pytest.raises(ValueError, match="no row below line 1 of any table"):
        read_labels(folder(tmp_path), WINDOWS)


def test_a_fault_is_told_by_table_and_line(tmp_path: Path) -> None:
    tables = folder(
        tmp_path, calc_train=[row("P_00001", "BOTH", "CC", ""), row("", "LEFT", "CC", "UNPROVEN")]
    )
    with pytest.raises(ValueError, match=r"calc_case_description_train_set.csv: 4 fault") as error:
        read_labels(tables, WINDOWS)
    assert "line 2, left or right breast: found another word, wanted left, right" in str(error.value)
    assert "line 2, pathology: found nothing" in str(error.value)
    assert "line 5, patient_id: found nothing" in str(error.value)
    assert "P_0" not in str(error.value)


def header(patient_id: str) -> Dataset:
    ds = Dataset()
    ds.PatientID = patient_id
    return ds


@pytest.mark.parametrize(
    ("patient_id", "path"),
    [
        ("Calc-Test_P_00038_RIGHT_MLO", "1-1.dcm"),
        ("", "CBIS-DDSM/Calc-Test_P_00038_RIGHT_MLO/1.2/1.3/1-1.dcm"),
        ("P_00038", "Mass-Training_P_00038_RIGHT_MLO/1-1.dcm"),
    ],
)
def test_a_film_is_known_by_its_patient_id_or_its_folder(patient_id: str, path: str) -> None:
    facts = image_facts(None)(path, header(patient_id))
    assert (facts.patient_id, facts.exam_id, facts.image_id) == ("P_00038", "P_00038", "P_00038_RIGHT_MLO")
    assert (facts.laterality, facts.view, facts.reason) == ("R", "MLO", None)


@pytest.mark.parametrize(
    ("patient_id", "reason"),
    [
        ("Mass-Training_P_00001_LEFT_CC_1", Reason.NOT_MAMMOGRAPHY),
        ("Mass-Training_P_00001_LEFT_CC_12", Reason.NOT_MAMMOGRAPHY),
        ("Mass-Training_P_00001_LEFT", Reason.MISSING_ID),
        ("Mass-Training_P_00001_LEFT_XCC", Reason.MISSING_ID),
    ],
)
def test_crops_masks_and_strangers_are_left_out(patient_id: str, reason: Reason) -> None:
    facts = image_facts(None)("1-1.dcm", header(patient_id))
    assert (facts.reason, facts.patient_id) == (reason, None)
    assert "P_0000" not in facts.detail.replace("Mass-Training_P_00001_LEFT_CC", "")


def test_no_table_of_facts_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wanted null"):
        image_facts(tmp_path)
