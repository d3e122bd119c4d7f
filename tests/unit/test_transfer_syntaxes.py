"""Every transfer syntax of mammography at every depth, and the odd streams that real archives hold."""

import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import imagecodecs
import lossless_jpeg
import numpy as np
import pytest
from lossless_jpeg import Coding
from made_files import EXPLICIT, JPEG_LOSSLESS, Grey, make_dicom
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import UID, RLELossless

from mammo_steps.core.decoding import DECODERS, read_pixels
from mammo_steps.core.dicom_headers import quiet_pydicom
from mammo_steps.core.exclusions import ExclusionError
from mammo_steps.core.stream_size import Frame, stream_frame

JPEG_14 = "1.2.840.10008.1.2.4.57"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
BASELINE, EXTENDED = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
HTJ2K = ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202")
SHAPE = (33, 26)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    quiet_pydicom()


def noise(bits: int, seed: int = 0) -> Grey:
    """(33, 26): every depth's values, its lowest and its highest among them."""
    values = np.random.default_rng(seed).integers(0, 2**bits, SHAPE).astype(np.uint16)
    values[0, :2] = 0, 2**bits - 1
    return values


def rle(pixels: Grey) -> bytes:
    planes = [(pixels >> 8).astype(np.uint8), pixels.astype(np.uint8)]
    segments = [bytes(imagecodecs.packbits_encode(plane)) for plane in planes]
    segments = [segment + b"\x00" * (len(segment) % 2) for segment in segments]
    return struct.pack("<16L", 2, 64, 64 + len(segments[0]), *[0] * 13) + b"".join(segments)


def jpeg(pixels: Grey, bits: int) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=1, bitspersample=bits))


LOSSLESS: dict[str, Callable[[Grey, int], bytes]] = {
    JPEG_LOSSLESS: jpeg,
    JPEG_14: lambda pixels, bits: lossless_jpeg.encode(pixels, Coding(bits, predictor=7)),
    JPEG_LS: lambda pixels, _: bytes(imagecodecs.jpegls_encode(pixels)),
    JPEG_2000: lambda pixels, bits: bytes(
        imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k", reversible=True, bitspersample=bits)
    ),
    HTJ2K[0]: lambda pixels, _: bytes(imagecodecs.htj2k_encode(pixels, reversible=True)),
    HTJ2K[1]: lambda pixels, _: bytes(imagecodecs.htj2k_encode(pixels, reversible=True)),
    RLELossless: lambda pixels, _: rle(pixels),
    EXPLICIT: lambda pixels, _: pixels.astype("<u2").tobytes(),
}


def write(path: Path, syntax: str, data: bytes, bits: int = 12, **elements: Any) -> Path:
    """A file of 33 x 26 pixels whose pixel data are these: raw, encapsulated, or one encoded frame."""

    def change(ds: Dataset) -> None:
        ds.BitsStored, ds.HighBit = bits, bits - 1
        ds.file_meta.TransferSyntaxUID = UID(syntax)
        whole = data if data[:4] == b"\xfe\xff\x00\xe0" or syntax == EXPLICIT else encapsulate([data])
        ds.add_new("PixelData", "OW" if syntax == EXPLICIT else "OB", whole)
        ds["PixelData"].is_undefined_length = syntax != EXPLICIT
        for name, value in elements.items():
            setattr(ds, name, value)

    return make_dicom(path / "a.dcm", np.zeros(SHAPE, np.uint16), change=change)


@pytest.mark.parametrize("bits", [12, 14, 16])
@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: UID(syntax).name)
def test_every_lossless_syntax_is_exact_at_every_depth(tmp_path: Path, syntax: str, bits: int) -> None:
    pixels = noise(bits)
    stored, _ = read_pixels(write(tmp_path, syntax, LOSSLESS[syntax](pixels, bits), bits))
    assert stored.dtype == np.uint16
    np.testing.assert_array_equal(stored, pixels)


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: UID(syntax).name)
def test_signed_values_keep_their_sign(tmp_path: Path, syntax: str, bits: int) -> None:
    pixels = noise(bits)
    path = write(tmp_path, syntax, LOSSLESS[syntax](pixels, bits), bits, PixelRepresentation=1)
    wanted = pixels.astype(int) - 2**bits * (pixels >= 2 ** (bits - 1))
    np.testing.assert_array_equal(read_pixels(path)[0], wanted)


@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize("restart_rows", [0, 1, 5])
def test_all_predictors_and_restart_markers_are_read(
    tmp_path: Path, predictor: int, restart_rows: int
) -> None:
    stream = lossless_jpeg.encode(noise(12), Coding(12, predictor, restart_rows))
    np.testing.assert_array_equal(read_pixels(write(tmp_path, JPEG_14, stream))[0], noise(12))


ODD_TABLES = {
    "codes of one length": (16,) * 17,
    "a code for every length": (*range(1, 16), 16, 16),
    "the rarest first": (16, 16, *range(15, 0, -1)),
    "all bits set is a code": (4,) * 15 + (5,) * 2,
}


@pytest.mark.parametrize("lengths", ODD_TABLES.values(), ids=ODD_TABLES.keys())
def test_odd_huffman_tables_are_read(tmp_path: Path, lengths: tuple[int, ...]) -> None:
    stream = lossless_jpeg.encode(noise(12), Coding(12, lengths=lengths))
    np.testing.assert_array_equal(read_pixels(write(tmp_path, JPEG_14, stream))[0], noise(12))


