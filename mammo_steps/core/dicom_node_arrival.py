"""Whether an object that was sent to a DICOM node is one that it takes; what the queue has to know of it.

Refused, with the status of PS3.4 B.2.3: another SOP class than the association agreed on (0122), a dataset that is not
of the class or instance that the sender named (A900), what cannot be read as a whole mammogram (C000). Pixels are not
decoded here: an image whose pixels are broken is answered with that reason.
"""

import hashlib
import io
import struct
from dataclasses import dataclass

from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from mammo_steps.core.dicom_codes import MG_FOR_PRESENTATION
from mammo_steps.core.dicom_fields import HeaderFields, read_fields
from mammo_steps.core.dicom_view import laterality_of, view_of, word_of

NOT_SUPPORTED, MISMATCH, NOT_UNDERSTOOD, NO_RESOURCES = 0x0122, 0xA900, 0xC000, 0xA700
VIEWS = frozenset({"L-CC", "L-MLO", "R-CC", "R-MLO"})

_NATIVE = (str(ImplicitVRLittleEndian), str(ExplicitVRLittleEndian))
_PIXEL_TAG, _ITEM_TAG, _END_TAG = b"\xe0\x7f\x10\x00", b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_WITHOUT_END = 0xFFFFFFFF


class RefusedError(Exception):
    """status  of the response
    why     a sentence without anything of the object's
    """

    def __init__(self, status: int, why: str) -> None:
        super().__init__(f"{status:04X}: {why}")
        self.status, self.why = status, why


@dataclass(frozen=True)
class Told:
    """What the sender says of an object: context_class is the one agreed on, the others the command's."""

    context_class: str
    sop_class: str
    sop_instance: str
    transfer_syntax: str


@dataclass(frozen=True)
class Arrival:
    """An object that is taken. content: a DICOM file; sha256: of the dataset alone; view: "" = not known."""

    uid: str
    study_uid: str
    patient: str
    view: str
    sha256: str
    content: bytearray


def arrival_of(told: Told, dataset: io.BytesIO | None) -> Arrival:
    """RefusedError unless the dataset, as it came, is a mammogram for presentation."""
    if told.sop_class != told.context_class or told.sop_class != MG_FOR_PRESENTATION:
        raise RefusedError(NOT_SUPPORTED, "its SOP class is not the one that the association agreed on")
    if dataset is None or not dataset.getbuffer().nbytes:
        raise RefusedError(NOT_UNDERSTOOD, "it has no dataset")
    if not _is_uid(told.sop_instance):
        raise RefusedError(NOT_UNDERSTOOD, "its SOPInstanceUID is no UID")
    content = bytearray(_head(told))
    content += dataset.getbuffer()
    fields = _header(content, told.transfer_syntax).fields
    if (fields.get("SOPClassUID"), fields.get("SOPInstanceUID")) != (told.sop_class, told.sop_instance):
        raise RefusedError(MISMATCH, "its dataset has another SOP class or instance than its sender named")
    if "PROCESSING" in word_of(fields, "PresentationIntentType"):
        raise RefusedError(MISMATCH, "it says that it is for processing, its class is for presentation")
    if not _is_uid(fields.get("StudyInstanceUID", "")):
        raise RefusedError(NOT_UNDERSTOOD, "its StudyInstanceUID is missing, or no UID")
    return Arrival(
        uid=told.sop_instance,
        study_uid=fields["StudyInstanceUID"],
        patient=fields.get("PatientID", ""),
        view=_view(fields),
        sha256=hashlib.sha256(dataset.getbuffer()).hexdigest(),
        content=content,
    )


def _is_uid(text: str) -> bool:
    return 0 < len(text) <= 64 and UID(text).is_valid


def _head(told: Told) -> bytes:
    """What a file has in front of its dataset (PS3.10 7.1)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(told.sop_class)
    meta.MediaStorageSOPInstanceUID = UID(told.sop_instance)
    meta.TransferSyntaxUID = UID(told.transfer_syntax)
    file = DicomBytesIO()
    file.write(b"\0" * 128 + b"DICM")
    write_file_meta_info(file, meta, enforce_standard=True)
    return file.getvalue()


def _header(content: bytearray, transfer_syntax: str) -> HeaderFields:
    """Of a file that is whole to its last pixel."""
    file = io.BytesIO(content)
    try:
        header, _ = read_fields(file)
    except Exception as error:  # a malformed file makes pydicom raise almost anything
        raise RefusedError(NOT_UNDERSTOOD, f"its header cannot be read ({type(error).__name__})") from error
    rows, columns = header.fields.get("Rows", ""), header.fields.get("Columns", "")
    if not (header.has_pixels and rows.isdecimal() and columns.isdecimal() and int(rows) and int(columns)):
        raise RefusedError(NOT_UNDERSTOOD, "it is no image: Rows, Columns or PixelData are missing")
    if not _pixels_are_whole(memoryview(content)[file.tell() - 1 :], transfer_syntax):
        raise RefusedError(NOT_UNDERSTOOD, "its pixel data are cut off")
    return header


def _pixels_are_whole(rest: memoryview, transfer_syntax: str) -> bool:
    """Whether the element that `rest` begins with is PixelData, and ends where it says."""
    implicit = transfer_syntax == str(ImplicitVRLittleEndian)
    at = 8 if implicit else 12  # tag, (representation, two bytes of nothing,) length
    if bytes(rest[:4]) != _PIXEL_TAG or len(rest) < at:
        return False
    (n_bytes,) = struct.unpack("<L", rest[at - 4 : at])
    if transfer_syntax in _NATIVE:
        return bool(0 < n_bytes <= len(rest) - at)
    return n_bytes == _WITHOUT_END and _fragments_end(rest[at:])


def _fragments_end(rest: memoryview) -> bool:
    """Encapsulated pixel data: items one behind the other, the delimiter at last (PS3.5 A.4)."""
    at = 0
    while at + 8 <= len(rest):
        tag, (n_bytes,) = bytes(rest[at : at + 4]), struct.unpack("<L", rest[at + 4 : at + 8])
        if tag == _END_TAG:
            return True
        if tag != _ITEM_TAG:
            return False
        at += 8 + n_bytes
    return False


def _view(fields: dict[str, object]) -> str:
    """`L-CC`; "" where the header names no breast or another view."""
    side, view = laterality_of(fields), view_of(fields, None, accept_ml_as_mlo=True)
    known = side.word is not None and view.reason is None
    return f"{side.word}-{view.word}" if known else ""
