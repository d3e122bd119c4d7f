"""The elements of a DICOM header that we use, as texts by their keyword.

`Fields` holds an element as its text, several values joined by a backslash as in the file, and a sequence as a
list of `Fields`. Files in the two plain encodings (nearly all) are scanned here, elements that nobody asked for
are stepped over; whatever is unusual in a file, a fault or an old encoding, is left to pydicom, and gives the
same fields more slowly.
"""

import re
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

import pydicom
from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

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
_IN_ANY_CHARSET = ("PatientID", "AccessionNumber")  # ids that have to be equal to those of the label table

_READ_SIZES = (1 << 16, 1 << 20)  # bytes; few headers need the second one
_PREFIX_END = 132
_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}
_SHORT = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
# these have a length of 4 bytes, after 2 of nothing
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_TEXTS = {found.decode() for found in _SHORT} - {"AT", *_NUMBERS} | {"UC", "UR", "UT"}
_EXPLICIT, _IMPLICIT = struct.Struct("<HH2sH").unpack_from, struct.Struct("<HHL").unpack_from
_LENGTH = struct.Struct("<L").unpack_from
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_TRANSFER_SYNTAX, _STORAGE_CLASS = 0x00020010, 0x00020002


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


class _UnusualError(Exception):
    """Something that the scan leaves to pydicom."""


class _CutError(Exception):
    """The bytes end before the header does."""


def read_fields(file: BinaryIO) -> HeaderFields:
    """Of a file opened at its start. InvalidDicomError if it has no DICOM prefix, else pydicom's own errors."""
    for size in _READ_SIZES:
        file.seek(0)
        start = file.read(size)
        try:
            return _scanned(start)
        except (_CutError, struct.error):
            if len(start) < size:
                break
        except (_UnusualError, RecursionError, ValueError):
            break
    file.seek(0)
    ds = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(_KEYWORDS))
    meta = (str(ds.file_meta.get(f"{name}UID", "")) for name in ("TransferSyntax", "MediaStorageSOPClass"))
    syntax, storage_class = (_text(text.encode()) for text in meta)
    # pydicom stops in front of the pixel data; a deflated file is read to its end
    has_pixels = syntax == DeflatedExplicitVRLittleEndian or bool(file.read(1))
    fields, broken = fields_of(ds)
    return HeaderFields(_with_class(fields, storage_class), syntax, has_pixels, broken)


def _with_class(fields: Fields, storage_class: str) -> Fields:
    return (
        fields if fields.get("SOPClassUID") or not storage_class else fields | {"SOPClassUID": storage_class}
    )


def fields_of(ds: Dataset) -> tuple[Fields, tuple[str, ...]]:
    """The fields of a pydicom dataset, and the keywords of elements that could not be made sense of."""
    fields: Fields = {}
    broken: list[str] = []
    for tag, (keyword, usual) in _WANTED.items():
        if tag not in ds:
            continue
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


def _scanned(start: bytes) -> HeaderFields:
    """The fields of the first bytes of a file; anything but a plain header is a `_UnusualError`."""
    if start[128:_PREFIX_END] != b"DICM":
        raise _UnusualError
    syntax, storage_class, place = _meta(start)
    if not re.fullmatch(r"1\.2\.840\.10008\.[0-9.]+", syntax):
        raise _UnusualError  # none, or a maker's own
    if syntax in (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian):
        raise _UnusualError
    scan = _Scan(start, syntax != ImplicitVRLittleEndian)
    fields, place = scan.dataset(place, len(start), keep=True)
    if not scan.at_pixels:
        raise _CutError  # or an object without pixels
    return HeaderFields(_with_class(fields, storage_class), syntax, has_pixels=True)


def _meta(start: bytes) -> tuple[str, str, int]:
    """Transfer syntax and SOP class of the group 0002, and where the group ends."""
    place, found_uids = _PREFIX_END, {_TRANSFER_SYNTAX: "", _STORAGE_CLASS: ""}
    while start[place : place + 2] == b"\2\0":
        group, element, found, length = _EXPLICIT(start, place)
        if found in _LONG:
            length, value = _LENGTH(start, place + 8)[0], place + 12
        elif found in _SHORT:
            value = place + 8
        else:
            raise _UnusualError
        if group << 16 | element in found_uids:
            found_uids[group << 16 | element] = _text(start[value : value + length])
        place = value + length
    return found_uids[_TRANSFER_SYNTAX], found_uids[_STORAGE_CLASS], place


class _Scan:
    """One pass over the datasets in a file's first bytes."""

    def __init__(self, start: bytes, explicit: bool) -> None:
        self._start = start
        self._explicit = explicit
        self.at_pixels = False

    def dataset(self, place: int, stop: int, keep: bool, nested: bool = False) -> tuple[Fields, int]:
        """The elements from `place` to `stop`, or to an end mark or the pixels; and the place behind them."""
        start, explicit, wanted = self._start, self._explicit, _WANTED
        fields: Fields = {}
        while place < stop:
            if explicit:
                group, element, found, length = _EXPLICIT(start, place)
                if found in _SHORT:
                    value = place + 8
                elif found in _LONG:
                    length, value = _LENGTH(start, place + 8)[0], place + 12
                elif nested and group << 16 | element == _ITEM_END:
                    return fields, place + 8
                else:
                    raise _UnusualError
            else:
                group, element, length = _IMPLICIT(start, place)
                found, value = b"", place + 8
                if nested and group << 16 | element == _ITEM_END:
                    return fields, value
            tag = group << 16 | element
            if not nested and tag in _PIXELS:
                self.at_pixels = True
                return fields, place
            asked = wanted.get(tag) if keep else None
            place = value + length
            if length == _UNDEFINED:
                if not self._is_sequence(found, value):
                    raise _UnusualError
                items, place = self._items(value, None, keep=asked is not None)
                if asked is not None:
                    fields[asked[0]] = _only_sequence(items, asked[1])
            elif place > stop:
                raise _CutError
            elif asked is not None:
                keyword, usual = asked
                if usual == "SQ":
                    if found not in (b"SQ", b""):
                        raise _UnusualError
                    fields[keyword] = self._items(value, place, keep=True)[0]
                else:
                    shown = usual if found in (b"", b"UN") else found.decode()
                    fields[keyword] = _value(start[value:place], shown, keyword, fields)
        return fields, place

    def _is_sequence(self, found: bytes, value: int) -> bool:
        if found:
            return found == b"SQ"
        group, element, _ = _IMPLICIT(self._start, value)
        return group << 16 | element in (_ITEM, _SEQUENCE_END)

    def _items(self, place: int, stop: int | None, keep: bool) -> tuple[list[Fields], int]:
        """The items up to `stop`, or to the end mark where the length is not defined."""
        items: list[Fields] = []
        while stop is None or place < stop:
            group, element, length = _IMPLICIT(self._start, place)
            tag, place = group << 16 | element, place + 8
            if tag == _SEQUENCE_END and stop is None:
                return items, place
            if tag != _ITEM:
                raise _UnusualError
            end = len(self._start) if length == _UNDEFINED else place + length
            if end > len(self._start):
                raise _CutError
            fields, place = self.dataset(place, end, keep, nested=True)
            items.append(fields)
        return items, place


def _only_sequence(items: list[Fields], usual: str) -> list[Fields]:
    if usual != "SQ":
        raise _UnusualError
    return items