def test_twelve_bits_in_a_stream_of_sixteen_are_read(tmp_path: Path) -> None:
    for syntax in (JPEG_LOSSLESS, JPEG_LS, JPEG_2000):
        path = write(tmp_path, syntax, LOSSLESS[syntax](noise(12), 16), bits=12)
        np.testing.assert_array_equal(read_pixels(path)[0], noise(12))


def test_the_largest_difference_of_sixteen_bits_is_read(tmp_path: Path) -> None:
    pixels = np.zeros(SHAPE, np.uint16)
    pixels[::2, ::2], pixels[1::2] = 32768, 65535
    stream = lossless_jpeg.encode(pixels, Coding(16))
    np.testing.assert_array_equal(read_pixels(write(tmp_path, JPEG_14, stream, 16))[0], pixels)


@pytest.mark.parametrize(
    ("syntax", "fragments"),
    [(JPEG_LOSSLESS, 4), (JPEG_LS, 1), (JPEG_LS, 4), (JPEG_2000, 4), (RLELossless, 1)],
)
@pytest.mark.parametrize("has_table", [False, True], ids=["no offsets", "basic offsets"])
def test_a_frame_may_lie_in_several_fragments(
    tmp_path: Path, syntax: str, fragments: int, has_table: bool
) -> None:
    stream = LOSSLESS[syntax](noise(12), 12)
    data = encapsulate([stream], fragments_per_frame=fragments, has_bot=has_table)
    np.testing.assert_array_equal(read_pixels(write(tmp_path, syntax, data))[0], noise(12))


def test_an_extended_offset_table_is_followed(tmp_path: Path) -> None:
    data, offsets, lengths = encapsulate_extended([LOSSLESS[JPEG_LS](noise(12), 12)])
    tables = {"ExtendedOffsetTable": offsets, "ExtendedOffsetTableLengths": lengths}
    np.testing.assert_array_equal(read_pixels(write(tmp_path, JPEG_LS, data, **tables))[0], noise(12))


def test_lossy_jpeg_of_eight_and_twelve_bits_is_near_what_was_encoded(tmp_path: Path) -> None:
    smooth = np.add.outer(60 * np.arange(SHAPE[0]), 50 * np.arange(SHAPE[1])).astype(np.uint16)  # to 3170
    stream = bytes(imagecodecs.jpeg8_encode(smooth, level=85, bitspersample=12))
    stored, _ = read_pixels(write(tmp_path, EXTENDED, stream))
    assert stored.dtype == np.uint16
    assert 0 < np.abs(stored.astype(int) - smooth).max() <= 8
    eight = (smooth // 16).astype(np.uint8)
    stream = bytes(imagecodecs.jpeg8_encode(eight, level=98))
    stored, _ = read_pixels(write(tmp_path, BASELINE, stream, 8, BitsAllocated=8))
    assert stored.dtype == np.uint8
    assert np.abs(stored.astype(int) - eight).max() <= 3


def test_lossy_values_beyond_the_stored_bits_are_the_highest_not_wrapped(tmp_path: Path) -> None:
    bright = np.full(SHAPE, 1030, np.uint16)  # 10 bits end at 1023
    stream = bytes(imagecodecs.jpeg8_encode(bright, level=100, bitspersample=12))
    stored, _ = read_pixels(write(tmp_path, EXTENDED, stream, bits=10))
    assert (stored == 1023).all()


def test_run_lengths_that_imagecodecs_refuses_go_to_pydicom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, RLELossless, rle(noise(12) | np.uint16(0xF000)))

    def refuse(*_: object) -> None:
        raise RuntimeError("unsupported")

    monkeypatch.setattr(imagecodecs, "dicomrle_decode", refuse)
    np.testing.assert_array_equal(read_pixels(path)[0], noise(12))


def test_a_stream_that_no_decoder_takes_is_damaged(tmp_path: Path) -> None:
    stream = bytearray(jpeg(noise(12), 12))
    table = stream.index(b"\xff\xc4") + 5
    stream[table : table + 16] = b"\xff" * 16  # 4080 Huffman codes
    with pytest.raises(ExclusionError, match="the encoded pixels are damaged"):
        read_pixels(write(tmp_path, JPEG_LOSSLESS, bytes(stream)))


def test_files_are_read_in_several_threads_at_once(tmp_path: Path) -> None:
    syntaxes = [syntax for syntax in LOSSLESS for _ in range(4)]
    paths = []
    for seed, syntax in enumerate(syntaxes):
        folder = tmp_path / str(seed)
        paths.append(write(folder, syntax, LOSSLESS[syntax](noise(12, seed), 12)))
    with ThreadPoolExecutor(8) as pool:
        for seed, (stored, _) in enumerate(pool.map(read_pixels, paths * 3)):
            np.testing.assert_array_equal(stored, noise(12, seed % len(paths)))


def test_a_stream_tells_its_size_and_depth() -> None:
    for syntax in (JPEG_LOSSLESS, JPEG_14, JPEG_2000):
        assert stream_frame(LOSSLESS[syntax](noise(14), 14)) == Frame(33, 26, 14)


def test_every_decoder_is_one_of_imagecodecs() -> None:
    assert all(hasattr(imagecodecs, name) for names in DECODERS.values() for name in names)
