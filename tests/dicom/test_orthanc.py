"""Images and their results in a real archive: Orthanc takes them from dcmtk's storescu and gives them back."""

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from made_files import JPEG_LOSSLESS
from made_prediction import headers, made_exam, made_prediction, paper_bundle
from node_programs import Receiver, dcmtk, free_port, listens, wait_for
from pydicom.dataset import Dataset

from mammo_steps.core.dicom_results import dicom_objects
from mammo_steps.core.dicom_writing import TRANSFER_SYNTAXES, Machine

pytestmark = pytest.mark.long
PICTURE = np.arange(60 * 80 * 3, dtype=np.uint32).reshape(60, 80, 3).astype(np.uint8)
PEERS = ("STORESCU", "GETSCU", "MOVESCU", "RECEIVER")
# dcmtk's letters for what storescu proposes
LETTER = dict(zip(TRANSFER_SYNTAXES, "=istvr", strict=True))


class Orthanc:
    """Orthanc with a folder of its own, for peers on this machine alone."""

    def __init__(self, program: str, folder: Path) -> None:
        self.dicom, self.http, self.receiver = free_port(), free_port(), free_port()
        may = dict.fromkeys(("AllowEcho", "AllowStore", "AllowFind", "AllowGet", "AllowMove"), True)
        may |= {"Host": "127.0.0.1", "Port": self.receiver}
        config = {
            "DicomPort": self.dicom,
            "HttpPort": self.http,
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "Plugins": [],
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAlwaysAllowEcho": False,
            "DicomAlwaysAllowStore": False,
            "DicomCheckModalityHost": True,
            "DicomModalities": {name: {"AET": name, **may} for name in PEERS},
        }
        (folder / "orthanc.json").write_text(json.dumps(config))
        self.log = folder / "orthanc.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [program, str(folder / "orthanc.json")], stdout=log, stderr=log, cwd=folder
            )
        wait_for(lambda: listens(self.http) and listens(self.dicom), "Orthanc")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/{path}", timeout=30) as answer:
            return bytes(answer.read())

    def json(self, path: str) -> Any:
        return json.loads(self.get(path))

    def file_of(self, sop_instance_uid: str) -> bytes:
        """What it has under a SOPInstanceUID, as it stores it; exactly one object."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http}/tools/lookup", sop_instance_uid.encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            (found,) = json.loads(answer.read())
        return self.get(f"instances/{found['ID']}/file")


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    program = shutil.which("Orthanc")
    missing = [name for name in ("storescu", "getscu", "movescu") if dcmtk(name) is None]
    if program is None or missing:
        pytest.skip(
            f"no {'Orthanc' if program is None else missing[0]}: tests/install installs it where it may"
        )
    server = Orthanc(program, tmp_path_factory.mktemp("orthanc"))
    yield server
    server.stop()


def exam_and_results(folder: Path, number: int, transfer_syntax: str) -> tuple[list[Path], list[Path]]:
    """Files of an exam's images and of its results."""
    shown = (
        ("MONOCHROME1", "lut", "siemens", "SRT")
        if number % 2
        else ("MONOCHROME2", "sigmoid", "hologic", "SCT")
    )
    machine = Machine(shown[2], shown[1], shown[3], shown[0], transfer_syntax)
    images = made_exam(folder / "images", machine, number=number)
    sources = headers(images)
    bundle = paper_bundle()
    made = dicom_objects(made_prediction(sources, bundle), sources, PICTURE, bundle, datetime(2026, 1, 2))
    results = [folder / f"{k}.dcm" for k in range(len(made))]
    for path, one in zip(results, made, strict=True):
        one.save_as(path, enforce_file_format=True)
    return list(images.values()), results


def send(server: Orthanc, transfer_syntax: str, *files: Path) -> None:
    command = [dcmtk("storescu"), "-v", f"-x{LETTER[transfer_syntax]}", "-aec", "ORTHANC", "127.0.0.1"]
    done = subprocess.run([*command, str(server.dicom), *files], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.count(
        "Received Store Response (Success)"
    ) + done.stderr.count("Received Store Response (Success)") == len(files), done.stderr[-2000:]


def study_key(files: list[Path]) -> list[str]:
    """For movescu and getscu: the whole exam."""
    study = pydicom.dcmread(files[0], stop_before_pixels=True).StudyInstanceUID
    return ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]


def content(file: Path | bytes) -> bytes:
    """All of a file behind its meta information, whose group tells who wrote the file."""
    data = file if isinstance(file, bytes) else file.read_bytes()
    length = int.from_bytes(data[140:144], "little")  # of (0002,0000), behind 128 + 4 + 8 bytes
    return data[144 + length :]


