"""The node as it is run: a bundle's networks, exams by dcmtk's storescu, the objects that come out at storescp."""

import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pydicom
import pytest
from made_files import edit, put
from node_programs import Node, Receiver, dcmtk, storescu, wait_for
from pydicom.uid import (
    ComprehensiveSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)
from tiny_study import TinyStudy


class ScoringNode(Node):
    """The command itself."""

    bundle: Path

    @property
    def command(self) -> list[str]:
        options = {"--bundle": self.bundle, "--queue": self.queue, "--config": self.config}
        given = [text for name, value in options.items() for text in (name, str(value))]
        return [sys.executable, "-m", "mammo_steps.by_hand.serve_dicom", *given]


def encoding(file: Path) -> list[str]:
    """What dcmtk's storescu has to be told to send a file as it is."""
    flags = {JPEGLosslessSV1: "-xs", JPEG2000Lossless: "-xv", JPEGLSLossless: "-xt", RLELossless: "-xr"}
    own = pydicom.dcmread(file, stop_before_pixels=True).file_meta.TransferSyntaxUID
    return [flags[own]] if own in flags else []


@pytest.fixture
def exams(tiny_study: TinyStudy, tmp_path: Path) -> list[list[Path]]:
    """Three exams of four images; of the second one two images, the third one says that it is no mammogram."""
    by_exam = defaultdict(list)
    for file in sorted((tiny_study.root / "demo/archive").rglob("*.dcm")):
        header = pydicom.dcmread(file, stop_before_pixels=True)
        by_exam[header.StudyInstanceUID].append(file)
    chosen = [files for files in by_exam.values() if len(files) == 4][:3]
    copies = []
    for number, files in enumerate(chosen):
        copies.append([tmp_path / f"out/{number}_{which}.dcm" for which in range(4)])
        copies[-1][0].parent.mkdir(exist_ok=True)
        for file, copied in zip(files, copies[-1], strict=True):
            shutil.copy(file, copied)
    copies[1] = copies[1][:2]
    for file in copies[2]:
        edit(file, put(Modality="CR"))
    return copies


@pytest.mark.long
def test_exams_come_back_as_reports_marks_and_pictures_even_after_a_kill(
    tiny_bundle: Path, exams: list[list[Path]], receiver: Receiver, tmp_path: Path
) -> None:
    receiver.start()
    ours = ScoringNode(
        tmp_path, receiver.port, scoring={"device": "cpu"}, wait={"complete_s": 0, "incomplete_s": 2}
    )
    ours.bundle = tiny_bundle
    ours.start()
    try:
        for files in exams:
            for file in files:
                told = storescu(ours.port, *encoding(file), file)
                assert told.returncode == 0, told.stderr
        ours.kill()
        ours.start()
        wait_for(lambda: "3 exams answered and sent" in ours.status(), "answers")
    finally:
        ours.stop()
    received = receiver.received()
    assert all(len(checksums) == 1 for checksums in received.values())
    objects = [pydicom.dcmread(file) for file in receiver.folder.iterdir()]
    kinds = Counter((item.StudyInstanceUID, item.SOPClassUID) for item in objects)
    whole, half, none = (pydicom.dcmread(files[0]).StudyInstanceUID for files in exams)
    marks, report = GrayscaleSoftcopyPresentationStateStorage, ComprehensiveSRStorage
    assert (kinds[whole, report], kinds[whole, marks], kinds[whole, SecondaryCaptureImageStorage]) == (
        1,
        4,
        1,
    )
    assert (kinds[half, report], kinds[half, marks], kinds[half, SecondaryCaptureImageStorage]) == (1, 2, 1)
    assert kinds[none, report] == 1 and kinds.total() == 6 + 4 + 1
    for item in objects:
        assert "research" in str(item).lower()
    for file in receiver.folder.glob("SR*"):
        assert subprocess.run([str(dcmtk("dsrdump")), str(file)], capture_output=True).returncode == 0
    assert "SYNTHETIC" not in ours.log.read_text()
