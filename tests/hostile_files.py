"""Files made to break a reader of DICOM: small mammograms in each syntax, and seeded mutations of any file."""

import io
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
from made_files import half_disc, make_dicom
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from mammo_steps.core.dicom_writing import TRANSFER_SYNTAXES, Machine

CANARY = "ZQXCANARY"  # in the text elements of every base
_SHAPE = (64, 56)
_ITEM, _ITEM_END, _SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0"
_VR = re.findall(b"..", b"AEASCSDADSISLOOBOWPNSHSQTMUIULUSUTUN")
_LENGTHS = (0, 1, 3, 0x7FFF, 0xFFFE, 0xFFFF)
_LONG_LENGTHS = (0, 1, 7, 0x10000, 0x7FFFFFFF, 0xFFFFFFF0, 0xFFFFFFFE, 0xFFFFFFFF)
_ABSURD: dict[str, tuple[Any, ...]] = {
    "Rows": (0, 1, 57, 9999, 65535),
    "Columns": (0, 1, 65, 9999, 65535),
    "BitsAllocated": (0, 1, 8, 12, 32, 64, 65535),
    "BitsStored": (0, 1, 7, 9, 17, 65535),
    "HighBit": (0, 3, 15, 65535),
    "PixelRepresentation": (1, 2, 65535),
    "SamplesPerPixel": (0, 2, 3, 4, 65535),
    "NumberOfFrames": (0, -1, 2, 10**9, 10**12 - 1),
    "RescaleSlope": ("0", "-1", "1e308", "1e-308"),
    "RescaleIntercept": ("1e308", "-1e308", "0.5", "-32768"),
    "WindowWidth": ("0", "-5", "1e308", "1e-308", "0.5"),
    "WindowCenter": ("1e308", "-1e308", "65536"),
    "PixelPaddingValue": (0, 1500, 65535),
    "ImagerPixelSpacing": (["0", "0"], ["1e308", "1e-308"], ["-1", "-1"]),
    "PhotometricInterpretation": ("", "RGB", "MONOCHROME1", "PALETTE COLOR"),
    "PatientAge": ("999Y", "-01Y", "Y", CANARY[:4]),
    "StudyDate": ("99999999", "00010101", "2015-3-4", "x"),
}
_TEXT_FOR = (
    "Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation", "SamplesPerPixel", "NumberOfFrames",
    "Modality", "RescaleSlope", "WindowCenter", "PixelPaddingValue", "PhotometricInterpretation", "ViewPosition",
    "PatientOrientation", "PresentationLUTShape", "PixelIntensityRelationship", "SOPClassUID", "VOILUTFunction",
    "EstimatedRadiographicMagnificationFactor",
)  # fmt: skip


def bases(folder: Path) -> dict[str, bytes]:
    """One small mammogram in each syntax that is read, with canary text in its header."""
    found = {}
    for number, syntax in enumerate(TRANSFER_SYNTAXES):
        machine = Machine(
            ("hologic", "siemens")[number % 2], ("sigmoid", "lut")[number % 2], ("SCT", "SRT")[number % 2],
            ("MONOCHROME2", "MONOCHROME1")[number % 3 == 2], syntax,
        )  # fmt: skip
        path = make_dicom(folder / f"{number}.dcm", half_disc(_SHAPE), machine=machine, change=_mark)
        found[syntax] = path.read_bytes()
    plain = found[uid.ExplicitVRLittleEndian]
    grey = half_disc(_SHAPE)
    found[uid.DeflatedExplicitVRLittleEndian] = rewritten(plain, uid.DeflatedExplicitVRLittleEndian)
    found[uid.ExplicitVRBigEndian] = rewritten(plain, uid.ExplicitVRBigEndian, _swap_pixels)
    found[uid.JPEGLSNearLossless] = encoded(
        plain, uid.JPEGLSNearLossless, imagecodecs.jpegls_encode(grey, level=2)
    )
    found[uid.JPEG2000] = encoded(
        plain, uid.JPEG2000, imagecodecs.jpeg2k_encode(grey, level=60, codecformat="j2k")
    )
    found[uid.HTJ2KLossless] = encoded(plain, uid.HTJ2KLossless, imagecodecs.htj2k_encode(grey))
    return found


def _mark(ds: Dataset) -> None:
    ds.PatientName, ds.PatientComments = f"{CANARY}^NAME", f"{CANARY} comment"
    ds.InstitutionName, ds.SeriesDescription = f"{CANARY} clinic", f"{CANARY} series"


def _swap_pixels(ds: Dataset) -> None:
    ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()


def rewritten(content: bytes, syntax: str, change: Callable[[Dataset], object] | None = None) -> bytes:
    ds = pydicom.dcmread(io.BytesIO(content))
    ds.file_meta.TransferSyntaxUID = uid.UID(syntax)
    if change is not None:
        change(ds)
    for _ in ds.iterall():  # every element is decoded, so that it is written anew
        pass
    out = io.BytesIO()
    pydicom.dcmwrite(
        out,
        ds,
        implicit_vr=syntax == uid.ImplicitVRLittleEndian,
        little_endian=syntax != uid.ExplicitVRBigEndian,
        force_encoding=True,
    )
    return out.getvalue()


def encoded(content: bytes, syntax: str, *streams: bytes) -> bytes:
    def change(ds: Dataset) -> None:
        ds.add_new("PixelData", "OB", encapsulate([bytes(stream) for stream in streams]))
        ds["PixelData"].is_undefined_length = True

    return rewritten(content, syntax, change)


