"""outside_models: other models' tables of scores, and all that can be wrong with one."""

import json
from pathlib import Path
from typing import Any

import pytest
from cohort_rows import SLOTS, exam_row, image_row

from mammo_steps.core.ids import Pseudonyms
from mammo_steps.core.tables import read_table, write_rows
from mammo_steps.outside_models import main

KEY = "a public key of a test"
NAMES = Pseudonyms(KEY)
EXAMS = ("E1", "E2", "E3")


class Site:
    """A cohort of three exams, and tables of scores."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tables: list[dict[str, str]] = []
        write_rows(folder / "exams.parquet", "exams", [exam_row(NAMES.exam(exam), 0) for exam in EXAMS])
        rows = [
            image_row(NAMES.exam(exam), slot) | {"image_id": NAMES.image(f"{exam}.{number}")}
            for exam in EXAMS
            for number, slot in enumerate(SLOTS)
        ]
        write_rows(folder / "images.parquet", "images", sorted(rows, key=lambda row: str(row["image_id"])))

    def add(self, text: str, name: str = "rival", rows: str = "exams") -> None:
        path = self.folder / f"{name}.csv"
        path.write_text(text)
        entry = {"name": name, "title": name.title(), "file": str(path), "rows": rows}
        self.tables.append(entry | {"trained_on": "elsewhere", "overlap": "none"})

    def take(self) -> dict[tuple[str, str], float]:
        files = [f"--{name}={self.folder / name}.parquet" for name in ("exams", "images", "scores")]
        main([*files, "--key", KEY, "--settings", json.dumps({"tables": self.tables})])
        rows: list[dict[str, Any]] = read_table(self.folder / "scores.parquet", "outside_scores").to_pylist()
        return {(row["model"], row["exam_id"]): row["score"] for row in rows}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_ids_of_the_archive_and_pseudonyms_are_both_known(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.add(f"note,score,exam_id\nx,0.5,E1\nx,-2e1,{NAMES.exam('E2')}\nx,3,elsewhere\nx,,E3\n")
    assert site.take() == {("rival", NAMES.exam("E1")): 0.5, ("rival", NAMES.exam("E2")): -20.0}
    assert (
        "rival: 2 of 3 exams have a score; 1 rows are not of the cohort, 1 have no score"
        in capsys.readouterr().err
    )


def image_lines(exam: str, *scores: float) -> str:
    """Lines of the exam's first images: L-CC, L-MLO, R-CC, R-MLO."""
    return "".join(f"{exam}.{number},{score}\n" for number, score in enumerate(scores))


def test_image_scores_become_exam_scores_as_our_own_do(site: Site) -> None:
    lines = [
        f"E1.{number},{score}" for number, score in enumerate((1, 2, 4, 0.5))
    ]  # L-CC, L-MLO, R-CC, R-MLO
    lines += ["E2.0,9"]  # its other images have none
    site.add("\n".join(["image_id,score", *lines]) + "\n", rows="images")
    site.add("exam_id,score\nE3,7\n", name="other")
    assert site.take() == {("rival", NAMES.exam("E1")): 4.5, ("other", NAMES.exam("E3")): 7.0}


def test_exams_with_scores_of_some_images_are_left_out_and_counted(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = image_lines("E1", 1, 2, 4, 0.5) + image_lines("E2", 9, 9) + image_lines("E3", 1, 2, 3)
    site.add(f"image_id,score\n{lines}", rows="images")
    assert site.take() == {("rival", NAMES.exam("E1")): 4.5}
    assert "1 of 3 exams have a score" in (told := capsys.readouterr().err)
    assert "; 2 exams have scores of some of their images only" in told


def test_scores_of_one_breast_alone_are_refused(site: Site) -> None:
    lines = image_lines("E1", 1, 2) + image_lines("E2", 1, 2)
    site.add(f"image_id,score\n{lines}", rows="images")
    with pytest.raises(
        ValueError, match="rival.csv: no exam has a score of each of its images; 2 exams have scores of some"
    ):
        site.take()
    assert not (site.folder / "scores.parquet").exists()


WRONG = {
    "no number": ("exam_id,score\nE1,0.5\nE2,high\n", "line 3, score: found no number"),
    "no sane size": (
        "exam_id,score\nE1,0.5\nE2,1.7e308\n",
        "line 3, score: found 1.7e.308, wanted -1,000,000 to 1,000,000",
    ),
    "NaN": ("exam_id,score\nE1,nan\n", "line 2, score: found no number"),
    "decimal comma": ('exam_id,score\nE1,"0,5"\n', "line 2, score: found a decimal comma"),
    "twice": (
        f"exam_id,score\nE1,0.5\n{NAMES.exam('E1')},0.5\n",
        "line 3, exam_id: found the id of line 2, wanted each id once",
    ),
    "an unknown one twice": (
        "exam_id,score\nE1,1\nE9,0.5\nE9,0.5\n",
        "line 4, exam_id: found the id of line 3",
    ),
    "no id": ("exam_id,score\n,0.5\n", "line 2, exam_id: found nothing"),
    "no column": ("exam_id,points\nE1,0.5\n", "column score is missing"),
    "all unknown": (
        "exam_id,score\nX1,0.5\nX2,0.5\n",
        "none of its 2 rows has a score of one of the cohort's 3 exams",
    ),
    "empty": ("", "column exam_id is missing"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_table_is_refused_by_line_and_no_id_is_shown(site: Site, case: str) -> None:
    text, message = WRONG[case]
    site.add(text)
    with pytest.raises(ValueError, match=message.replace("(", r"\(")) as error:
        site.take()
    assert not any(exam in str(error.value).replace(str(site.folder), "") for exam in (*EXAMS, "E9", "X1"))
    assert not (site.folder / "scores.parquet").exists()
