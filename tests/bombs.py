"""Files that ask for far more memory or time than their size says, and directory entries that are no image."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import imagecodecs
from hostile_files import CANARY, encoded, pixels_at, rewritten
from made_files import half_disc
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

_GB = 1024**3
_GREY = half_disc((64, 56))


def deflate_bomb(plain: bytes, gigabytes: int) -> bytes:
    """A deflated file whose pixel data inflate to so many GB of zeros (1 MB of file for each GB)."""
    whole = rewritten(plain, uid.DeflatedExplicitVRLittleEndian)
    meta = whole[: 144 + struct.unpack_from("<I", whole, 140)[0]]
    inflated = zlib.decompress(whole[len(meta) :], -zlib.MAX_WBITS)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    at = pixels_at(inflated)
    start = packer.compress(inflated[:at] + inflated[at : at + 8] + struct.pack("<I", 0xFFFFFFF0))
    start += packer.flush(zlib.Z_FULL_FLUSH)
    zeros = packer.compress(bytes(2**20)) + packer.flush(
        zlib.Z_FULL_FLUSH
    )  # can be repeated after a full flush
    return meta + start + zeros * (1024 * gigabytes) + packer.flush()


def _of_size(rows: int, columns: int) -> Callable[[Dataset], None]:
    def change(ds: Dataset) -> None:
        ds.Rows, ds.Columns = rows, columns

    return change


def _claiming(plain: bytes, syntax: str, stream: bytes) -> bytes:
    """A file of this stream whose header says 10,000 x 10,000 pixels, the most that is decoded."""
    return rewritten(encoded(plain, syntax, stream), syntax, _of_size(10_000, 10_000))


def _jpeg() -> bytes:
    return bytes(imagecodecs.jpeg8_encode(_GREY, lossless=True, predictor=1, bitspersample=12))


def rle_bomb(plain: bytes) -> bytes:
    """100 million pixels from 3 MB of runs."""
    runs = b"\x81\x00" * (100_000_000 // 128)
    stream = struct.pack("<16L", 2, 64, 64 + len(runs), *[0] * 13) + runs * 2
    return _claiming(plain, uid.RLELossless, stream)


def rle_overflow(plain: bytes) -> bytes:
    """64 x 56 pixels said, 1 GB in the runs."""
    runs = b"\x81\x00" * (4 * 2**20)
    stream = struct.pack("<16L", 2, 64, 64 + len(runs), *[0] * 13) + runs * 2
    return encoded(plain, uid.RLELossless, stream)


def jpeg_bomb(plain: bytes) -> bytes:
    """JPEG lossless: header and stream agree on 10,000 x 10,000, the data are those of 64 x 56 pixels."""
    stream = bytearray(_jpeg())
    struct.pack_into(">HH", stream, stream.index(b"\xff\xc3") + 5, 10_000, 10_000)
    return _claiming(plain, uid.JPEGLosslessSV1, bytes(stream))


def jpegls_bomb(plain: bytes) -> bytes:
    """The same in JPEG-LS."""
    stream = bytearray(imagecodecs.jpegls_encode(_GREY))
    struct.pack_into(">HH", stream, stream.index(b"\xff\xf7") + 5, 10_000, 10_000)
    return _claiming(plain, uid.JPEGLSLossless, bytes(stream))


def jpeg2000_bomb(plain: bytes, tile_px: int, syntax: str = uid.JPEG2000Lossless) -> bytes:
    """10,000 x 10,000 pixels in tiles of so many pixels a side, of which one at most is there."""
    if syntax == uid.JPEG2000Lossless:
        stream = bytearray(imagecodecs.jpeg2k_encode(_GREY, codecformat="j2k", level=0))
    else:
        stream = bytearray(imagecodecs.htj2k_encode(_GREY))
    struct.pack_into(">8I", stream, 8, 10_000, 10_000, 0, 0, tile_px, tile_px, 0, 0)
    return _claiming(plain, syntax, bytes(stream))


def nested(plain: bytes, depth: int) -> bytes:
    """Sequences in sequences in front of the pixels."""
    opening = (
        struct.pack("<HH2sHI", 0x0040, 0x0555, b"SQ", 0, 0xFFFFFFFF) + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    )
    closing = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    at = pixels_at(plain)
    return plain[:at] + opening * depth + closing * depth + plain[at:]


def fragments(plain: bytes, n: int) -> bytes:
    """A JPEG lossless stream in so many fragments, all but the first empty."""
    stream = _jpeg()
    whole = encoded(plain, uid.JPEGLosslessSV1, stream)
    end = whole.rindex(b"\xfe\xff\xdd\xe0")
    return whole[:end] + b"\xfe\xff\x00\xe0\0\0\0\0" * n + whole[end:]


def offsets(plain: bytes) -> bytes:
    """A basic offset table of a million frames."""
    stream = _jpeg()

    def change(ds: Dataset) -> None:
        table = b"\xfe\xff\x00\xe0" + struct.pack("<I", 4_000_000) + bytes(4_000_000)
        ds.PixelData = table + encapsulate([stream], has_bot=False)[8:]

    return rewritten(encoded(plain, uid.JPEGLosslessSV1, stream), uid.JPEGLosslessSV1, change)


def bombs(plain: bytes) -> dict[str, bytes]:
    """name -> content; `plain` is a small mammogram in explicit little endian."""
    return {
        "deflate": deflate_bomb(plain, 40),
        "deflate_small": deflate_bomb(plain, 3),
        "rle": rle_bomb(plain),
        "rle_overflow": rle_overflow(plain),
        "jpeg": jpeg_bomb(plain),
        "jpegls": jpegls_bomb(plain),
        "jpeg2000_tiny_tiles": jpeg2000_bomb(plain, 1),
        "jpeg2000_tiles": jpeg2000_bomb(plain, 40),
        "jpeg2000_one_tile": jpeg2000_bomb(plain, 10_000),
        "htj2k_tiny_tiles": jpeg2000_bomb(plain, 1, uid.HTJ2KLossless),
        "htj2k_one_tile": jpeg2000_bomb(plain, 10_000, uid.HTJ2KLossless),
        "nested_50": nested(plain, 50),
        "nested_5000": nested(plain, 5_000),
        "nested_300000": nested(plain, 300_000),
        "fragments": fragments(plain, 500_000),
        "offsets": offsets(plain),
    }


def odd_entries(folder: Path, plain: bytes) -> int:
    """Directory entries that are no mammogram; returns how many get a row."""
    (folder / "folder.dcm").mkdir()  # a folder with nothing in it: no row
    os.mkfifo(folder / "pipe.dcm")
    (folder / "empty.dcm").touch()
    (folder / "loop.dcm").symlink_to(folder / "loop.dcm")
    (folder / "dead.dcm").symlink_to(folder / "nowhere")
    (folder / "up").symlink_to(folder)  # a circle of folders: no row
    (folder / "device.dcm").symlink_to("/dev/zero")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.dcm")).write_bytes(plain)
    (folder / f"{CANARY} ü\n'\".dcm").write_bytes(plain)
    with (folder / "sparse.dcm").open("wb") as file:  # pixel data of 4 GB said, 6 GB there
        at = pixels_at(plain)
        file.write(plain[: at + 8] + struct.pack("<I", 0xFFFFFFF0))
        file.truncate(6 * _GB)
    with (folder / "sparse_zeros.dcm").open("wb") as file:
        file.truncate(6 * _GB)
    return 9
