"""Pixels out of a DICOM file: pydicom in front, imagecodecs behind it as a decoding plug-in.

The plug-in is always named, so that no other installed decoder is picked; every syntax has one decoder, JPEG
lossless a second one for the streams that libjpeg-turbo refuses.
"""

import functools
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels.decoders.base import DecodeRunner, get_decoder

from mammo_steps.core.exclusions import ExclusionError
from mammo_steps.core.stream_size import stream_size
from mammo_steps.core.terms import Reason

Stored = np.ndarray[tuple[int, int], np.dtype[Any]]  # (H, W) uint8, uint16, int8 or int16, as in the file

PLUGIN = "imagecodecs"
MAX_PIXELS = 100_000_000  # a mammogram has up to 30 million

_JPEG_LOSSLESS = (uid.JPEGLossless, uid.JPEGLosslessSV1)
_JPEG_LS = (uid.JPEGLSLossless, uid.JPEGLSNearLossless)
_JPEG_2000 = (uid.JPEG2000Lossless, uid.JPEG2000)
_HTJ2K = (uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K)
_ENCODED = (*_JPEG_LOSSLESS, *_JPEG_LS, *_JPEG_2000, *_HTJ2K, uid.RLELossless)
_NATIVE = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
)

# What pydicom wants of a plug-in module: these two names and the frame decoder below.
DECODER_DEPENDENCIES = dict.fromkeys(_ENCODED, ("imagecodecs",))


def is_available(syntax: str) -> bool:
    return syntax in _ENCODED


def decode_frame(source: bytes, runner: DecodeRunner) -> memoryview:
    """One encoded frame -> its pixels, row-major; tells the runner which container the stream needs."""
    pixels = np.ascontiguousarray(_decoded(source, runner))
    if pixels.shape != (runner.rows, runner.columns):
        raise ValueError(f"the frame has shape {pixels.shape}, wanted {(runner.rows, runner.columns)}")
    runner.set_option("bits_allocated", pixels.dtype.itemsize * 8)
    runner.set_option("pixel_representation", int(pixels.dtype.kind == "i"))
    return pixels.data.cast("B")


def _decoded(source: bytes, runner: DecodeRunner) -> np.ndarray[Any, Any]:
    syntax, shape = runner.transfer_syntax, (runner.rows, runner.columns)
    if syntax == uid.RLELossless:
        kind = np.dtype(f"<u{runner.bits_allocated // 8}")
        return np.frombuffer(imagecodecs.dicomrle_decode(source, kind), dtype=kind).reshape(shape)
    found = stream_size(source)
    if found != shape:
        raise ValueError(f"the encoded frame is {found}, the header says {shape}")
    if syntax in _JPEG_LS:
        return np.asarray(imagecodecs.jpegls_decode(source))
    if syntax in _JPEG_2000:
        return np.asarray(imagecodecs.jpeg2k_decode(source))
    if syntax in _HTJ2K:
        return np.asarray(imagecodecs.htj2k_decode(source))
    if 8 * len(source) < shape[0] * shape[1]:  # libjpeg would make up the rest; no code is shorter than a bit
        raise ValueError("the encoded frame has fewer bits than pixels")
    try:
        return np.asarray(imagecodecs.jpeg8_decode(source))
    except imagecodecs.Jpeg8Error:
        return np.asarray(imagecodecs.jpegsof3_decode(source))


@functools.cache
def _register() -> None:
    for syntax in _ENCODED:
        decoder = get_decoder(syntax)
        if PLUGIN not in decoder.available_plugins:
            decoder.add_plugin(PLUGIN, (__name__, "decode_frame"))


