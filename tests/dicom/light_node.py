"""A node whose answers cost nothing: one text report an exam, of the same bytes whenever it is made.

python tests/dicom/light_node.py QUEUE CONFIG [make_light_answer | make_stubborn_answer | ...]
"""

import errno
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import BasicTextSRStorage, ExplicitVRLittleEndian, generate_uid

from mammo_steps.by_hand.serve_dicom import serve
from mammo_steps.core.dicom_node_worker import Answer
from mammo_steps.core.steps import start_logging
from mammo_steps.core.study import StudyError


def light_answer(files: Sequence[Path]) -> list[Dataset]:
    """A report that refers to the exam's images; its UID follows from theirs."""
    images = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
    uids = sorted(image.SOPInstanceUID for image in images)
    report = Dataset()
    report.file_meta = FileMetaDataset()
    report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    report.file_meta.MediaStorageSOPClassUID = report.SOPClassUID = BasicTextSRStorage
    report.SOPInstanceUID = generate_uid(entropy_srcs=["report", *uids])
    report.file_meta.MediaStorageSOPInstanceUID = report.SOPInstanceUID
    report.SeriesInstanceUID = generate_uid(entropy_srcs=["series", *uids])
    report.StudyInstanceUID = images[0].StudyInstanceUID
    report.PatientID, report.PatientName = images[0].PatientID, images[0].PatientName
    report.Modality = "SR"
    report.ImageComments = f"{len(images)} images; for research use"
    return [report]


def make_light_answer() -> Answer:
    return light_answer


def make_stubborn_answer() -> Answer:
    """Fails, dies, hangs or finds the disk full (a file `full` in the queue) where the woman's id says so."""

    def answer(files: Sequence[Path]) -> list[Dataset]:
        wish = pydicom.dcmread(files[0], stop_before_pixels=True).PatientID
        if wish == "RAISE":
            raise ValueError(f"{wish} has a name that must not be logged")
        if wish == "DIE":
            os.kill(os.getpid(), 9)
        if wish == "FULL" and (files[0].parents[2] / "full").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        if wish == "HANG":
            time.sleep(600)
        return light_answer(files)

    return answer


def make_no_answer() -> Answer:
    raise ValueError("the bundle was tampered with")


if __name__ == "__main__":
    start_logging()
    makers = {maker.__name__: maker for maker in (make_light_answer, make_stubborn_answer, make_no_answer)}
    chosen = makers[sys.argv[3] if len(sys.argv) > 3 else "make_light_answer"]
    try:
        sys.exit(serve(Path(sys.argv[2]), Path(sys.argv[1]), chosen))
    except (ValueError, StudyError) as error:
        sys.exit(str(error))
