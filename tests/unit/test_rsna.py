"""rsna: train.csv as published, for labels and for image facts."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from mammo_steps.core.labels import ImageFacts, Windows
from mammo_steps.core.terms import Outcome, Reason
from mammo_steps.datasets.rsna import image_facts, read_labels

WINDOWS = Windows(180, 730, None)
HEADER = (
    "site_id,patient_id,image_id,laterality,view,age,cancer,biopsy,invasive,BIRADS,implant,density,machine_id,"
    "difficult_negative_case"
)
NORMAL = [
    "2,10006,462822612,L,CC,61.0,0,0,0,,0,,29,False",
    "2,10006,1459541791,L,MLO,61.0,0,0,0,,0,,29,False",
    "2,10006,1864590858,R,MLO,61.0,0,0,0,,0,,29,False",
    "2,10006,1874946579,R,CC,61.0,0,0,0,,0,,29,False",
]


def table(folder: Path, *lines: str) -> Path:
    path = folder / "train.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path


def outcome_of(folder: Path, *breasts: str) -> tuple[Outcome, str | None]:
    """Of a woman with these breasts, each `laterality,cancer,biopsy,BIRADS,difficult`."""
    lines = []
    for n, breast in enumerate(breasts):
        side, cancer, biopsy, birads, difficult = breast.split(",")
        lines += [
            f"1,5,{2 * n + k},{side},{view},50,{cancer},{biopsy},0,{birads},0,B,49,{difficult}"
            for k, view in enumerate(("CC", "MLO"))
        ]
    [label] = read_labels(table(folder, *lines), WINDOWS)
    return label.outcome, label.cancer_laterality


def refused(path: Path) -> str:
    with pytest.raises(ValueError, match="train.csv") as error:
        read_labels(path, WINDOWS)
    return str(error.value)


def test_a_woman_is_one_exam_with_both_ids_the_same(tmp_path: Path) -> None:
    [label] = read_labels(table(tmp_path, *NORMAL), WINDOWS)
    assert (label.patient_id, label.exam_id, label.outcome, label.row) == (
        "10006",
        "10006",
        Outcome.NORMAL,
        2,
    )
    assert label.follow_up_months is None and label.reader_1_left is None


def test_cancer_is_by_breast_and_worked_up_women_without_one_are_benign(tmp_path: Path) -> None:
    assert outcome_of(tmp_path, "L,1,1,0,False", "R,0,0,1,False") == (Outcome.SCREEN_DETECTED, "L")
    assert outcome_of(tmp_path, "L,1,1,,False", "R,1,1,,False") == (Outcome.SCREEN_DETECTED, "both")
    assert outcome_of(tmp_path, "L,0,1,0,True", "R,0,0,1,False") == (Outcome.BENIGN, None)
    assert outcome_of(tmp_path, "L,0,0,0,True", "R,0,0,0,False") == (Outcome.NORMAL, None)


def test_rows_of_a_breast_have_to_agree(tmp_path: Path) -> None:
    lines = [NORMAL[0], NORMAL[1].replace("61.0,0,0", "61.0,1,0")]
    message = refused(table(tmp_path, *lines))
    assert "line 3, cancer: found something else than line 2 has for the same breast" in message


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("61.0,0,0", "61.0,,0", "line 2, cancer: found nothing to go by"),
        ("61.0,0,0", "61.0,2,0", "line 2, cancer: found another number"),
        (",L,", ",,", "line 2, laterality: found nothing to go by"),
        (",L,", ",B,", "line 2, laterality: found another word, wanted l, r"),
        ("10006", "", "line 2, patient_id: found nothing"),
    ],
)
def test_a_broken_copy_is_refused_by_line_and_column(tmp_path: Path, old: str, new: str, wanted: str) -> None:
    assert wanted in refused(table(tmp_path, NORMAL[0].replace(old, new)))


def test_the_test_set_has_no_outcomes(tmp_path: Path) -> None:
    path = tmp_path / "test_train.csv"
    path.write_text("site_id,patient_id,image_id,laterality,view,age,implant,machine_id,prediction_id\n")
    assert "column cancer is missing; column biopsy is missing" in refused(path)
    assert "no image below line 1" in refused(table(tmp_path))


def test_the_table_says_what_the_headers_lack(tmp_path: Path) -> None:
    other_view = "1,7,99,R,AT,,0,0,0,,1,,49,False"
    facts = image_facts(table(tmp_path, *NORMAL, NORMAL[0], other_view))
    assert facts("10006/1864590858.dcm", Dataset()) == ImageFacts(
        patient_id="10006",
        exam_id="10006",
        image_id="1864590858",
        laterality="R",
        view="MLO",
        age_years=61,
        implant=False,
    )
    other = facts("7/99.dcm", Dataset())
    assert (other.reason, other.view, other.age_years, other.implant) == (Reason.OTHER_VIEW, None, None, True)
    assert facts("10006/1.dcm", Dataset()).reason == Reason.MISSING_ID


def test_an_image_twice_with_other_facts_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path, NORMAL[0], NORMAL[0].replace(",L,", ",R,"))
    with pytest.raises(ValueError, match="line 3, image_id: found the image of line 2 with other facts"):
        image_facts(path)


def test_the_metadata_table_is_wanted() -> None:
    with pytest.raises(ValueError, match="config key `metadata` is empty: rsna wants train.csv there"):
        image_facts(None)