def read_pixels(path: Path) -> tuple[Stored, Dataset]:
    """The stored matrix (H, W), before any LUT, and the header without it.

    ExclusionError: FILE_GONE if there is no such file, UNDECODABLE for everything that is not one whole grey
    image of at most MAX_PIXELS. Other errors of the file system are raised as they are.
    """
    try:
        ds = pydicom.dcmread(path)
        _refuse(ds)
        syntax = ds.file_meta.TransferSyntaxUID
        if syntax in _ENCODED:
            stored = _decode(ds)
        else:
            stored, _ = get_decoder(syntax).as_array(ds, index=0, raw=True)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise ExclusionError(Reason.FILE_GONE, type(error).__name__) from None
    except OSError as error:
        if error.errno is None:  # pydicom's, of a damaged file
            raise ExclusionError(Reason.UNDECODABLE, type(error).__name__) from None
        # not the file but the storage; the path may name a woman
        raise OSError(error.errno, f"reading an image file failed: {error.strerror}") from None
    except (ExclusionError, MemoryError):
        raise
    except InvalidDicomError:
        raise ExclusionError(Reason.UNDECODABLE, "no DICOM prefix") from None
    except Exception as error:  # a damaged file makes decoders raise almost anything
        detail = "the encoded pixels are damaged" if isinstance(error, RuntimeError) else type(error).__name__
        raise ExclusionError(Reason.UNDECODABLE, detail) from None
    del ds.PixelData
    return np.asarray(stored, dtype=stored.dtype.newbyteorder("=")), ds


def _decode(ds: Dataset) -> Stored:
    """The encoded frame by our plug-in. `as_buffer` spares the passes over the image of `as_array`."""
    _register()
    decoder = get_decoder(ds.file_meta.TransferSyntaxUID)
    buffer, found = decoder.as_buffer(ds, index=0, decoding_plugin=PLUGIN)
    kind = f"{'i' if found['pixel_representation'] else 'u'}{int(found['bits_allocated']) // 8}"
    pixels = np.frombuffer(buffer, dtype=kind).reshape(int(ds.Rows), int(ds.Columns))
    return conform(pixels, int(ds.BitsStored), bool(ds.PixelRepresentation))


def conform(pixels: Stored, bits_stored: int, signed: bool) -> Stored:
    """Decoded pixels with the header's sign; bits above the stored ones mean nothing (PS3.5 8.1.1).

    JPEG and JPEG-LS streams know no sign, and JPEG 2000 streams may state the wrong one.
    """
    container = 8 * pixels.dtype.itemsize
    unsigned = pixels.view(f"u{pixels.dtype.itemsize}")
    spare = container - bits_stored
    if signed:
        if pixels.dtype.kind == "i" or spare < 0:
            return pixels
        return np.asarray(np.left_shift(unsigned, spare).view(f"i{pixels.dtype.itemsize}") >> spare)
    if spare > 0 and int(unsigned.max()) >> bits_stored:
        return np.asarray(unsigned & np.array((1 << bits_stored) - 1, dtype=unsigned.dtype))
    return unsigned


def _refuse(ds: Dataset) -> None:
    """Raise before anything is decoded if the header does not describe one grey image of a sane size."""
    syntax = ds.file_meta.get("TransferSyntaxUID")
    if syntax not in _ENCODED + _NATIVE:
        found = uid.UID(str(syntax))
        name = found.name if found.type == "Transfer Syntax" else "unknown"  # never the header's own text
        raise ExclusionError(Reason.UNDECODABLE, f"transfer syntax {name}")
    if "PixelData" not in ds or not ds.PixelData:
        raise ExclusionError(Reason.UNDECODABLE, "no pixel data")
    rows, columns = int(ds.Rows), int(ds.Columns)
    bits, bits_stored = int(ds.BitsAllocated), int(ds.BitsStored)  # a damaged header may hold text in them
    if not 0 < rows * columns <= MAX_PIXELS:
        raise ExclusionError(Reason.UNDECODABLE, f"{rows} x {columns} pixels, at most {MAX_PIXELS} wanted")
    if int(ds.get("SamplesPerPixel", 1)) != 1 or int(ds.get("NumberOfFrames") or 1) != 1:
        raise ExclusionError(Reason.UNDECODABLE, "more than one channel or frame")
    if bits not in (8, 16) or not 0 < bits_stored <= bits:
        raise ExclusionError(Reason.UNDECODABLE, f"{bits_stored} bits stored in {bits}")
    if syntax in _NATIVE and len(ds.PixelData) < rows * columns * bits // 8:
        raise ExclusionError(Reason.UNDECODABLE, "the pixel data are shorter than the image")
