"""Grey levels of random headers agree with pydicom's apply_modality_lut and apply_voi_lut.

Where pydicom 3.0 itself errs it is not asked: it keeps the index into a LUT in the type of the LUT's outputs, so
that it wraps for outputs of 8 bits and for values more than 65,535 above the first.
"""

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from mammo_steps.core.voi_choice import tiles_and_voi
from mammo_steps.core.windowing import grey_table

Rng = np.random.Generator
WHITE = 65535


def lut_item(rng: Rng, n: int, first: int) -> Dataset:
    item = Dataset()
    bits = int(rng.choice([10, 12, 16]))
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [n, first, bits])
    outputs = np.sort(rng.integers(0, 2**bits, n)).astype("<u2")
    item.add_new("LUTData", "OW", outputs.tobytes())
    return item


def add_window(ds: Dataset, rng: Rng, lowest: float, highest: float) -> int:
    """One to three windows, one of them perhaps explained as NORMAL; returns the index that is to be taken."""
    n = int(rng.integers(1, 4))
    ds.WindowCenter = [f"{rng.uniform(lowest, highest):.6g}" for _ in range(n)]
    ds.WindowWidth = [f"{max(rng.uniform(0.2, 1.5) * (highest - lowest), 2):.6g}" for _ in range(n)]
    function = rng.choice(["", "LINEAR", "LINEAR_EXACT", "SIGMOID"])
    if function:
        ds.VOILUTFunction = str(function)
    normal = int(rng.integers(-1, n))
    if normal >= 0 and n > 1:
        ds.WindowCenterWidthExplanation = ["NORMAL" if i == normal else "HARDER" for i in range(n)]
    return max(normal, 0) if n > 1 else 0


def random_header(seed: int) -> tuple[Dataset, np.ndarray[Any, Any], int]:
    """(header, every stored value once as a row, index of the window that is to be taken)."""
    rng = np.random.default_rng(seed)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    bits, signed = int(rng.choice([8, 10, 12, 14, 16])), int(rng.integers(2))
    ds.BitsAllocated, ds.BitsStored, ds.PixelRepresentation = 16, bits, signed
    ds.PhotometricInterpretation = str(rng.choice(["MONOCHROME1", "MONOCHROME2"]))
    first = -(2 ** (bits - 1)) if signed else 0
    stored = np.arange(first, first + 2**bits).astype(np.int16 if signed else np.uint16)
    if rng.integers(3):
        ds.RescaleSlope = str(rng.choice(["1", "1", "2", "0.5", "-1", "0.37"]))
        ds.RescaleIntercept = str(rng.choice(["0", "-1024", "40", "12.5", "-1"]))
    values = apply_modality_lut(stored, ds)
    index = 0
    if rng.integers(3) == 0:
        n = int(rng.integers(2 ** (bits - 1), min(2**bits, 65535) + 1))
        start = int(np.clip(np.rint(values.min()), -32768, 65535 - n))
        ds.VOILUTSequence = Sequence([lut_item(rng, n, start)])
    else:
        index = add_window(ds, rng, float(values.min()), float(values.max()))
    if rng.integers(3) == 0:
        ds.PixelPaddingValue = int(stored[0])
        ds.PixelPaddingRangeLimit = int(stored[len(stored) // 50])
    return ds, stored, index


def by_pydicom(ds: Dataset, stored: np.ndarray[Any, Any], index: int) -> np.ndarray[Any, Any]:
    """Shares of white by pydicom, the inversion and the padding by the letter of the standard."""
    values = np.asarray(apply_modality_lut(stored, ds), dtype=np.float64)
    if "VOILUTSequence" in ds:
        n, first, bits = ds.VOILUTSequence[0].LUTDescriptor
        inside = np.clip(np.rint(values), first, first + n - 1).astype(int)  # its ends go on
        share = apply_voi_lut(inside, ds) / (2.0**bits - 1)
    else:
        shown = apply_voi_lut(values, ds, index=index)
        slope, intercept = float(ds.get("RescaleSlope", 1)), float(ds.get("RescaleIntercept", 0))
        ends = np.array([int(stored[0]), int(stored[-1])]) * slope + intercept
        share = (shown - ends[0]) / (ends[1] - ends[0])
    if ds.PhotometricInterpretation == "MONOCHROME1":
        share = 1 - share
    if "PixelPaddingValue" in ds:
        low, high = sorted([int(ds.PixelPaddingValue), int(ds.PixelPaddingRangeLimit)])
        share = np.where((stored >= low) & (stored <= high), 0.0, share)
    return np.asarray(share)


@pytest.mark.parametrize("seed", range(150))
def test_grey_levels_of_a_random_header_are_pydicoms(seed: int) -> None:
    ds, stored, index = random_header(seed)
    tiles, voi, intensity = tiles_and_voi(ds, stored.reshape(2 ** (ds.BitsStored // 2), -1))
    assert intensity == ("lut" if "VOILUTSequence" in ds else "window")
    levels = grey_table(voi, 16)[tiles.reshape(-1)]
    np.testing.assert_allclose(levels, by_pydicom(ds, stored, index) * WHITE, atol=0.51)
