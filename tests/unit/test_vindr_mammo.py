"""vindr_mammo: breast-level_annotations.csv as published, for labels and for image facts."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from mammo_steps.core.labels import ImageFacts, Windows
from mammo_steps.core.terms import Outcome, Reason, Undefined
from mammo_steps.datasets.vindr_mammo import image_facts, read_labels

WINDOWS = Windows(180, 730, None)
HEADER = (
    "study_id,series_id,image_id,laterality,view_position,height,width,breast_birads,breast_density,split"
)


def rows(study: str, left: str, right: str) -> list[str]:
    return [
        f"{study},s{study},{study}{side}{view},{side},{view},3518,2800,BI-RADS {birads},DENSITY C,training"
        for side, birads in (("R", right), ("L", left))
        for view in ("CC", "MLO")
    ]


def table(folder: Path, *lines: str) -> Path:
    path = folder / "breast-level_annotations.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path


def refused(path: Path) -> str:
    with pytest.raises(ValueError, match=path.name) as error:
        read_labels(path, WINDOWS)
    return str(error.value)


@pytest.mark.parametrize(
    ("left", "right", "outcome", "side", "undefined"),
    [
        ("1", "1", Outcome.NORMAL, None, None),
        ("1", "2", Outcome.BENIGN, None, None),
        ("5", "1", Outcome.SCREEN_DETECTED, "L", None),
        ("4", "5", Outcome.SCREEN_DETECTED, "R", None),
        ("5", "5", Outcome.SCREEN_DETECTED, "both", None),
        ("4", "2", Outcome.UNKNOWN, None, Undefined.NO_PATHOLOGY),
        ("1", "3", Outcome.UNKNOWN, None, Undefined.NO_PATHOLOGY),
        ("0", "1", Outcome.UNKNOWN, None, Undefined.NO_PATHOLOGY),
    ],
)
def test_the_outcome_follows_from_the_worse_breasts_category(
    tmp_path: Path, left: str, right: str, outcome: Outcome, side: str | None, undefined: Undefined | None
) -> None:
    [label] = read_labels(table(tmp_path, *rows("0a1e", left, right)), WINDOWS)
    assert (label.outcome, label.cancer_laterality, label.undefined) == (outcome, side, undefined)


def test_each_exam_is_a_woman_of_its_own_and_its_id_stays_text(tmp_path: Path) -> None:
    labels = read_labels(table(tmp_path, *rows("001e5", "1", "1"), *rows("b2", "2", "1")), WINDOWS)
    assert [(x.patient_id, x.exam_id, x.row) for x in labels] == [("001e5", "001e5", 2), ("b2", "b2", 6)]


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("BI-RADS 1", "BI-RADS 7", "line 2, breast_birads: found another word, wanted bi-rads 1"),
        ("BI-RADS 1", "", "line 2, breast_birads: found nothing to go by"),
        (",R,", ",,", "line 2, laterality: found nothing to go by"),
        (",R,", ",X,", "line 2, laterality: found another word"),
        ("0a1e,", ",", "line 2, study_id: found nothing"),
    ],
)
def test_a_broken_copy_is_refused_by_line_and_column(tmp_path: Path, old: str, new: str, wanted: str) -> None:
    line = rows("0a1e", "1", "1")[0]
    assert wanted in refused(table(tmp_path, line.replace(old, new, 1)))


def test_views_of_a_breast_have_to_agree_and_an_empty_table_is_refused(tmp_path: Path) -> None:
    lines = rows("a", "1", "1")
    lines[1] = lines[1].replace("BI-RADS 1", "BI-RADS 5")
    assert "line 3, breast_birads: found something else than line 2" in refused(table(tmp_path, *lines))
    assert "no image below line 1" in refused(table(tmp_path))


def test_the_table_says_which_view_a_file_is(tmp_path: Path) -> None:
    facts = image_facts(table(tmp_path, *rows("a", "1", "1")))
    assert facts("a/aLMLO.dicom", Dataset()) == ImageFacts(
        patient_id="a", exam_id="a", image_id="aLMLO", laterality="L", view="MLO"
    )
    assert facts("a/other.dicom", Dataset()).reason == Reason.MISSING_ID


def test_the_metadata_table_is_wanted() -> None:
    with pytest.raises(ValueError, match="vindr_mammo wants breast-level_annotations.csv there"):
        image_facts(None)
