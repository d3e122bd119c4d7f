"""Pixels out of a DICOM file: pydicom in front, imagecodecs behind it as a decoding plug-in.

The plug-in is always named, so that no other installed decoder is picked. What is in DECODERS decodes, in this
order; RLE that imagecodecs refuses goes to pydicom's own decoder.
"""

import errno
import math
import threading
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels.decoders.base import Decoder, DecodeRunner, get_decoder

from mammo_steps.core.exclusions import ExclusionError
from mammo_steps.core.files import NO_FILE
from mammo_steps.core.stream_size import Frame, stream_frame
from mammo_steps.core.terms import Reason

Stored = np.ndarray[tuple[int, int], np.dtype[Any]]  # (H, W) uint8, uint16, int8 or int16, as in the file

PLUGIN = "imagecodecs"
MAX_PIXELS = 100_000_000  # a mammogram has up to 30 million

# Functions of imagecodecs. libjpeg-turbo (jpeg8) is the quickest and takes all that is below; jpegsof3 refuses
# restart markers; ljpeg gives wrong pixels after one, so it is not here. OpenJPEG decodes HTJ2K, too, in three
# times OpenJPH's time, but OpenJPH (htj2k) hangs on some damaged streams.
DECODERS: dict[uid.UID, tuple[str, ...]] = {
    uid.JPEGBaseline8Bit: ("jpeg8_decode",),
    uid.JPEGExtended12Bit: ("jpeg8_decode",),
    uid.JPEGLossless: ("jpeg8_decode", "jpegsof3_decode"),
    uid.JPEGLosslessSV1: ("jpeg8_decode", "jpegsof3_decode"),
    uid.JPEGLSLossless: ("jpegls_decode",),
    uid.JPEGLSNearLossless: ("jpegls_decode",),
    uid.JPEG2000Lossless: ("jpeg2k_decode",),
    uid.JPEG2000: ("jpeg2k_decode",),
    uid.HTJ2KLossless: ("jpeg2k_decode",),
    uid.HTJ2KLosslessRPCL: ("jpeg2k_decode",),
    uid.HTJ2K: ("jpeg2k_decode",),
    uid.RLELossless: ("dicomrle_decode",),
}
_LOSSY = (
    uid.JPEGBaseline8Bit,
    uid.JPEGExtended12Bit,
    uid.JPEGLSNearLossless,
    uid.JPEG2000,
    uid.HTJ2K,
)
# libjpeg makes up what a stream lacks. A lossless code has a bit at least, a block of 64 lossy pixels has two.
_PIXELS_PER_BIT = {
    uid.JPEGLossless: 1,
    uid.JPEGLosslessSV1: 1,
    uid.JPEGBaseline8Bit: 32,
    uid.JPEGExtended12Bit: 32,
}
_NATIVE = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
)

# What pydicom wants of a plug-in module: these two names and the frame decoder below.
DECODER_DEPENDENCIES = dict.fromkeys(DECODERS, ("imagecodecs",))
_REGISTERING = threading.Lock()


def is_available(syntax: str) -> bool:
    return syntax in DECODERS


def decode_frame(source: bytes, runner: DecodeRunner) -> memoryview:
    """One encoded frame -> its pixels, row-major; tells the runner which container the stream needs."""
    pixels, stream_bits = _decoded(source, runner)
    if pixels.shape != (runner.rows, runner.columns):
        raise ValueError(f"the frame has shape {pixels.shape}, wanted {(runner.rows, runner.columns)}")
    signed = runner.pixel_representation == 1
    if stream_bits > runner.bits_stored and runner.transfer_syntax in _LOSSY and not signed:
        pixels = np.clip(pixels, 0, 2**runner.bits_stored - 1)  # rounding goes beyond the range
    elif signed or pixels.dtype.kind == "i" or stream_bits > runner.bits_stored:
        pixels = conform(pixels, runner.bits_stored, signed)
    pixels = np.ascontiguousarray(pixels)
    runner.set_option("bits_allocated", pixels.dtype.itemsize * 8)
    runner.set_option("pixel_representation", int(pixels.dtype.kind == "i"))
    return pixels.data.cast("B")


def _decoded(source: bytes, runner: DecodeRunner) -> tuple[np.ndarray[Any, Any], int]:
    """The pixels and the bits that one may have."""
    shape = (runner.rows, runner.columns)
    if runner.transfer_syntax == uid.RLELossless:
        kind = np.dtype(f"<u{runner.bits_allocated // 8}")
        pixels = np.frombuffer(imagecodecs.dicomrle_decode(source, kind), dtype=kind)
        return pixels.reshape(shape), runner.bits_allocated
    frame: Frame = stream_frame(source)
    if frame[:2] != shape:
        raise ValueError(f"the encoded frame is {frame[:2]}, the header says {shape}")
    if 8 * len(source) * _PIXELS_PER_BIT.get(runner.transfer_syntax, math.inf) < shape[0] * shape[1]:
        raise ValueError("the encoded frame has fewer bits than its pixels take")
    failure = RuntimeError()
    for name in DECODERS[runner.transfer_syntax]:
        try:
            return np.asarray(getattr(imagecodecs, name)(source)), frame.bits
        except RuntimeError as error:  # the kind that all of imagecodecs' decoders raise
            failure = error
    raise failure


def _decoder(syntax: uid.UID) -> Decoder:
    """pydicom's decoder of a transfer syntax, with our plug-in."""
    decoder = get_decoder(syntax)
    with _REGISTERING:
        if PLUGIN not in decoder.available_plugins:
            decoder.add_plugin(PLUGIN, (__name__, "decode_frame"))
    return decoder


def read_pixels(path: Path) -> tuple[Stored, Dataset]:
    """The stored matrix (H, W), before any LUT, and the header without it.

    ExclusionError: FILE_GONE if there is no such file, UNDECODABLE for everything that is not one whole grey
    image of at most MAX_PIXELS. Other errors of the file system are raised as they are.
    """
    try:
        ds = pydicom.dcmread(path)
        _refuse(ds)
        syntax = ds.file_meta.TransferSyntaxUID
        if syntax in DECODERS:
            stored = _decode(ds)
        else:
            stored, _ = get_decoder(syntax).as_array(ds, index=0, raw=True)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise ExclusionError(Reason.FILE_GONE, type(error).__name__) from None
    except OSError as error:
        if error.errno is None:  # pydicom's, of a damaged file
            raise ExclusionError(Reason.UNDECODABLE, type(error).__name__) from None
        if error.errno in NO_FILE:
            raise ExclusionError(Reason.FILE_GONE, errno.errorcode[error.errno]) from None
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
    syntax = ds.file_meta.TransferSyntaxUID
    decoder = _decoder(syntax)
    try:
        buffer, found = decoder.as_buffer(ds, index=0, decoding_plugin=PLUGIN)
    except RuntimeError:
        if syntax != uid.RLELossless:
            raise
        stored, _ = decoder.as_array(ds, index=0, raw=True, decoding_plugin="pydicom")
        return conform(stored, int(ds.BitsStored), bool(ds.PixelRepresentation))
    kind = f"{'i' if found['pixel_representation'] else 'u'}{int(found['bits_allocated']) // 8}"
    return np.frombuffer(buffer, dtype=kind).reshape(int(ds.Rows), int(ds.Columns))


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
    if syntax not in (*DECODERS, *_NATIVE):
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
