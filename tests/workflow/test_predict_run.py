"""From a finished study to the scores of exams that nobody has labelled, as a user would run it."""

import shutil
from pathlib import Path

import pandas as pd
import pydicom
import pytest
import yaml
from running import planned, snakemake

KEY = "demo-key-for-synthetic-data-only"


@pytest.fixture(scope="module")
def predicted(finished_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the study's bundle, and scores of its own archive and some odd files by fold 0's networks."""
    folder = tmp_path_factory.mktemp("predict") / "own"
    shutil.copytree(finished_study, folder)
    made = snakemake(folder, "make_bundle")
    assert made.returncode == 0, made.stdout + made.stderr
    shutil.copytree(folder / "results/demo/demo/archive", folder / "new")
    (folder / "new/note.txt").write_text("no image")
    file = min((folder / "new").rglob("*.dcm"))
    ds = pydicom.dcmread(file)
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"  # a chest radiograph: digital X-ray
    ds.Modality, ds.SOPInstanceUID = "DX", "1.2.3.4.5"
    ds.save_as(folder / "new/chest.dcm")
    config = {
        "study": "tomorrow", "archive": "new", "labels": None, "public_id_key": KEY,
        "intakes": [{"name": "new", "archive": None, "chunks": 1, "shards": 2}],
        "compute": {"device": "cpu"}, "make_shards": {"workers": 1},
        "predict": {"bundle": "results/demo/bundle", "members": ["fold0"], "dicom": True},
    }  # fmt: skip
    (folder / "new.yaml").write_text(yaml.safe_dump(config))
    run = snakemake(folder, "predict", configs=(str(folder / "new.yaml"),))
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


def test_scores_of_the_fold_s_test_exams_are_the_study_s_to_the_bit(predicted: Path) -> None:
    study = pd.read_parquet(predicted / "results/demo/scores/exams.parquet")
    new = pd.read_parquet(predicted / "results/tomorrow/predictions/exams.parquet").set_index("exam_id")
    own = study[study["fold"] == 0].set_index("exam_id")
    assert len(own) > 5 and len(new) == len(study)
    for network in ("holistic", "attention", "ensemble"):
        assert (new.loc[own.index, network] == own[network]).all()


def test_files_that_are_no_mammograms_are_named_with_their_reason(predicted: Path) -> None:
    left_out = pd.read_parquet(predicted / "results/tomorrow/predictions/left_out.parquet")
    assert sorted(left_out["reason"]) == ["not_dicom", "not_mammography"]


def test_dicom_objects_lie_in_the_private_folder_alone(predicted: Path) -> None:
    objects = list((predicted / "private/tomorrow/dicom").rglob("report.dcm"))
    assert len(objects) == len(pd.read_parquet(predicted / "results/tomorrow/predictions/exams.parquet"))
    assert not list((predicted / "results/tomorrow").rglob("*.dcm"))


def test_a_second_run_has_nothing_to_do(predicted: Path) -> None:
    assert planned(snakemake(predicted, "predict", "-n", configs=(str(predicted / "new.yaml"),))) == {}


def test_a_bundle_that_is_not_there_stops_before_the_first_job(predicted: Path, tmp_path: Path) -> None:
    other = yaml.safe_load((predicted / "new.yaml").read_text()) | {"predict": {"bundle": "results/none"}}
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(other))
    run = snakemake(predicted, "predict", configs=(str(tmp_path / "other.yaml"),))
    assert (
        run.returncode != 0 and "config key `predict.bundle`" in run.stderr and "Traceback" not in run.stderr
    )
