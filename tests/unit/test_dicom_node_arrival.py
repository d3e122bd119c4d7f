"""Which objects a DICOM node takes, and the status of those that it refuses."""

import io
from pathlib import Path

import pydicom
import pytest
from made_files import Change, make_dicom, put
from pydicom.uid import JPEGLosslessSV1

from mammo_steps.core.dicom_headers import quiet_pydicom
from mammo_steps.core.dicom_node_arrival import Arrival, RefusedError, Told, arrival_of
from mammo_steps.core.dicom_writing import TRANSFER_SYNTAXES, Machine

MG, CT = "1.2.840.10008.5.1.4.1.1.1.2", "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = TRANSFER_SYNTAXES[0]


@pytest.fixture(autouse=True)
def quiet() -> None:
    quiet_pydicom()


def sent(path: Path) -> tuple[Told, io.BytesIO]:
    """What a sender would say of a file, and the dataset as it would send it."""
    with path.open("rb") as file:
        meta = pydicom.filereader.read_file_meta_info(path)
        file.seek(132)
        pydicom.filereader._read_file_meta_info(file)
        dataset = file.read()
    told = Told(
        MG,
        str(meta.MediaStorageSOPClassUID),
        str(meta.MediaStorageSOPInstanceUID),
        str(meta.TransferSyntaxUID),
    )
    return told, io.BytesIO(dataset)


def arrival(tmp_path: Path, change: Change | None = None, syntax: str = EXPLICIT) -> Arrival:
    machine = Machine("hologic", "linear", "SCT", "MONOCHROME2", syntax)
    return arrival_of(*sent(make_dicom(tmp_path / "a.dcm", machine=machine, change=change)))


@pytest.mark.parametrize("syntax", TRANSFER_SYNTAXES)
def test_a_mammogram_is_taken_as_it_came_in_every_encoding(tmp_path: Path, syntax: str) -> None:
    taken = arrival(tmp_path, syntax=syntax)
    assert (taken.uid, taken.study_uid, taken.patient, taken.view) == ("1.2.10.1", "1.2.10", "P1", "L-CC")
    kept = pydicom.dcmread(io.BytesIO(taken.content))
    assert kept == pydicom.dcmread(tmp_path / "a.dcm") and kept.file_meta.TransferSyntaxUID == syntax


@pytest.mark.parametrize("syntax", TRANSFER_SYNTAXES)
@pytest.mark.parametrize("missing", [1, 40, 5000])
def test_an_object_that_is_cut_off_is_not_understood(tmp_path: Path, syntax: str, missing: int) -> None:
    machine = Machine("hologic", "linear", "SCT", "MONOCHROME2", syntax)
    told, dataset = sent(make_dicom(tmp_path / "a.dcm", machine=machine))
    with pytest.raises(RefusedError, match="C000: its pixel data are cut off"):
        arrival_of(told, io.BytesIO(dataset.getvalue()[:-missing]))


@pytest.mark.parametrize("n_bytes", [1, 7, 100, 300])
def test_a_dataset_of_a_few_bytes_is_not_understood(tmp_path: Path, n_bytes: int) -> None:
    told, dataset = sent(make_dicom(tmp_path / "a.dcm"))
    with pytest.raises(RefusedError, match="C000"):
        arrival_of(told, io.BytesIO(dataset.getvalue()[:n_bytes]))


def test_bytes_that_are_no_dataset_are_not_understood(tmp_path: Path) -> None:
    told, _ = sent(make_dicom(tmp_path / "a.dcm"))
    with pytest.raises(RefusedError, match="C000"):
        arrival_of(told, io.BytesIO(bytes(range(256)) * 40))
    with pytest.raises(RefusedError, match="C000: it has no dataset"):
        arrival_of(told, None)


def test_pixels_in_an_encoding_that_was_not_agreed_on_are_not_understood(tmp_path: Path) -> None:
    told, dataset = sent(make_dicom(tmp_path / "a.dcm"))
    other = Told(told.context_class, told.sop_class, told.sop_instance, str(JPEGLosslessSV1))
    with pytest.raises(RefusedError, match="C000"):
        arrival_of(other, dataset)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put(StudyInstanceUID=None), "C000: its StudyInstanceUID is missing"),
        (put(StudyInstanceUID="not a uid"), "C000: its StudyInstanceUID is missing, or no UID"),
        (put(Rows=None), "C000: it is no image"),
        (put(PixelData=None), "C000: it is no image"),
        (put(PresentationIntentType="FOR PROCESSING"), "A900: it says that it is for processing"),
    ],
)
def test_what_is_no_mammogram_for_presentation_is_refused(
    tmp_path: Path, change: Change, message: str
) -> None:
    with pytest.raises(RefusedError, match=message):
        arrival(tmp_path, change)


def test_a_dataset_of_another_class_or_instance_than_its_sender_named_does_not_match(tmp_path: Path) -> None:
    told, dataset = sent(make_dicom(tmp_path / "a.dcm", change=put(SOPClassUID=CT)))
    told = Told(MG, MG, told.sop_instance, EXPLICIT)
    with pytest.raises(RefusedError, match="A900"):
        arrival_of(told, dataset)
    told, dataset = sent(make_dicom(tmp_path / "a.dcm"))
    with pytest.raises(RefusedError, match="A900"):
        arrival_of(Told(MG, MG, "1.2.3", EXPLICIT), dataset)


def test_a_class_that_was_not_agreed_on_is_not_supported(tmp_path: Path) -> None:
    told, dataset = sent(make_dicom(tmp_path / "a.dcm"))
    with pytest.raises(RefusedError, match="0122: its SOP class is not the one"):
        arrival_of(Told(MG, CT, told.sop_instance, EXPLICIT), dataset)


@pytest.mark.parametrize(
    "change", [put(ViewPosition="XCCL", ViewCodeSequence=None), put(ImageLaterality="B")]
)
def test_another_view_is_taken_and_makes_no_exam_complete(tmp_path: Path, change: Change) -> None:
    assert arrival(tmp_path, change).view == ""
