"""inbreast: INbreast.csv beside its image files, for labels and for image facts."""

from datetime import date
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from mammo_steps.core.labels import ImageFacts, Windows
from mammo_steps.core.terms import Outcome, Reason, Undefined
from mammo_steps.datasets.inbreast import image_facts, read_labels

WINDOWS = Windows(180, 730, None)
HEADER = "Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads"
WOMAN = "6c613a14b80a8591"


def release(folder: Path, *images: str) -> Path:
    """INbreast.csv and its AllDICOMs; an image is `number woman side view month Bi-Rads`."""
    lines = [HEADER]
    (folder / "AllDICOMs").mkdir()
    for image in images:
        number, woman, side, view, month, birads = image.split()
        lines.append(f"removed;removed;{side};{view};{month};{number};    ;{birads}")
        written = {"MLO": "ML"}.get(view, view)
        (folder / "AllDICOMs" / f"{number}_{woman}_MG_{side}_{written}_ANON.dcm").touch()
    path = folder / "INbreast.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def refused(path: Path) -> str:
    with pytest.raises(ValueError, match="INbreast.csv") as error:
        read_labels(path, WINDOWS)
    return str(error.value)


def test_women_come_from_the_file_names_and_exams_from_the_months(tmp_path: Path) -> None:
    path = release(
        tmp_path,
        f"20586908 {WOMAN} R CC 200805 1",
        f"20586960 {WOMAN} R MLO 200805 2",
        f"20586934 {WOMAN} L CC 200805 5",
        f"20586986 {WOMAN} L MLO 200805 4b",
        f"22678622 {WOMAN} R CC 201002 1",
        "22678646 61b13c59bcba149d L CC 200805 6",
    )
    labels = read_labels(path, WINDOWS)
    assert [(x.patient_id, x.exam_id, x.outcome, x.cancer_laterality, x.row) for x in labels] == [
        (WOMAN, f"{WOMAN}_200805", Outcome.SCREEN_DETECTED, "L", 2),
        (WOMAN, f"{WOMAN}_201002", Outcome.NORMAL, None, 6),
        ("61b13c59bcba149d", "61b13c59bcba149d_200805", Outcome.SCREEN_DETECTED, "L", 7),
    ]


@pytest.mark.parametrize("birads", ["3", "4a", "4B", "4c", "4"])
def test_a_suspicion_without_pathology_is_unknown(tmp_path: Path, birads: str) -> None:
    [label] = read_labels(
        release(tmp_path, f"1 {WOMAN} R CC 200805 1", f"2 {WOMAN} L CC 200805 {birads}"), WINDOWS
    )
    assert (label.outcome, label.undefined) == (Outcome.UNKNOWN, Undefined.NO_PATHOLOGY)


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (";200805;", ";2008;", "line 2, Acquisition date: found no month, wanted year and month"),
        (";200805;", ";200813;", "line 2, Acquisition date: found no month"),
        (
            ";20586908;",
            ";1;",
            "line 2, File Name: found a number of no file, wanted one of a file in AllDICOMs",
        ),
        (";1\n", ";7\n", "line 2, Bi-Rads: found another word"),
        (";1\n", ";\n", "line 2, Bi-Rads: found nothing"),
        (";R;", ";;", "line 2, Laterality: found nothing"),
    ],
)
def test_a_broken_copy_is_refused_by_line_and_column(tmp_path: Path, old: str, new: str, wanted: str) -> None:
    path = release(tmp_path, f"20586908 {WOMAN} R CC 200805 1")
    path.write_text(path.read_text().replace(old, new))
    assert wanted in refused(path)


def test_a_file_twice_commas_and_an_empty_table_are_refused(tmp_path: Path) -> None:
    path = release(tmp_path, f"1 {WOMAN} R CC 200805 1", f"1 {WOMAN} R CC 200805 1")
    assert "line 3, File Name: found the file of line 2 again" in refused(path)
    path.write_text(HEADER.replace(";", ",") + "\n")
    assert "separate the columns by semicolons" in refused(path)
    path.write_text(HEADER + "\n")
    assert "no image below line 1" in refused(path)


def test_the_table_has_to_lie_beside_the_images(tmp_path: Path) -> None:
    path = release(tmp_path, f"1 {WOMAN} R CC 200805 1")
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(
        FileNotFoundError, match="leave INbreast.csv in the release's folder, beside AllDICOMs"
    ):
        read_labels(path.rename(tmp_path / "elsewhere/INbreast.csv"), WINDOWS)


def test_file_names_and_the_month_are_the_facts_and_ml_is_mlo(tmp_path: Path) -> None:
    facts = image_facts(release(tmp_path, f"1 {WOMAN} R MLO 200805 1", f"2 {WOMAN} R FB 200805 1"))
    assert facts(f"AllDICOMs/1_{WOMAN}_MG_R_ML_ANON.dcm", Dataset()) == ImageFacts(
        patient_id=WOMAN,
        exam_id=f"{WOMAN}_200805",
        image_id="1",
        laterality="R",
        view="MLO",
        exam_date=date(2008, 5, 1),
    )
    assert facts(f"2_{WOMAN}_MG_R_FB_ANON.dcm", Dataset()).reason == Reason.OTHER_VIEW
    assert facts(f"3_{WOMAN}_MG_R_CC_ANON.dcm", Dataset()).reason == Reason.MISSING_ID
    assert facts("thumbs.dcm", Dataset()).reason == Reason.MISSING_ID


def test_the_metadata_table_is_wanted() -> None:
    with pytest.raises(ValueError, match="inbreast wants INbreast.csv there"):
        image_facts(None)