class Mutator:
    """Changes a file's bytes at random; one seed, one sequence of files."""

    def __init__(self, originals: Sequence[bytes], seed: int) -> None:
        self._originals = originals
        self._rng = np.random.default_rng(seed)
        self._ways = (
            self._flip_anywhere, self._flip_header, self._flip_stream_header, self._flip_stream, self._cut,
            self._absurd_number, self._text_for_number, self._element_length, self._item_length, self._delimiter,
            self._splice, self._delete, self._insert, self._other_syntax,
        )  # fmt: skip

    def files(self, n: int) -> Iterator[tuple[str, bytes]]:
        """n times (name of the way, content); the ways and the originals take turns."""
        for number in range(n):
            way = self._ways[number % len(self._ways)]
            original = self._originals[(number // len(self._ways)) % len(self._originals)]
            yield way.__name__.strip("_"), way(original)

    def _any(self, choices: Sequence[Any]) -> Any:
        return choices[int(self._rng.integers(len(choices)))]

    def _flip(self, content: bytes, start: int, end: int) -> bytes:
        changed = bytearray(content)
        for place in self._rng.integers(start, max(start + 1, end), self._any((1, 1, 2, 4, 16))):
            changed[min(place, len(changed) - 1)] ^= int(self._rng.integers(1, 256))
        return bytes(changed)

    def _flip_anywhere(self, content: bytes) -> bytes:
        return self._flip(content, 0, len(content))

    def _flip_header(self, content: bytes) -> bytes:
        return self._flip(content, 128, pixels_at(content))

    def _flip_stream_header(self, content: bytes) -> bytes:
        start = pixels_at(content)
        return self._flip(content, start, start + 120)

    def _flip_stream(self, content: bytes) -> bytes:
        return self._flip(content, min(pixels_at(content) + 120, len(content) - 1), len(content))

    def _cut(self, content: bytes) -> bytes:
        start = pixels_at(content)
        any_place = int(self._rng.integers(len(content)))
        near_pixels = start + int(self._rng.integers(-40, 40))
        near_end = len(content) - int(self._rng.integers(1, 20))
        in_meta = int(self._rng.integers(0, 400))
        return content[: self._any((any_place, near_pixels, near_end, in_meta))]

    def _absurd_number(self, content: bytes) -> bytes:
        name = self._any(list(_ABSURD))
        return self._edited(content, lambda ds: setattr(ds, name, self._any(_ABSURD[name])))

    def _text_for_number(self, content: bytes) -> bytes:
        """An element of another kind than it should be, with text in it."""
        name, vr = self._any(_TEXT_FOR), self._any(("LO", "LT", "UT", "PN"))
        return self._edited(content, lambda ds: ds.add_new(name, vr, f"{CANARY} {name}"))

    def _edited(self, content: bytes, change: Callable[[Dataset], object]) -> bytes:
        try:
            return rewritten(
                content, pydicom.dcmread(io.BytesIO(content)).file_meta.TransferSyntaxUID, change
            )
        except (AttributeError, ValueError, TypeError, KeyError):  # pydicom refuses to write it
            return self._flip_header(content)

    def _element_length(self, content: bytes) -> bytes:
        found = _all_of(content, self._any(_VR))
        if not found:
            return self._flip_header(content)
        place, changed = self._any(found), bytearray(content)
        if content[place : place + 2] in (b"OB", b"OW", b"SQ", b"UN", b"UT"):
            changed[place + 4 : place + 8] = struct.pack("<I", self._any(_LONG_LENGTHS))
        else:
            changed[place + 2 : place + 4] = struct.pack("<H", self._any(_LENGTHS))
        return bytes(changed)

    def _item_length(self, content: bytes) -> bytes:
        found = _all_of(content, _ITEM)
        if not found:
            return self._element_length(content)
        place, changed = self._any(found), bytearray(content)
        changed[place + 4 : place + 8] = struct.pack("<I", self._any(_LONG_LENGTHS))
        return bytes(changed)

    def _delimiter(self, content: bytes) -> bytes:
        found = _all_of(content, self._any((_ITEM, _ITEM_END, _SEQUENCE_END)))
        if not found:
            return self._delete(content)
        place = self._any(found)
        return content[:place] + self._any((b"", _ITEM, _ITEM_END, _SEQUENCE_END)) + content[place + 4 :]

    def _splice(self, content: bytes) -> bytes:
        """The header of one file and the pixels of another."""
        other = self._any(self._originals)
        return content[: pixels_at(content)] + other[pixels_at(other) :]

    def _delete(self, content: bytes) -> bytes:
        place = int(self._rng.integers(len(content)))
        return content[:place] + content[place + self._any((1, 2, 7, 100)) :]

    def _insert(self, content: bytes) -> bytes:
        place = int(self._rng.integers(len(content)))
        return content[:place] + self._rng.bytes(self._any((1, 2, 8, 500))) + content[place:]

    def _other_syntax(self, content: bytes) -> bytes:
        """The meta header says another transfer syntax of the same length, or canary text."""
        changed = content.replace(
            b"1.2.840.10008.1.2.4.", self._any((b"1.2.840.10008.1.2.9.", CANARY.encode().ljust(20))), 1
        )
        return (
            changed if changed != content else content.replace(b"1.2.840.10008.1.2", b"1.2.840.10008.1.3", 2)
        )


def _all_of(content: bytes, word: bytes) -> list[int]:
    found, place = [], content.find(word, 132)
    while place >= 0:
        found.append(place)
        place = content.find(word, place + 1)
    return found


def pixels_at(content: bytes) -> int:
    """Where the Pixel Data element begins; the middle of a file that hides it."""
    place = max(content.rfind(b"\xe0\x7f\x10\x00"), content.rfind(b"\x7f\xe0\x00\x10"))
    return place if place > 132 else len(content) // 2
