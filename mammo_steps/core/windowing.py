"""From stored values to grey levels (PS3.3 C.11.1, C.11.2; PS3.4 N.2).

Order: padding is found in stored values -> modality LUT -> VOI (window or LUT) -> MONOCHROME1 inverts the
output range -> padding becomes background (0). Tiles hold the values after the modality LUT as uint16; a
`Voi` says how they become grey levels, as one table of 65,536 entries. Nothing depends on an image's largest
value.
"""

import base64
import dataclasses
import functools
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import cv2
import numpy as np

from mammo_steps.core.recipe import Recipe

N_VALUES = 65536
KINDS = ("linear", "linear_exact", "sigmoid", "lut", "percentile", "raw_log")

# Without a usable window: black and white lie at these quantiles of the values inside the breast.
LOW_QUANTILE, HIGH_QUANTILE = 0.005, 0.995

# What a shard's grey levels depend on besides its settings; a changed rule gets a new version, and then all
# shards, weights and scores of the old one are refused (core.recipe).
RECIPE = {
    "version": 2,
    "voi": "lut before window; NORMAL or first",
    "fallback_quantiles": [LOW_QUANTILE, HIGH_QUANTILE],
    "raw": "logarithm between the same quantiles, little exposure is white",
    "resize": "window, then area mean",
    "orientation": "chest wall left, by the pixels where they are clear, else by the header",
}

Table = np.ndarray[tuple[int], np.dtype[Any]]
Values = np.ndarray[tuple[int, int], np.dtype[Any]]


@dataclass(frozen=True)
class Voi:
    """How a tile's value becomes a grey level.

    slope, intercept  value after the modality LUT = slope x tile value + intercept
    kind              linear, linear_exact, sigmoid, lut, percentile (no usable window in the header), or
                      raw_log (raw images, which have none)
    center, width     of the window, in values after the modality LUT; of raw_log in their natural logarithm
    lut               outputs of the VOI LUT: value `lut_first` (and below) -> lut[0]
    lut_bits          an output of 2^lut_bits - 1 is white
    padding           (first, last) tile value that is padding, None = no padding
    invert            MONOCHROME1; in a raw image: low values mean little exposure, dense tissue
    """

    kind: str
    slope: float = 1.0
    intercept: float = 0.0
    center: float = 0.0
    width: float = 0.0
    lut: tuple[int, ...] = ()
    lut_first: int = 0
    lut_bits: int = 0
    padding: tuple[int, int] | None = None
    invert: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}, wanted one of {KINDS}")

    def to_json(self) -> str:
        """One line; the LUT as base64 of zlib of little-endian uint16."""
        fields = dataclasses.asdict(self)
        packed = zlib.compress(np.asarray(self.lut, dtype="<u2").tobytes())
        fields["lut"] = base64.b64encode(packed).decode() if self.lut else ""
        return json.dumps(fields)

    @classmethod
    def from_json(cls, text: str) -> Self:
        fields = json.loads(text)
        packed = zlib.decompress(base64.b64decode(fields["lut"])) if fields["lut"] else b""
        fields["lut"] = tuple(np.frombuffer(packed, dtype="<u2").tolist())
        fields["padding"] = None if fields["padding"] is None else tuple(fields["padding"])
        return cls(**fields)


@functools.lru_cache(maxsize=8)  # an image's table is asked for twice, and many images share one
def grey_table(voi: str | Voi, bits: int) -> Table:
    """Grey level of each tile value: (65536,) uint8 or uint16, 0 = black = background. Not to be written to."""
    if bits not in (8, 16):
        raise ValueError(f"bits is {bits}, wanted 8 or 16")
    if isinstance(voi, str):
        voi = Voi.from_json(voi)
    values = voi.slope * np.arange(N_VALUES) + voi.intercept
    share = _share_of_white(voi, values)
    if voi.invert:
        share = 1.0 - share
    table = np.rint(share * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    if voi.padding is not None:
        table[voi.padding[0] : voi.padding[1] + 1] = 0
    table.flags.writeable = False
    return np.asarray(table)


def _share_of_white(voi: Voi, values: np.ndarray[Any, Any]) -> Any:
    """The VOI transformation with an output range of 0..1. PS3.3 C.11.2.1.2, C.11.2.1.3."""
    if voi.kind == "lut":
        index = np.clip(np.rint(values) - voi.lut_first, 0, len(voi.lut) - 1).astype(np.intp)
        return np.clip(np.asarray(voi.lut, dtype=np.float64)[index] / (2**voi.lut_bits - 1), 0.0, 1.0)
    if voi.kind == "sigmoid":
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - voi.center) / voi.width, -700, 700)))
    if voi.kind == "linear":  # width 1: a step, no division
        return np.clip((values - (voi.center - 0.5)) / max(voi.width - 1.0, 1e-6) + 0.5, 0.0, 1.0)
    if voi.kind == "raw_log":
        values = logarithm(values)
    return np.clip((values - voi.center) / voi.width + 0.5, 0.0, 1.0)


def logarithm(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Natural logarithm of detector values; those below 1 count as 1."""
    return np.asarray(np.log(np.maximum(values, 1.0)))


def apply_table(values: Values, table: Table) -> Values:
    """Look up every tile value (H, W) uint16 in the table (65536,)."""
    try:
        return np.asarray(cv2.LUT(values, table))
    except cv2.error:  # OpenCV before 5 has no table for uint16; NumPy takes five times as long
        return np.asarray(table[values])


def shard_recipe(settings: Mapping[str, Any]) -> Recipe:
    """Everything that the grey levels of a shard depend on: make_shards.settings, and the rules above."""
    return Recipe().then("make_shards", {"settings": dict(settings), "rules": RECIPE})
