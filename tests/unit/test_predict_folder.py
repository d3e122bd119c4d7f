"""A folder of DICOM files is scored by one command, and what cannot be scored is told in plain words."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pydicom
import pytest
from made_bundle import sign
from made_files import edit, half_disc, make_dicom, put
from tiny_study import KEY

from mammo_steps.by_hand.predict_folder import main, told_threads
from mammo_steps.core.bundle import open_bundle
from mammo_steps.core.folder_prediction import FolderPrediction, How, check_own_folder
from mammo_steps.core.ids import Pseudonyms
from mammo_steps.core.tables import read_table

REPO = Path(__file__).resolve().parents[2]
CR_IMAGE = "1.2.840.10008.5.1.4.1.1.1"
RAW_MAMMOGRAM = "1.2.840.10008.5.1.4.1.1.1.2.1"


@pytest.fixture(autouse=True)
def signals_as_they_were():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def predict(bundle: Path, archive: Path, folder: Path, *more: str) -> Path:
    """The folder written."""
    flags = [
        "--bundle",
        bundle,
        "--archive",
        archive,
        "--private",
        folder / "private",
        "--out",
        folder / "out",
    ]
    main([*map(str, flags), "--device", "cpu", "--workers", "1", *more])
    return folder / "out"


def refusal(bundle: Path, archive: Path, folder: Path, *more: str) -> str:
    with pytest.raises(SystemExit) as ended:
        predict(bundle, archive, folder, *more)
    assert isinstance(ended.value.code, str)  # Python prints it and ends with 1
    return ended.value.code


@pytest.fixture(scope="module")
def archive(tiny_study, fold_0, tmp_path_factory):
    """Three exams that fold 0 tests, one of them without its last view, and files that are no mammograms."""
    folder = tmp_path_factory.mktemp("archive")
    scores = read_table(fold_0 / "holistic/fold0/images.parquet", "holistic_scores").to_pylist()
    tested = {row["exam_id"] for row in scores if row["role"] == "test"}
    files: dict[str, list[Path]] = {}
    for file in sorted((tiny_study.root / "demo/archive").rglob("*.dcm")):
        exam_id = pydicom.dcmread(file, stop_before_pixels=True).StudyInstanceUID
        if Pseudonyms(KEY).exam(exam_id) in tested:
            files.setdefault(exam_id, []).append(file)
    for number, own in enumerate(list(files.values())[:3]):
        for file in own[: 4 if number else 3]:
            shutil.copy(file, folder / f"SMITH_JANE_{number}_{file.name}")
    (folder / "reports").mkdir()
    (folder / "reports/letter.txt").write_text("no image")
    raw = put(SOPClassUID=RAW_MAMMOGRAM, PresentationIntentType="FOR PROCESSING")
    make_dicom(folder / "raw.dcm", ids=("P8", "1.2.80", "1.2.80.1"), change=raw)
    chest = put(SOPClassUID=CR_IMAGE, Modality="CR", BodyPartExamined="CHEST", PatientSex="M")
    make_dicom(folder / "chest.dcm", half_disc(), ids=("P9", "1.2.90", "1.2.90.1"), change=chest)
    return folder


@pytest.fixture(scope="module")
def predicted(archive, tiny_bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("predicted")
    (folder / "private").mkdir()
    (folder / "private/id_key").write_text(KEY)
    return predict(tiny_bundle, archive, folder, "--dicom")


def test_scores_of_the_fold_s_own_test_images_are_the_study_s_to_the_bit(predicted, fold_0):
    images = {
        row["image_id"]: row for row in read_table(predicted / "images.parquet", "new_images").to_pylist()
    }
    assert len(images) == 11
    for model in ("holistic", "attention"):
        own = read_table(fold_0 / model / "fold0/images.parquet", f"{model}_scores").to_pylist()
        tested = [row for row in own if row["role"] == "test" and row["image_id"] in images]
        assert len(tested) == 11 and [images[row["image_id"]][model] for row in tested] == [
            row["margin"] for row in tested
        ]


def test_every_file_is_scored_or_has_its_reason(predicted):
    reasons = read_table(predicted / "left_out.parquet", "excluded").to_pandas()["reason"].value_counts()
    assert reasons.to_dict() == {"not_dicom": 1, "for_processing": 1, "not_mammography": 1}
    exams = {row["exam_id"]: row for row in read_table(predicted / "exams.parquet", "new_exams").to_pylist()}
    raw = exams[Pseudonyms(KEY).exam("1.2.80")]
    assert raw["ensemble"] is None and raw["refused"] == "all its files were left out: for_processing 1"
    assert sum("missing_view" in row["flags"] for row in exams.values()) == 1
    assert sum(row["ensemble"] is not None for row in exams.values()) == 3


def test_the_results_hold_no_id_no_name_and_no_path_and_the_pixels_in_between_are_gone(predicted, archive):
    ids = {b"SMITH_JANE", str(archive).encode(), str(predicted).encode()}
    for file in archive.glob("*.dcm"):
        header = pydicom.dcmread(file, stop_before_pixels=True)
        ids |= {header.StudyInstanceUID.encode(), header.SOPInstanceUID.encode()}
        ids |= {str(header.PatientID).encode()} if len(header.PatientID) > 3 else set()
    written = [path for path in predicted.rglob("*") if path.is_file()]
    assert {path.suffix for path in written} == {".parquet", ".csv", ".html", ".png"}
    for path in written:
        assert not {word for word in ids if word in path.read_bytes()}, path
    private = predicted.parent / "private"
    assert not list(private.rglob("tiles.parquet")) and not list(private.rglob("holistic.parquet"))
    assert stat.S_IMODE((private / "out").stat().st_mode) == 0o700


def test_dicom_objects_lie_in_the_private_folder_alone(predicted):
    objects = sorted((predicted.parent / "private/out/dicom").rglob("*.dcm"))
    assert {path.name for path in objects} >= {"report.dcm", "marks_1.dcm", "picture.dcm"}
    assert len({path.parent.name for path in objects}) == 3 and not list(predicted.rglob("*.dcm"))


def test_a_folder_without_a_mammogram_ends_with_1_and_a_table_of_reasons(archive, tiny_bundle, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for name in ("chest.dcm", "raw.dcm"):
        shutil.copy(archive / name, other)
    text = refusal(tiny_bundle, other, tmp_path)
    assert "none of 2 files is an image that can be scored (" in text and "for_processing 1" in text
    assert len(read_table(tmp_path / "out/left_out.parquet", "excluded")) == 2
    assert "For research use only" in (tmp_path / "out/index.html").read_text()
    key = tmp_path / "private/id_key"  # made: there was none
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and len(key.read_text().strip()) == 64


def test_exams_that_are_all_refused_are_not_said_to_be_unusable_files(archive, tiny_bundle, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for file in archive.glob("SMITH_JANE_1_*"):
        shutil.copy(file, other)
        edit(other / file.name, put(Manufacturer="FUJIFILM Corporation"))
    text = refusal(tiny_bundle, other, tmp_path, "--drift", "vendor=refuse")
    assert "none of 1 exams has a score" in text and "exams.csv says why in its column `refused`" in text


def test_an_empty_folder_is_told_to_be_empty(tiny_bundle, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "there is no file in" in refusal(tiny_bundle, tmp_path / "empty", tmp_path)


def test_a_tampered_bundle_is_refused_before_any_file_is_read(tiny_bundle, archive, tmp_path):
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    with (bundle / "reference.json").open("a") as file:
        file.write(" ")
    assert "reference.json was changed: its sha256 is" in refusal(bundle, archive, tmp_path)
    assert not (tmp_path / "out").exists() and not (tmp_path / "private").exists()


def test_folders_that_would_do_harm_are_refused(tiny_bundle, archive, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    assert "is not empty: give a new folder" in refusal(tiny_bundle, archive, tmp_path)
    assert "--private" in (text := refusal(tiny_bundle, tmp_path, tmp_path)) and "lies in the archive" in text
    assert "is no folder" in refusal(tiny_bundle, tmp_path / "nowhere", tmp_path)
    shared = tmp_path / "shared"
    flags = ["--bundle", tiny_bundle, "--archive", archive, "--private", shared / "private", "--out", shared]
    with pytest.raises(SystemExit, match="which people share: it holds the key"):
        main([*map(str, flags)])


def test_results_in_the_private_folder_are_refused(tiny_bundle, archive, tmp_path):
    for out in ("P/anything", "P/far/below"):
        flags = ["--bundle", tiny_bundle, "--archive", archive, "--private", tmp_path / "P", "--out"]
        with pytest.raises(
            SystemExit, match=f"--out .*{out} lies in --private .*P, which holds the key and ids"
        ):
            main([*map(str, flags), str(tmp_path / out)])
    with pytest.raises(SystemExit, match="--private .*P lies in --out .*P, which people share"):
        main([*map(str, flags), str(tmp_path / "P")])
    assert not (tmp_path / "P").exists()


@pytest.mark.parametrize("name", ["private", "out"])
def test_a_file_where_a_folder_is_wanted_is_told(tiny_bundle, archive, tmp_path, name):
    (tmp_path / name).write_text("x")
    text = refusal(tiny_bundle, archive, tmp_path)
    assert f"--{name} {tmp_path / name} is a file, wanted a folder" in text


def test_a_second_run_of_the_same_name_is_refused_and_says_what_to_delete(tiny_bundle, archive, tmp_path):
    own = tmp_path / "private/out"
    (own / "intakes").mkdir(parents=True)
    text = refusal(tiny_bundle, archive, tmp_path)
    assert f"{own} is there already, wanted a new folder" in text and "Give --out another name" in text
    assert f"delete {own} and that run's --out" in text and "decoded images" not in text
    (own / "scratch").mkdir()  # as a killed run leaves it
    assert f"was killed or is under way: {own}/scratch holds decoded images" in refusal(
        tiny_bundle, archive, tmp_path
    )
    assert sorted(path.name for path in own.iterdir()) == ["intakes", "scratch"]
    assert not (tmp_path / "out").exists()


def test_a_name_taken_since_it_was_looked_for_is_refused_too(tiny_bundle, archive, tmp_path):
    how = How({"device": "cpu"}, {}, workers=1, sheets=False, dicom=False)
    run = FolderPrediction(open_bundle(tiny_bundle), archive, tmp_path / "P", tmp_path / "x/res", how)
    run.own.mkdir(parents=True)
    with pytest.raises(ValueError, match="P/res is there already, wanted a new folder"):
        run.run()
    assert not (tmp_path / "x").exists()


def test_the_key_is_no_name_of_a_run(tmp_path):
    with pytest.raises(ValueError, match="P/id_key is there already"):
        check_own_folder(tmp_path / "P", tmp_path / "id_key")


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        ("--workers", "0", "argument --workers: '0', wanted a whole number of at least 1"),
        ("--workers", "-2", "argument --workers: '-2', wanted a whole number of at least 1"),
        ("--torch-threads", "0", "argument --torch-threads: '0', wanted a whole number of at least 1"),
        ("--device", "tpu", "argument --device: invalid choice: 'tpu'"),
    ],
)
def test_numbers_and_devices_that_there_are_not_are_refused_at_the_start(
    tiny_bundle, archive, tmp_path, capsys, flag, value, words
):
    with pytest.raises(SystemExit, match="2"):
        predict(tiny_bundle, archive, tmp_path, f"{flag}={value}")
    assert words in capsys.readouterr().err


def test_another_kind_of_drift_action_is_refused_with_the_words_there_are(tiny_bundle, archive, tmp_path):
    text = refusal(tiny_bundle, archive, tmp_path, "--drift", "vendor=shout")
    assert "--drift vendor=shout: wanted KIND=ACTION" in text and "ignore, warn, refuse" in text


def test_another_number_of_threads_is_told_to_change_scores(tiny_bundle, caplog):
    assert told_threads(open_bundle(tiny_bundle), "cpu", None) == {"device": "cpu"} and not caplog.text
    assert told_threads(open_bundle(tiny_bundle), "cpu", 2) == {"device": "cpu", "torch_threads": 2}
    assert "--torch-threads 2: the bundle's study computed with 1." in caplog.text


def test_a_run_that_is_asked_to_end_leaves_no_pixels_and_no_step_behind(tiny_bundle, archive, tmp_path):
    flags = [
        "--bundle",
        tiny_bundle,
        "--archive",
        archive,
        "--private",
        tmp_path / "P",
        "--out",
        tmp_path / "out",
    ]
    command = [sys.executable, "-m", "mammo_steps.by_hand.predict_folder", *map(str, flags)]
    process = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(REPO)}, stderr=subprocess.DEVNULL
    )
    scratch, waited = tmp_path / "P/out/scratch/new-000", 0.0
    while not scratch.exists() and waited < 120:
        time.sleep(0.1)
        waited += 0.1
    process.terminate()
    assert process.wait(60) == 128 + signal.SIGTERM
    assert not scratch.parent.exists()
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) not in running


def test_a_failing_step_is_told_by_its_own_error_without_a_traceback(tiny_bundle, archive, tmp_path):
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    weights = bundle / "networks/fold0/attention.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1  # of a tensor, which opening the bundle does not load
    weights.write_bytes(content)
    text = refusal(sign(bundle), archive, tmp_path)
    assert text.startswith("predict_folder: score_new_exams failed: ") and "\n" not in text
    assert "its tensors are not those that were written" in text
    assert not (tmp_path / "private/out/scratch").exists()
