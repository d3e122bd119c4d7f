"""The table of new exams: every exam that has a file stands in it."""

import csv
import shutil

import pytest
from tiny_study import JOB

from mammo_steps import predict, score_new_exams
from mammo_steps.core.tables import read_table, write_rows


@pytest.fixture(scope="module")
def study(tiny_study, tiny_bundle, tmp_path_factory):
    """Predictions of the tiny archive, to whose index an exam of raw images alone is added."""
    folder = tmp_path_factory.mktemp("predicted")
    rows = read_table(tiny_study.root / "index.parquet", "index").to_pylist()
    raw = {"file_id": "f-raw", "image_id": "i-raw", "patient_id": "p-raw", "exam_id": "e-raw", "shard": None}
    rows.append({**rows[0], **raw, "reason": "for_processing", "detail": None})
    write_rows(folder / "index.parquet", "index", rows)
    parts = []
    for shard in sorted(tiny_study.shards.iterdir()):
        parts.append(folder / shard.name)
        score_new_exams.main(
            ["--bundle", str(tiny_bundle), "--index", str(folder / "index.parquet"), "--shard", str(shard)]
            + ["--job", JOB, "--scores", str(parts[-1])]
        )
    return folder, parts, tiny_study, tiny_bundle


def gather(study, *, parts=None):
    folder, all_parts, tiny_study, bundle = study
    predict.main(
        [
            "--bundle",
            str(bundle),
            "--indexes",
            str(folder / "index.parquet"),
            "--shards",
            str(tiny_study.shards),
        ]
        + [
            "--parts",
            *map(str, all_parts if parts is None else parts),
            "--settings",
            '{"study": "new", "drift": {}}',
        ]
        + ["--predictions", str(folder)]
    )
    return folder


def test_every_exam_stands_in_the_table_and_every_file_that_was_left_out_has_its_reason(study):
    folder = gather(study)
    exams = read_table(folder / "exams.parquet", "new_exams").to_pylist()
    assert len(exams) == 25 and [row["exam_id"] for row in exams] == sorted(row["exam_id"] for row in exams)
    raw = next(row for row in exams if row["exam_id"] == "e-raw")
    assert raw["ensemble"] is None and raw["refused"] == "all its files were left out: for_processing 1"
    excluded = read_table(folder / "left_out.parquet", "excluded").to_pylist()
    assert [(row["file_id"], row["reason"]) for row in excluded] == [("f-raw", "for_processing")]


def test_the_csv_has_the_same_rows(study):
    folder = gather(study)
    with (folder / "exams.csv").open() as file:
        rows = list(csv.DictReader(file))
    exams = read_table(folder / "exams.parquet", "new_exams").to_pylist()
    assert [row["exam_id"] for row in rows] == [row["exam_id"] for row in exams]
    for row, exam in zip(rows, exams, strict=True):
        wanted = "" if exam["ensemble"] is None else f"{exam['ensemble']:.6f}"
        assert row["ensemble"] == wanted


def test_the_page_says_for_research_use_that_it_is_synthetic_and_why_an_exam_has_no_score(study):
    page = (gather(study) / "index.html").read_text()
    assert "For research use only" in page and "SYNTHETIC DATA." in page and "for_processing 1" in page
    assert page.count("<details") == 24 and "http" not in page.replace("http-equiv", "")


def test_the_page_of_the_comparison_shows_training_and_new_images_side_by_side(study):
    page = (gather(study) / "drift.html").read_text()
    assert "96 new images" in page and "160 x 128" in page
    # 16 images of four exams have LUTs: fewer than five exams are not told of, and so count as new
    assert '<th scope="row">intensity</th><td class="n">16</td>' in page


def test_a_missing_shard_is_no_reason_to_leave_exams_out(study):
    with pytest.raises(
        ValueError, match="usable images are of exams without scores: run score_new_exams for every"
    ):
        gather(study, parts=study[1][:1])


def test_scores_of_another_bundle_are_refused(study, tmp_path):
    parts = study[1]
    other = shutil.copytree(parts[0], tmp_path / "other")
    rows = read_table(other / "exams.parquet", "new_exams").to_pylist()
    write_rows(other / "exams.parquet", "new_exams", [{**row, "bundle": "abc"} for row in rows])
    with pytest.raises(ValueError, match="scores of the bundle abc are among those of"):
        gather(study, parts=[other, *parts[1:]])
