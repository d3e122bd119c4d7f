"""Which window or LUT of a DICOM header is taken, and what is done where none can be used.

Raw images (For Processing) have no VOI by the standard, and one that is there is not taken: their grey level is
the logarithm of the value, between fixed quantiles inside the breast, dense tissue white (PS3.3 A.26, C.8.11.7).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from mammo_steps.core import dicom_codes as dc
from mammo_steps.core.breast import breast_mask
from mammo_steps.core.windowing import HIGH_QUANTILE, LOW_QUANTILE, Table, Values, Voi, grey_table, logarithm

_SAMPLE_PX = 160  # columns of the sample on which a window is tried
_AIR_SHARE = 0.05  # of a raw image's range of logarithms: the noise of unattenuated exposure
_WORK_PX = 512  # columns of the small image on which the breast is looked for


@dataclass(frozen=True)
class Modality:
    """Stored value -> tile value -> value after the modality LUT.

    shift             tile value = stored value + shift
    slope, intercept  value after the modality LUT = slope x tile value + intercept
    lut, lut_first    or: tile value = lut[stored value - lut_first], the ends continued
    """

    shift: int
    slope: float = 1.0
    intercept: float = 0.0
    lut: Table | None = None
    lut_first: int = 0


def modality_of(ds: Dataset) -> Modality:
    """The modality LUT (C.11.1) of a header, with tile values that fit uint16 without loss.

    Rescaling by whole numbers without a slope is applied to the tiles, shifted only where values would be
    negative; another slope stays in the record and the tiles hold stored values.
    """
    bits, signed = int(ds.BitsStored), int(ds.get("PixelRepresentation", 0)) == 1
    lowest, highest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if ds.get("ModalityLUTSequence"):
        first, table, _ = _lut(ds.ModalityLUTSequence[0], signed)
        return Modality(shift=-lowest, lut=table, lut_first=first)
    slope, intercept = float(ds.get("RescaleSlope") or 1), float(ds.get("RescaleIntercept") or 0)
    if not np.isfinite([slope, intercept]).all():
        raise ValueError(f"rescale slope {slope}, intercept {intercept}")
    if slope == 1 and intercept.is_integer():
        below_zero = min(0, lowest + int(intercept))
        shift = int(intercept) - below_zero
        if highest + shift < 65536:
            return Modality(shift, intercept=float(below_zero))
    return Modality(-lowest, slope, slope * lowest + intercept)


def _lut(item: Dataset, signed: bool) -> tuple[int, Table, int]:
    """(first mapped value, outputs as uint16, bits of an output) of a LUT. PS3.3 C.11.1.1, C.11.2.1.1."""
    n, first, bits = (int(value) for value in item.LUTDescriptor)
    n = n or 65536
    if signed and first > 32767:  # read as unsigned
        first -= 65536
    raw = item.LUTData
    if isinstance(raw, bytes):
        words = ">u2" if item.original_encoding[1] is False else "<u2"  # bytes are as in the file
        table = np.frombuffer(raw, dtype=np.uint8 if len(raw) < 2 * n else words)  # both ways are written
    else:
        table = np.atleast_1d(np.asarray(raw, dtype=np.int64)) & 0xFFFF
    if len(table) < n or not 8 <= bits <= 16:
        raise ValueError(f"a LUT has {len(table)} entries of {bits} bits, its descriptor says {n}")
    return first, table[:n].astype(np.uint16), bits


def tile_values(stored: Values, ds: Dataset) -> tuple[Values, Voi]:
    """Tiles' values (H, W) uint16 of a stored matrix, and a Voi that holds their meaning but no window yet.

    Padding (0028,0120/0121) is a range of stored values; after a modality LUT it gets a value of its own.
    """
    modality = modality_of(ds)
    padding = _padding(ds, modality.shift)  # in stored value + shift
    invert = str(ds.get("PhotometricInterpretation")) == "MONOCHROME1"
    tiles = stored.astype(np.uint16, copy=False)
    if modality.shift:
        tiles = np.add(tiles, np.uint16(modality.shift % 65536))  # wraps; the result is known to fit
    if modality.lut is None:
        return tiles, Voi("percentile", modality.slope, modality.intercept, padding=padding, invert=invert)
    indices = np.arange(65536) - modality.shift - modality.lut_first
    table = modality.lut[np.clip(indices, 0, len(modality.lut) - 1)]
    if padding is not None:
        free = np.setdiff1d(np.arange(65536), modality.lut)[:1]
        table[padding[0] : padding[1] + 1] = free[0] if free.size else 0
        padding = (int(free[0]), int(free[0])) if free.size else None
    return table[tiles], Voi("percentile", padding=padding, invert=invert)


def _padding(ds: Dataset, shift: int) -> tuple[int, int] | None:
    """(first, last) padding value, in stored value + shift. PS3.3 C.7.5.1.1.2, CP-692."""
    value, limit = ds.get("PixelPaddingValue"), ds.get("PixelPaddingRangeLimit")
    if value is None or value == "":
        return None
    ends = [int(value), int(value) if limit is None or limit == "" else int(limit)]
    if int(ds.get("PixelRepresentation", 0)) == 1:
        ends = [end - 65536 if end > 32767 else end for end in ends]  # read as unsigned
    else:
        ends = [end % 65536 for end in ends]
    first, last = max(0, min(ends) + shift), min(65535, max(ends) + shift)
    return (first, last) if first <= last else None


def voi_from_dataset(ds: Dataset, stored: Values) -> tuple[Voi, str]:
    """The Voi of an image and where it came from. See `tiles_and_voi`."""
    _, voi, intensity = tiles_and_voi(ds, stored)
    return voi, intensity


def tiles_and_voi(ds: Dataset, stored: Values) -> tuple[Values, Voi, str]:
    """Tile values (H, W) uint16, their Voi, and its origin: window, lut, fallback or raw.

    A VOI LUT is taken before a window (as pydicom does), of several the one explained as NORMAL, else the
    first; one that is malformed or leaves nearly all of the image black or white is passed over. Without a
    usable one: fixed quantiles inside the breast.
    """
    tiles, plain = tile_values(stored, ds)
    if is_raw(ds):
        return tiles, _percentile_voi(tiles, _raw(ds, plain), _AIR_SHARE), "raw"
    step = max(1, tiles.shape[1] // _SAMPLE_PX)
    sample = tiles[::step, ::step]
    for intensity, find in (("lut", _voi_lut), ("window", _window)):
        found = find(ds)
        if found is not None:
            voi = replace(plain, **found)
            if _is_usable(voi, sample):
                return tiles, voi, intensity
    return tiles, _percentile_voi(tiles, plain), "fallback"


def is_raw(ds: Dataset) -> bool:
    """Whether a header says that its image is For Processing, as its intent or as its class."""
    intent = str(ds.get("PresentationIntentType") or "").strip().upper()
    return intent == "FOR PROCESSING" or ds.get("SOPClassUID") == dc.MG_FOR_PROCESSING


def _raw(ds: Dataset, plain: Voi) -> Voi:
    """How values become grey in a raw image: by Pixel Intensity Relationship and its Sign (PS3.3 C.8.11.3).

    The photometric interpretation says nothing here. Values that are logarithms already are taken as they are;
    the sign is -1 where high values mean little exposure. Without both elements: values grow with exposure.
    """
    is_log = str(ds.get("PixelIntensityRelationship") or "").strip().upper() == "LOG"
    sign = str(ds.get("PixelIntensityRelationshipSign") or "1").strip()
    return replace(plain, kind="percentile" if is_log else "raw_log", invert=sign != "-1")


def _preferred(explanations: Any, n: int) -> int:
    """Index of the one of n that is explained as NORMAL, else 0."""
    words = [explanations] if isinstance(explanations, str) else list(explanations or [])
    normal = [i for i, word in enumerate(words[:n]) if str(word).strip().upper() == "NORMAL"]
    return normal[0] if normal else 0


def _voi_lut(ds: Dataset) -> dict[str, Any] | None:
    items = list(ds.get("VOILUTSequence") or [])
    if not items:
        return None
    item = items[_preferred([item.get("LUTExplanation") for item in items], len(items))]
    signed = int(ds.get("PixelRepresentation", 0)) == 1 or float(ds.get("RescaleIntercept") or 0) < 0
    try:
        first, table, bits = _lut(item, signed)
    except (AttributeError, TypeError, ValueError):
        return None
    return {"kind": "lut", "lut": tuple(table.tolist()), "lut_first": first, "lut_bits": bits}


def _numbers(value: Any) -> list[float]:
    if value is None or value == "":
        return []
    return [float(number) for number in (value if isinstance(value, MultiValue) else [value])]


def _window(ds: Dataset) -> dict[str, Any] | None:
    try:
        centers, widths = _numbers(ds.get("WindowCenter")), _numbers(ds.get("WindowWidth"))
    except (TypeError, ValueError):
        return None
    n = min(len(centers), len(widths))
    if n == 0:
        return None
    index = _preferred(ds.get("WindowCenterWidthExplanation"), n)
    kind = str(ds.get("VOILUTFunction") or "LINEAR").strip().lower()
    center, width = centers[index], widths[index]
    narrowest = 1.0 if kind == "linear" else 1e-9  # C.11.2.1.2: LINEAR wants a width of 1 or more
    if kind not in ("linear", "linear_exact", "sigmoid") or not np.isfinite([center, width]).all():
        return None
    return {"kind": kind, "center": center, "width": width} if width >= narrowest else None


def _is_usable(voi: Voi, sample: Values) -> bool:
    """Whether at least 1 % of a sample of tile values becomes neither black nor white."""
    grey = grey_table(voi, 8)[sample]
    return bool(((grey > 0) & (grey < 255)).mean() >= 0.01)


def _percentile_voi(tiles: Values, plain: Voi, background_share: float = 0.0) -> Voi:
    """A linear window between two fixed quantiles of the values (of their logarithm) inside the breast.

    background_share  while the breast is looked for, so much of the range from black on is background
    """
    step = max(1, tiles.shape[1] // _WORK_PX)
    small = tiles[::step, ::step]
    valid = np.ones(small.shape, dtype=bool)
    if plain.padding is not None:
        valid = (small < plain.padding[0]) | (small > plain.padding[1])
    values = plain.slope * small.astype(np.float64) + plain.intercept
    if plain.kind == "raw_log":
        values = logarithm(values)
    values *= -1 if plain.invert else 1
    if not valid.any():
        return replace(plain, center=0.0, width=1.0)
    low, high = np.quantile(values[valid], (0.0, 0.999))
    rough = np.clip((values - low) / max(high - low, 1e-9) - background_share, 0, 1) * 255 * valid
    inside = breast_mask(rough.astype(np.uint8)) & valid
    ends = np.quantile(values[inside if inside.any() else valid], (LOW_QUANTILE, HIGH_QUANTILE))
    narrowest = 1e-3 if plain.kind == "raw_log" else 1.0
    center, width = float(ends.mean()), max(float(ends[1] - ends[0]), narrowest)
    return replace(plain, center=-center if plain.invert else center, width=width)