@pytest.fixture(params=TRANSFER_SYNTAXES, ids=[pydicom.uid.UID(uid).keyword for uid in TRANSFER_SYNTAXES])
def stored(request, orthanc: Orthanc, tmp_path: Path) -> tuple[str, list[Path]]:
    """An exam's images in one transfer syntax and its results, sent to the archive: syntax and files."""
    number = 1 + TRANSFER_SYNTAXES.index(request.param)
    images, results = exam_and_results(tmp_path, number, request.param)
    send(orthanc, request.param, *images)
    send(orthanc, TRANSFER_SYNTAXES[0], *results)
    return request.param, [*images, *results]


def test_the_archive_gives_back_images_and_results_as_they_were(orthanc, stored) -> None:
    _, files = stored
    assert len(files) == 4 + 6
    for file in files:
        uid = str(pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID)
        assert content(orthanc.file_of(uid)) == content(file)


def test_the_archive_sends_the_exam_on_as_it_was(orthanc, stored, tmp_path) -> None:
    """C-MOVE: each file in its own transfer syntax."""
    _, files = stored
    receiver = Receiver(tmp_path, orthanc.receiver, "+xa")
    receiver.start()
    command = [dcmtk("movescu"), "-S", "-aec", "ORTHANC", "-aem", "RECEIVER", "127.0.0.1", str(orthanc.dicom)]
    done = subprocess.run([*command, *study_key(files)], capture_output=True, text=True)
    receiver.stop()
    assert done.returncode == 0, done.stderr[-2000:]
    assert sorted(map(content, receiver.folder.iterdir())) == sorted(map(content, files))


def test_a_client_gets_an_uncompressed_exam_as_it_was(orthanc, tmp_path) -> None:
    """C-GET, for which dcmtk's getscu and Orthanc agree on uncompressed syntaxes alone."""
    images, results = exam_and_results(tmp_path, 50, TRANSFER_SYNTAXES[0])
    send(orthanc, TRANSFER_SYNTAXES[0], *images, *results)
    got = tmp_path / "got"
    got.mkdir()
    command = [dcmtk("getscu"), "-S", "+B", "-aec", "ORTHANC", "-od", got, "127.0.0.1", str(orthanc.dicom)]
    done = subprocess.run([*command, *study_key(images)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert sorted(map(content, got.iterdir())) == sorted(map(content, [*images, *results]))


def test_results_are_filed_with_the_images_in_series_of_their_own(orthanc, stored) -> None:
    _, files = stored
    patient, study = (
        str(pydicom.dcmread(files[0], stop_before_pixels=True)[name].value)
        for name in ("PatientID", "StudyInstanceUID")
    )
    (found,) = [
        one for one in orthanc.json("studies?expand") if one["MainDicomTags"]["StudyInstanceUID"] == study
    ]
    assert found["PatientMainDicomTags"]["PatientID"] == patient
    series = [orthanc.json(f"series/{one}") for one in found["Series"]]
    modalities = sorted((one["MainDicomTags"]["Modality"], len(one["Instances"])) for one in series)
    assert modalities == [("MG", 4), ("OT", 1), ("PR", 2), ("PR", 2), ("SR", 1)]


def test_sent_again_nothing_is_stored_twice(orthanc, stored) -> None:
    _, files = stored
    before = orthanc.json("statistics")["CountInstances"]
    send(orthanc, TRANSFER_SYNTAXES[0], *files[4:])
    assert orthanc.json("statistics")["CountInstances"] == before


def test_the_archive_shows_the_picture(orthanc, stored) -> None:
    _, files = stored
    picture: Dataset = pydicom.dcmread(files[-1])
    (found,) = [
        one
        for one in orthanc.json("instances?expand")
        if one["MainDicomTags"]["SOPInstanceUID"] == picture.SOPInstanceUID
    ]
    assert orthanc.get(f"instances/{found['ID']}/preview")[1:4] == b"PNG"


def test_a_stranger_is_refused(orthanc, tmp_path) -> None:
    images, _ = exam_and_results(tmp_path, 99, JPEG_LOSSLESS)
    command = [
        dcmtk("storescu"),
        "-xs",
        "-aet",
        "STRANGER",
        "-aec",
        "ORTHANC",
        "127.0.0.1",
        str(orthanc.dicom),
    ]
    assert subprocess.run([*command, images[0]], capture_output=True).returncode != 0
