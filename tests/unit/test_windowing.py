"""Grey levels by the formulas of PS3.3 C.11.2, checked by hand and against pydicom."""

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from mammo_steps.core.recipe import differences
from mammo_steps.core.voi_choice import tiles_and_voi, voi_from_dataset
from mammo_steps.core.windowing import RECIPE, Voi, apply_table, grey_table, shard_recipe

RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)  # every 12-bit value once


def header(**elements: Any) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.PhotometricInterpretation, ds.PixelRepresentation = "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored = 16, 12
    for name, value in elements.items():
        setattr(ds, name, value)
    return ds


def lut_item(outputs: list[int], first: int, bits: int, explanation: str = "") -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US" if first >= 0 else "SS", [len(outputs), first, bits])
    item.add_new("LUTData", "OW", np.array(outputs, dtype="<u2").tobytes())
    item.LUTExplanation = explanation
    return item


def grey(ds: Dataset, stored: np.ndarray[Any, Any], bits: int = 8) -> np.ndarray[Any, Any]:
    tiles, voi, _ = tiles_and_voi(ds, stored)
    assert tiles.dtype == np.uint16
    return apply_table(tiles, grey_table(voi.to_json(), bits))


def shares(ds: Dataset, stored: np.ndarray[Any, Any], lowest: float, highest: float) -> np.ndarray[Any, Any]:
    """pydicom's grey levels as shares of its output range."""
    shown = apply_voi_lut(apply_modality_lut(stored, ds), ds)
    return np.asarray((shown - lowest) / (highest - lowest))


def test_the_linear_window_has_the_standards_half_value_offsets() -> None:
    # C.11.2.1.2.1: centre 100, width 101 -> black up to 49.5, white from 149.5, middle at 99.5
    table = grey_table(Voi("linear", center=100, width=101), 16)
    assert (table[49], table[150]) == (0, 65535)
    assert table[99] == round(0.495 * 65535) and table[100] == round(0.505 * 65535)
    assert grey_table(Voi("linear", center=10, width=1), 8)[[9, 10]].tolist() == [0, 255]


def test_the_linear_exact_window_has_none() -> None:
    table = grey_table(Voi("linear_exact", center=100, width=100), 16)
    assert [int(table[v]) for v in (50, 75, 100, 150)] == [0, 16384, 32768, 65535]


def test_the_sigmoid_is_half_at_its_centre() -> None:
    table = grey_table(Voi("sigmoid", center=2000, width=400), 16)
    assert table[2000] == 32768
    assert table[2100] == round(65535 / (1 + np.exp(-1)))
    assert table[0] == 0 and table[65535] == 65535


