"""A shard's scores as DICOM objects, from the tables alone."""

import csv
import shutil
from pathlib import Path

import pydicom
import pytest
from tiny_study import JOB

from mammo_steps import score_new_exams, write_dicom_results
from mammo_steps.core.tables import read_table, write_rows


@pytest.fixture(scope="module")
def scored(tiny_study, tiny_bundle, tmp_path_factory):
    out = tmp_path_factory.mktemp("scored")
    shard = min(tiny_study.shards.iterdir())
    score_new_exams.main(
        [
            "--bundle",
            str(tiny_bundle),
            "--index",
            str(tiny_study.root / "index.parquet"),
            "--shard",
            str(shard),
        ]
        + ["--job", JOB, "--scores", str(out)]
    )
    return out, shard


def write(study, bundle, scored, objects, archive=None):
    out, shard = scored
    write_dicom_results.main(
        ["--bundle", str(bundle), "--index", str(study.root / "index.parquet"), "--shard", str(shard)]
        + ["--list", str(study.root / f"lists/{shard.name}.csv"), "--scores", str(out)]
        + ["--archive", str(archive or study.root / "demo/archive"), "--objects", str(objects)]
    )
    return objects


def test_each_exam_has_a_report_marks_on_each_image_and_a_picture(tiny_study, tiny_bundle, scored, tmp_path):
    objects = write(tiny_study, tiny_bundle, scored, tmp_path / "dicom")
    exams = read_table(scored[0] / "exams.parquet", "new_exams").to_pylist()
    assert {path.name for path in objects.iterdir() if path.is_dir()} == {row["exam_id"] for row in exams}
    for row in exams:
        names = sorted(path.name for path in (objects / row["exam_id"]).iterdir())
        assert names == [*(f"marks_{k}.dcm" for k in range(1, 5)), "picture.dcm", "report.dcm"]
        report = pydicom.dcmread(objects / row["exam_id"] / "report.dcm")
        text = str(report)
        assert (
            f"{row['ensemble']:.6f}"[:6] in text and "For research use only" in text and "SYNTHETIC" in text
        )
    assert (objects.stat().st_mode & 0o077) == 0  # for its owner alone


def test_the_objects_are_of_the_images_own_study_and_patient(tiny_study, tiny_bundle, scored, tmp_path):
    objects = write(tiny_study, tiny_bundle, scored, tmp_path / "dicom")
    sources = {}
    for file in (tiny_study.root / "demo/archive").rglob("*.dcm"):
        ds = pydicom.dcmread(file, stop_before_pixels=True)
        sources[ds.SOPInstanceUID] = ds
    folder = min(path for path in objects.iterdir() if path.is_dir())
    for path in folder.iterdir():
        made = pydicom.dcmread(path)
        of = [ds for ds in sources.values() if ds.StudyInstanceUID == made.StudyInstanceUID]
        assert len(of) == 4 and {ds.PatientID for ds in of} == {made.PatientID}
        assert made.SeriesInstanceUID not in {ds.SeriesInstanceUID for ds in of}


def test_a_file_that_is_gone_costs_its_exam_alone(tiny_study, tiny_bundle, scored, tmp_path):
    archive = Path(shutil.copytree(tiny_study.root / "demo/archive", tmp_path / "archive"))
    lines = (tiny_study.root / f"lists/{scored[1].name}.csv").read_text().splitlines()
    (archive / lines[1].split(",")[1]).unlink()
    objects = write(tiny_study, tiny_bundle, scored, tmp_path / "dicom", archive)
    n = len(read_table(scored[0] / "exams.parquet", "new_exams"))
    assert sum(path.is_dir() for path in objects.iterdir()) == n - 1


def test_an_exam_gets_no_objects_with_the_name_of_a_woman_whose_files_lie_in_its_place(
    tiny_study, tiny_bundle, scored, tmp_path
):
    archive = Path(shutil.copytree(tiny_study.root / "demo/archive", tmp_path / "archive"))
    with (tiny_study.root / f"lists/{scored[1].name}.csv").open() as file:
        first = next(csv.DictReader(file))["path"]
    other = next(path for path in sorted(archive.rglob("*.dcm")) if path != archive / first)
    shutil.copy(other, archive / first)
    objects = write(tiny_study, tiny_bundle, scored, tmp_path / "dicom", archive)
    n = len(read_table(scored[0] / "exams.parquet", "new_exams"))
    assert sum(path.is_dir() for path in objects.iterdir()) == n - 1


def test_scores_of_another_bundle_are_refused(tiny_study, tiny_bundle, scored, tmp_path):
    other = Path(shutil.copytree(scored[0], tmp_path / "other"))
    rows = read_table(other / "exams.parquet", "new_exams").to_pylist()
    write_rows(other / "exams.parquet", "new_exams", [{**row, "bundle": "abc"} for row in rows])
    with pytest.raises(ValueError, match="holds scores of other exams or of another bundle"):
        write(tiny_study, tiny_bundle, (other, scored[1]), tmp_path / "dicom")
