"""How an image is shown, for its presentation state: the image's own modality and VOI transformations, made valid.

A state has one window or one table (dcmtk refuses several), where an image may offer both and several of each: the
first table counts, or else the first window, which is what viewers show unasked. Tables of an image have any number
of bits, those of a state 8 or 16 (PS3.3 C.11.8.1.1).
"""

import math

import numpy as np
from highdicom.content import (
    VOILUT,
    ModalityLUT,
    ModalityLUTTransformation,
    PresentationLUTTransformation,
)
from highdicom.pr import SoftcopyVOILUTTransformation
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

_READ = (
    "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept", "RescaleType",
    "VOILUTSequence", "WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction",
)  # fmt: skip
_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def presentation_of(source: Dataset) -> PresentationLUTTransformation:
    """A state has no photometric interpretation of its own: its inversion is that of MONOCHROME1."""
    inverted = source.get("PhotometricInterpretation") == "MONOCHROME1"
    return PresentationLUTTransformation(presentation_lut_shape="INVERSE" if inverted else "IDENTITY")


def modality_of(source: Dataset) -> ModalityLUTTransformation | None:
    """The image's table or slope and intercept; None where it has neither."""
    if source.get("ModalityLUTSequence"):
        item = source.ModalityLUTSequence[0]
        first, values = _first(item), _values(item)
        kind = item.get("ModalityLUTType") or "US"
        return ModalityLUTTransformation(modality_lut=ModalityLUT(kind, first, values))
    slope, intercept = _number(source, "RescaleSlope"), _number(source, "RescaleIntercept")
    if slope is None and intercept is None:
        return None
    return ModalityLUTTransformation(
        rescale_slope=1.0 if slope is None else slope,
        rescale_intercept=0.0 if intercept is None else intercept,
        rescale_type=source.get("RescaleType") or "US",
    )


def voi_of(source: Dataset) -> list[SoftcopyVOILUTTransformation] | None:
    """The image's first table or window; None where it has neither."""
    if source.get("VOILUTSequence"):
        item = source.VOILUTSequence[0]
        bits = int(item.LUTDescriptor[2])
        wide = np.rint(_values(item) * (65535 / (2**bits - 1))).clip(0, 65535).astype(np.uint16)
        table = VOILUT(_first(item), wide, item.get("LUTExplanation") or None)
        return [SoftcopyVOILUTTransformation(voi_luts=[table])]
    centre, width = _number(source, "WindowCenter"), _number(source, "WindowWidth")
    if centre is None or width is None or width <= 0:
        return None
    function = source.get("VOILUTFunction")
    return [
        SoftcopyVOILUTTransformation(
            window_center=centre,
            window_width=width,
            voi_lut_function=function if function in _FUNCTIONS else None,
        )
    ]


def without_display(source: Dataset) -> Dataset:
    """The header without what is read above: highdicom would copy it by itself, or stop at what does not fit."""
    bare = Dataset()
    for element in source:
        if element.keyword not in _READ:
            bare.add(element)
    return bare


def _number(source: Dataset, name: str) -> float | None:
    """The first value; None for an empty one, or one that is no number."""
    value = source.get(name)
    if isinstance(value, MultiValue | list):
        value = value[0] if value else None
    if value is None or not math.isfinite(float(value)):
        return None
    return float(value)


def _first(item: Dataset) -> int:
    """The first value that a table maps."""
    return int(item.LUTDescriptor[1])


def _values(item: Dataset) -> np.ndarray[tuple[int], np.dtype[np.uint16]]:
    """A table's values; its number of them is 0 for 65,536 (PS3.3 C.11.1.1)."""
    n, data = int(item.LUTDescriptor[0]) or 65536, item.LUTData
    values = np.frombuffer(data, "<u2") if isinstance(data, bytes) else np.array(data, np.uint16)
    return values[:n].astype(np.uint16)