@pytest.mark.parametrize("function", [None, "LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (1, -1024), (1, 40), (2, -100), (0.37, 12.5)])
def test_windows_agree_with_pydicom(function: str | None, slope: float, intercept: float) -> None:
    ds = header(WindowCenter=900, WindowWidth=1500, RescaleSlope=slope, RescaleIntercept=intercept)
    if function:
        ds.VOILUTFunction = function
    wanted = shares(ds, RAMP, intercept, 4095 * slope + intercept) * 65535
    np.testing.assert_allclose(grey(ds, RAMP, 16), wanted, atol=0.51)
    assert voi_from_dataset(ds, RAMP)[1] == "window"


def test_signed_values_agree_with_pydicom() -> None:
    stored = (RAMP.astype(np.int16) - 2048).astype(np.int16)
    ds = header(PixelRepresentation=1, WindowCenter=-200, WindowWidth=1800, RescaleSlope=1)
    ds.RescaleIntercept = -7
    np.testing.assert_allclose(grey(ds, stored, 16), shares(ds, stored, -2055, 2040) * 65535, atol=0.51)


def test_a_voi_lut_is_taken_before_a_window_and_agrees_with_pydicom() -> None:
    ds = header(WindowCenter=900, WindowWidth=100)
    curve = np.sqrt(np.arange(3000) / 2999) * 4095
    ds.VOILUTSequence = Sequence([lut_item(np.rint(curve).astype(int).tolist(), 500, 12)])
    np.testing.assert_allclose(grey(ds, RAMP, 16), shares(ds, RAMP, 0, 4095) * 65535, atol=0.51)
    assert voi_from_dataset(ds, RAMP)[1] == "lut"


@pytest.mark.parametrize("n", [100, 101])  # 101 bytes are padded to 102
def test_a_lut_of_eight_bits_may_be_written_as_bytes_or_as_words(n: int) -> None:
    outputs = np.linspace(0, 255, n).astype(int).tolist()
    as_words, as_bytes = lut_item(outputs, 1000, 8), lut_item(outputs, 1000, 8)
    as_bytes.LUTData = bytes(outputs) + b"\0" * (n % 2)
    for item in (as_words, as_bytes):
        levels = grey(header(VOILUTSequence=Sequence([item])), RAMP).reshape(-1)
        assert levels[[0, 999, 1050, 1000 + n, 4095]].tolist() == [0, 0, outputs[50], 255, 255]


def test_the_display_explained_as_normal_is_taken_else_the_first() -> None:
    ds = header(WindowCenter=[1000, 2000], WindowWidth=[800, 900])
    assert voi_from_dataset(ds, RAMP)[0].center == 1000
    ds.WindowCenterWidthExplanation = ["HARDER", "Normal"]
    assert voi_from_dataset(ds, RAMP)[0].center == 2000
    dark, bright = [0] * 4096, list(range(4096))
    ds.VOILUTSequence = Sequence([lut_item(dark, 0, 12, "HARDER"), lut_item(bright, 0, 12, "NORMAL")])
    assert voi_from_dataset(ds, RAMP)[0].lut[100] == 100


def test_monochrome1_is_the_inverse_of_the_output_range() -> None:
    elements = {"WindowCenter": 1000, "WindowWidth": 1501, "VOILUTFunction": "LINEAR"}
    bright = grey(header(**elements), RAMP)
    dark = grey(header(**elements, PhotometricInterpretation="MONOCHROME1"), RAMP)
    np.testing.assert_array_equal(dark, 255 - bright)


def test_padding_is_found_in_stored_values_and_becomes_background() -> None:
    elements = {"WindowCenter": 500, "WindowWidth": 3000, "RescaleSlope": 1, "RescaleIntercept": -1000}
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        ds = header(PhotometricInterpretation=photometric, **elements)
        ds.PixelPaddingValue, ds.PixelPaddingRangeLimit = 4095, 4000
        levels = grey(ds, RAMP).reshape(-1)
        assert not levels[4000:4096].any()
        assert levels[2000] > 0


def test_signed_padding_is_found_though_it_was_read_as_unsigned() -> None:
    stored = (RAMP.astype(np.int32) * 16 - 32768).astype(np.int16)
    ds = header(PixelRepresentation=1, BitsStored=16, WindowCenter=0, WindowWidth=65536)
    ds.add_new("PixelPaddingValue", "US", 32768)  # the bits of -32768
    assert voi_from_dataset(ds, stored)[0].padding == (0, 0)


def test_a_modality_lut_is_applied_and_its_padding_keeps_apart() -> None:
    outputs = [v // 2 for v in range(4096)]  # two stored values for each output, padding among them
    ds = header(WindowCenter=1000, WindowWidth=2000, PixelPaddingValue=0)
    ds.ModalityLUTSequence = Sequence([lut_item(outputs, 0, 16)])
    tiles, voi, _ = tiles_and_voi(ds, RAMP)
    assert tiles.reshape(-1)[[1, 2, 3, 4095]].tolist() == [0, 1, 1, 2047]
    assert voi.padding == (2048, 2048) and tiles[0, 0] == 2048  # the first value the LUT never gives
    wanted = shares(ds, RAMP, 0, 65535).reshape(-1) * 65535
    np.testing.assert_allclose(grey(ds, RAMP, 16).reshape(-1)[1:], wanted[1:], atol=0.51)


def test_tiles_hold_the_values_after_the_modality_lut_where_these_are_whole_numbers() -> None:
    tiles, voi, _ = tiles_and_voi(header(RescaleSlope=1, RescaleIntercept=40), RAMP)
    assert (tiles[0, 0], voi.slope, voi.intercept) == (40, 1, 0)
    tiles, voi, _ = tiles_and_voi(header(RescaleSlope=1, RescaleIntercept=-40), RAMP)
    assert (tiles[0, 0], voi.slope, voi.intercept) == (0, 1, -40)  # shifted, and the shift is recorded
    tiles, voi, _ = tiles_and_voi(header(RescaleSlope=0.5, RescaleIntercept=3), RAMP)
    assert (tiles[1, 0], voi.slope, voi.intercept) == (64, 0.5, 3)


UNUSABLE = {
    "no window": {},
    "width 0": {"WindowCenter": 100, "WindowWidth": 0},
    "below 1": {"WindowCenter": 100, "WindowWidth": 0.5},
    "everything white": {"WindowCenter": -9000, "WindowWidth": 10},
    "empty": {"WindowCenter": "", "WindowWidth": ""},
    "unknown function": {"WindowCenter": 100, "WindowWidth": 100, "VOILUTFunction": "CURVE"},
    "lut shorter than its descriptor": {"VOILUTSequence": Sequence([lut_item([1, 2], 0, 12)])},
}
UNUSABLE["lut shorter than its descriptor"]["VOILUTSequence"][0].LUTDescriptor = [9, 0, 12]


def breast(level: int = 1000) -> np.ndarray[Any, Any]:
    """(200, 100): values level .. level + 999 in the left half, 0 elsewhere."""
    stored = np.zeros((200, 100), dtype=np.uint16)
    stored[20:180, :50] = level + np.random.default_rng(0).integers(0, 1000, (160, 50))
    return stored


@pytest.mark.parametrize("elements", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_without_a_usable_window_fixed_quantiles_of_the_breast_are_taken(elements: dict[str, Any]) -> None:
    voi, intensity = voi_from_dataset(header(**elements), breast())
    assert (voi.kind, intensity) == ("percentile", "fallback")
    assert voi.center - voi.width / 2 == pytest.approx(1005, abs=6)
    assert voi.center + voi.width / 2 == pytest.approx(1994, abs=6)


def test_the_fallback_does_not_depend_on_the_largest_value() -> None:
    labelled = breast()
    labelled[5:12, 85:95] = 4095  # a burned-in label
    labelled[100, 25] = 4095  # a defect pixel
    voi, _ = voi_from_dataset(header(), labelled)
    plain, _ = voi_from_dataset(header(), breast())
    assert abs(voi.width - plain.width) < 5


def test_the_fallback_of_an_inverted_image_is_the_same_picture() -> None:
    inverted = header(PhotometricInterpretation="MONOCHROME1")
    difference = grey(inverted, 4095 - breast()).astype(int) - grey(header(), breast())
    assert np.abs(difference).max() <= 1


def test_a_voi_survives_its_json() -> None:
    for voi in (
        Voi("lut", lut=tuple(range(0, 65536, 3)), lut_first=-5, lut_bits=16, padding=(3, 9), invert=True),
        Voi("sigmoid", slope=0.5, intercept=-3, center=1.25, width=7),
    ):
        assert Voi.from_json(voi.to_json()) == voi


def test_other_words_are_refused() -> None:
    with pytest.raises(ValueError, match="kind is 'gamma', wanted one of"):
        Voi("gamma")
    with pytest.raises(ValueError, match="bits is 12, wanted 8 or 16"):
        grey_table(Voi("linear", width=5), 12)


@pytest.mark.parametrize("bits", [8, 16])
def test_the_table_is_looked_up_exactly(bits: int) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (37, 41)).astype(np.uint16)
    table = np.random.default_rng(1).integers(0, 2**bits, 65536).astype(f"u{bits // 8}")
    np.testing.assert_array_equal(apply_table(values, table), table[values])


def test_the_recipe_changes_with_every_setting_and_not_with_their_order() -> None:
    one, same, other = (shard_recipe(s).hash for s in ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 1, "b": 3}))
    assert one == same != other


def test_the_recipe_changes_with_the_version_of_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    one = shard_recipe({"a": 1})
    monkeypatch.setitem(RECIPE, "version", 99)
    assert differences(one, shard_recipe({"a": 1})) == "`make_shards.rules.version`: 2 and 99"


def test_other_grey_levels_need_a_new_version_of_the_rules() -> None:
    """A value here changes only together with RECIPE["version"], or old shards and weights pass as new ones."""
    kinds = [
        Voi("linear", center=2000, width=1000),
        Voi("linear_exact", slope=2.0, intercept=-10.0, center=2000, width=1000, padding=(0, 5)),
        Voi("sigmoid", center=2000, width=1000, invert=True),
        Voi("lut", lut=(0, 10, 40, 90), lut_first=7, lut_bits=7),
        Voi("percentile", center=300.5, width=20.0),
        Voi("raw_log", center=float(np.log(300)), width=float(np.log(100)), invert=True),
    ]
    values = [3, 8, 300, 1700, 2100, 5000]
    found = {kind.kind: grey_table(kind, 8)[values].tolist() for kind in kinds}
    assert RECIPE["version"] == 2
    assert found == {
        "linear": [0, 0, 0, 51, 153, 255],  # 1700: (1700 - 1999.5) / 999 + 0.5 = 0.2002 of 255
        "linear_exact": [0, 0, 0, 255, 255, 255],
        "sigmoid": [255, 255, 255, 196, 102, 0],  # 1700: 1 - 1 / (1 + exp(1.2)) = 0.7685 of 255
        "lut": [0, 20, 181, 181, 181, 181],  # 8: 10 / 127 of 255
        "percentile": [0, 0, 121, 255, 255, 255],  # 300: 0.5 - 0.5 / 20 = 0.475 of 255
        "raw_log": [255, 255, 128, 31, 20, 0],  # 2100: 0.5 - ln(7) / ln(100) = 0.0775 of 255
    }
