"""Raw images: little exposure is dense and white, on a logarithmic scale, whatever their header shows."""

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from mammo_steps.core.voi_choice import is_raw, tiles_and_voi
from mammo_steps.core.windowing import Voi, apply_table, grey_table

PROCESSING_CLASS = "1.2.840.10008.5.1.4.1.1.1.2.1"


def header(**elements: Any) -> Dataset:
    ds = Dataset()
    ds.PhotometricInterpretation, ds.PixelRepresentation = "MONOCHROME1", 0
    ds.BitsAllocated, ds.BitsStored = 16, 14
    ds.PresentationIntentType = "FOR PROCESSING"
    for name, value in elements.items():
        setattr(ds, name, value)
    return ds


def exposure() -> np.ndarray[Any, Any]:
    """(200, 100) detector values: tissue of 200 to 3199 in the left half, dense = low; air about 12,000."""
    rng = np.random.default_rng(0)
    stored = rng.integers(11_900, 12_100, (200, 100)).astype(np.uint16)
    stored[20:180, :50] = rng.integers(200, 3200, (160, 50))
    return stored


def grey(ds: Dataset, stored: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    tiles, voi, intensity = tiles_and_voi(ds, stored)
    assert intensity == "raw"
    return apply_table(tiles, grey_table(voi.to_json(), 8))


def test_equal_factors_of_exposure_are_equal_steps_of_grey() -> None:
    # white at 100, black at 10,000: the middle is 1,000, and each factor of sqrt(10) a quarter of 255
    voi = Voi("raw_log", center=float(np.log(1000)), width=float(np.log(100)), invert=True)
    table = grey_table(voi, 8)
    assert table[[100, 316, 1000, 3162, 10_000]].tolist() == [255, 191, 128, 64, 0]
    assert table[[0, 1, 99, 10_001, 65535]].tolist() == [255, 255, 255, 0, 0]


def test_white_and_black_lie_at_fixed_quantiles_inside_the_breast() -> None:
    _, voi, _ = tiles_and_voi(header(), exposure())
    assert (voi.kind, voi.invert) == ("raw_log", True)
    white, black = np.exp([voi.center - voi.width / 2, voi.center + voi.width / 2])
    assert white == pytest.approx(215, abs=5)  # 200 + 0.005 x 3,000
    assert black == pytest.approx(3185, abs=15)  # 200 + 0.995 x 3,000


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_dense_tissue_is_bright_and_air_black_in_both_photometric_interpretations(photometric: str) -> None:
    stored = exposure()
    levels = grey(header(PhotometricInterpretation=photometric), stored)
    assert not levels[:, 55:].any()
    inside = stored[20:180, :50]
    order = np.argsort(inside.reshape(-1))
    assert (np.diff(levels[20:180, :50].reshape(-1)[order].astype(int)) <= 0).all()
    assert levels[20:180, :50].max() == 255


def test_a_window_in_a_raw_header_is_not_taken() -> None:
    with_window = header(WindowCenter=2000, WindowWidth=10)
    np.testing.assert_array_equal(grey(with_window, exposure()), grey(header(), exposure()))


def test_padding_of_a_raw_image_is_black() -> None:
    stored = exposure()
    stored[:, 90:] = 0  # as the least exposure it would be white
    assert not grey(header(PixelPaddingValue=0), stored)[:, 90:].any()


def test_a_logarithm_that_the_machine_took_gives_the_same_picture() -> None:
    elements = {"PixelIntensityRelationship": "LOG", "PixelIntensityRelationshipSign": -1}  # high = dense
    taken = np.rint(1500 * (9.5 - np.log(exposure()))).astype(np.uint16)
    _, voi, _ = tiles_and_voi(header(**elements), taken)
    assert (voi.kind, voi.invert) == ("percentile", False)
    difference = grey(header(**elements), taken).astype(int) - grey(header(), exposure())
    assert np.abs(difference).max() <= 1


def test_an_image_is_raw_by_its_own_header() -> None:
    assert is_raw(header())
    assert is_raw(header(PresentationIntentType="FOR PROCESSING "))
    assert is_raw(header(PresentationIntentType="", SOPClassUID=PROCESSING_CLASS))
    assert not is_raw(header(PresentationIntentType="FOR PRESENTATION"))
    assert not is_raw(Dataset())
