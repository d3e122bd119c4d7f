"""The elements of a DICOM header that we use, as texts by their keyword.

`Fields` holds an element as its text, several values joined by a backslash as in the file, and a sequence as a
list of `Fields`. pydicom reads the file; its raw elements are turned into text here, since its own conversions
take most of the time and refuse what a header of today may hold.
"""

import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

import pydicom
from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian

Fields = dict[str, Any]  # keyword -> str or list[Fields]

_KEYWORDS = [
    "SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "Modality", "ImageType", "PresentationIntentType",
    "NumberOfFrames", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsStored",
    "PatientID", "StudyInstanceUID", "AccessionNumber", "StudyDate", "AcquisitionDate", "ContentDate",
    "AcquisitionDateTime", "AcquisitionTime", "ContentTime", "PatientAge", "PatientBirthDate",
    "Manufacturer", "ManufacturerModelName", "ImageLaterality", "Laterality",
    "SharedFunctionalGroupsSequence", "FrameAnatomySequence", "FrameLaterality",
    "ViewCodeSequence", "ViewModifierCodeSequence", "CodeValue", "CodingSchemeDesignator", "CodeMeaning",
    "ViewPosition", "PaddleDescription", "PartialView", "PartialViewCodeSequence", "PartialViewDescription",
    "EstimatedRadiographicMagnificationFactor", "ImagerPixelSpacing", "PixelSpacing", "BreastImplantPresent",
    "BurnedInAnnotation", "SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription",
    "WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence",
]  # fmt: skip
_WANTED: dict[int, tuple[str, str]] = {}  # tag -> keyword, value representation
for _keyword in _KEYWORDS:
    _tag = tag_for_keyword(_keyword)
    assert _tag is not None, _keyword
    _WANTED[_tag] = _keyword, dictionary_VR(_tag)
_TAGS = [Tag(_tag) for _tag in _WANTED]  # pydicom would make them anew for every file
_IN_ANY_CHARSET = ("PatientID", "AccessionNumber")  # ids that have to be equal to those of the label table

_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}
_TEXTS = frozenset(
    ["AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"]
)


@dataclass(frozen=True)
class HeaderFields:
    """fields; transfer syntax UID ("" = none); whether anything follows the header; elements without sense.

    Public data sets leave SOPClassUID out: then it is that of the file's own description, where PS3.10 wants
    the same.
    """

    fields: Fields
    transfer_syntax: str
    has_pixels: bool
    broken: tuple[str, ...] = ()


def read_fields(file: BinaryIO) -> tuple[HeaderFields, Dataset]:
    """Of a file opened at its start, with the dataset as pydicom reads it.

    Raises InvalidDicomError if it has no DICOM prefix, else pydicom's own errors.
    """
    ds = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_TAGS)
    meta = (str(ds.file_meta.get(f"{name}UID", "")) for name in ("TransferSyntax", "MediaStorageSOPClass"))
    syntax, storage_class = (_text(text.encode()) for text in meta)
    # pydicom stops in front of the pixel data; a deflated file is read to its end
    has_pixels = syntax == DeflatedExplicitVRLittleEndian or bool(file.read(1))
    fields, broken = fields_of(ds)
    return HeaderFields(_with_class(fields, storage_class), syntax, has_pixels, broken), ds


def _with_class(fields: Fields, storage_class: str) -> Fields:
    return (
        fields if fields.get("SOPClassUID") or not storage_class else fields | {"SOPClassUID": storage_class}
    )


def fields_of(ds: Dataset) -> tuple[Fields, tuple[str, ...]]:
    """The fields of a pydicom dataset, and the keywords of elements that could not be made sense of."""
    fields: Fields = {}
    broken: list[str] = []
    for tag in sorted(ds.keys() & _WANTED.keys()):  # the character set comes first
        keyword, usual = _WANTED[tag]
        try:
            if usual == "SQ":
                items = [fields_of(item) for item in ds[tag].value]
                fields[keyword] = [item for item, _ in items]
                broken += [name for _, names in items for name in names]
            else:
                fields[keyword] = _text_of_element(ds.get_item(tag), usual, keyword, fields)
        except Exception:  # a malformed element makes pydicom raise almost anything
            broken.append(keyword)
    return fields, tuple(broken)


def _text_of_element(element: Any, usual: str, keyword: str, fields: Fields) -> str:
    if isinstance(element, RawDataElement):
        found = usual if element.VR in (None, "UN") else str(element.VR)
        order = "<" if element.is_little_endian else ">"
        return _value(element.value or b"", found, keyword, fields, order)
    if element.VR not in _TEXTS and element.VR not in _NUMBERS:
        raise ValueError(f"{keyword} is {element.VR}")
    several = element.value if element.VM > 1 else [element.value]
    return "\\".join("" if value is None else str(value).strip("\0 \t\r\n") for value in several)


def _value(raw: bytes, found: str, keyword: str, fields: Fields, order: str = "<") -> str:
    """An element's text; ValueError or struct.error if its representation has none."""
    if found in _TEXTS:
        charset = fields.get("SpecificCharacterSet", "") if keyword in _IN_ANY_CHARSET else ""
        return _text(raw, charset)
    if found not in _NUMBERS:
        raise ValueError(f"{keyword} is {found}")
    return "\\".join(str(number) for (number,) in struct.iter_unpack(order + _NUMBERS[found], raw))


def _text(raw: bytes, charset: str = "") -> str:
    """Bytes as text without the padding at its ends; outside ASCII by the character set, else as Latin-1."""
    if charset and (b"\x1b" in raw or not raw.isascii()):
        encodings = convert_encodings([name.strip() for name in charset.split("\\")])
        text = decode_bytes(raw, encodings, set())
    else:
        text = raw.decode("latin-1")
    return text.strip("\0 \t\r\n")
