"""An archive with everything wrong in it: each fault is excluded with its reason, and the rest goes on."""

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pydicom
import pytest
from drawn_archive import make_archive, write_labels
from running import snakemake


def change(path: Path, **values: Any) -> None:
    ds = pydicom.dcmread(path)
    for name, value in values.items():
        setattr(ds, name, value)
    if "SOPInstanceUID" in values:
        ds.file_meta.MediaStorageSOPInstanceUID = values["SOPInstanceUID"]
    ds.save_as(path)


EXAMS = {"normal": 12, "benign": 3, "screen_detected": 9, "interval": 0}


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run up to the folds, over an archive in which nine exams are spoilt."""
    folder = tmp_path_factory.mktemp("spoilt")
    exams, labels = make_archive(folder, EXAMS)
    normal = [row for row in labels if row["outcome"] == "normal"]
    faults = [exams[row["exam_id"]] for row in normal[:6]]
    faults[0]["L-CC"].write_text("not a DICOM file, whatever its name says")
    faults[1]["R-CC"].write_bytes(faults[1]["R-CC"].read_bytes()[:2000])  # cut in the pixels
    faults[2]["L-MLO"].unlink()  # three views
    fifth = faults[3]["L-MLO"].with_name("fifth.dcm")  # five views
    fifth.write_bytes(faults[3]["L-MLO"].read_bytes())
    change(fifth, SOPInstanceUID="1.2.3.4")
    copy = faults[4]["R-MLO"].with_name("zz-copy.dcm")  # the same instance twice: one copy is left out
    copy.write_bytes(faults[4]["R-MLO"].read_bytes())
    change(faults[5]["R-CC"], ImageLaterality="R", Laterality="L")  # the header contradicts itself
    labels.remove(normal[6])  # an exam without a label
    labels.append({**normal[7], "patient_id": "NOBODY", "exam_id": "1.9.9.9"})  # a label without an exam
    other = next(row for row in labels if row["outcome"] == "screen_detected")
    other["patient_id"] = "ANOTHERWOMAN"  # the label names another woman than the header
    write_labels(folder, labels)
    (folder / "own.yaml").write_text(
        f"make_demo_cohort: null\narchive: {folder}/archive\nlabels: {folder}/labels.csv\nlesions: null\n"
    )
    result = snakemake(
        folder, "results/demo/cohort/roles.parquet", "-p",
        configs=("config/demo.yaml", "tests/workflow/tiny.yaml", str(folder / "own.yaml")),
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def test_each_fault_has_its_reason(spoilt: Path) -> None:
    excluded = pd.read_parquet(spoilt / "results/demo/cohort/excluded.parquet")
    files = Counter(excluded[excluded.level.isin(["file", "image"])].reason)
    assert files["not_dicom"] == 1 and files["undecodable"] == 1
    assert files["duplicate_instance"] == 1 and files["laterality_conflict"] == 1
    exams = Counter(excluded[excluded.level == "exam"].reason)
    # incomplete: the text file, the truncated one, three views, the contradiction
    assert exams == {"incomplete_exam": 4, "extra_images": 1, "no_label": 1, "patient_contradicts_label": 1}
    assert Counter(excluded[excluded.level == "label"].reason) == {"no_exam": 1}


def test_the_rest_goes_on(spoilt: Path) -> None:
    exams = pd.read_parquet(spoilt / "results/demo/cohort/exams.parquet")
    # 24 less 7; the exam with a duplicated file stays, with one of its copies
    assert Counter(exams.outcome) == {"normal": 6, "benign": 3, "screen_detected": 8}


def test_nothing_is_lost(spoilt: Path) -> None:
    n_files = sum(path.is_file() for path in (spoilt / "archive").rglob("*"))
    images = pd.read_parquet(spoilt / "results/demo/cohort/images.parquet")
    excluded = pd.read_parquet(spoilt / "results/demo/cohort/excluded.parquet")
    assert n_files == len(images) + excluded.level.isin(["file", "image"]).sum()


def test_no_identity_is_in_results_or_logs(spoilt: Path) -> None:
    with (spoilt / "labels.csv").open() as file:
        raw = {row[name].encode() for row in csv.DictReader(file) for name in ("patient_id", "exam_id")}
    names = {path.name.encode() for path in (spoilt / "archive").rglob("*.dcm")}
    for path in (spoilt / "results").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(word in content for word in raw | names | {b"SYNTHETIC^DEMO"}), path
