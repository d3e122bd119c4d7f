"""Mammograms written for a test: a half disc of tissue on a background of zeros, and any header."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from mammo_steps.core.dicom_writing import Identity, Machine, write_mammogram

EXPLICIT = "1.2.840.10008.1.2.1"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"

Grey = np.ndarray[tuple[int, int], np.dtype[np.uint16]]
Change = Callable[[Dataset], object]


def half_disc(shape: tuple[int, int] = (160, 120), side: str = "left", seed: int = 0) -> Grey:
    """(H, W) 12-bit grey levels: a breast-like half disc at one edge, about 1500 with noise, elsewhere 0."""
    H, W = shape
    row, col = np.mgrid[:H, :W]
    if side == "right":
        col = W - 1 - col
    inside = ((row - H / 2) / (0.42 * H)) ** 2 + (col / (0.7 * W)) ** 2 < 1
    noise = np.random.default_rng(seed).integers(-300, 300, shape)
    return np.where(inside, 1500 + noise, 0).astype(np.uint16)


def make_dicom(
    path: Path,
    grey: Grey | None = None,
    laterality: str = "L",
    view: str = "CC",
    ids: tuple[str, str, str] = ("P1", "1.2.10", "1.2.10.1"),
    machine: Machine | None = None,
    change: Callable[[Dataset], object] | None = None,
) -> Path:
    """Write a mammogram; `ids` are those of woman, exam and image; `change` edits its header afterwards."""
    if grey is None:
        grey = half_disc(side="left" if laterality == "L" else "right")
    patient_id, exam_id, image_id = ids
    identity = Identity(
        patient_id, exam_id, "1.2.9", image_id, laterality, view, date(2015, 3, 4), age_years=61
    )
    machine = machine or Machine("hologic", "linear_exact", "SCT", "MONOCHROME2", EXPLICIT)
    write_mammogram(path, grey, identity, machine, spacing_mm=0.07)
    if change is not None:
        edit(path, change)
    return path


def edit(path: Path, change: Callable[[Dataset], object]) -> None:
    """Change a file's header in place."""
    ds = pydicom.dcmread(path)
    change(ds)
    ds.save_as(path, enforce_file_format=True)


def put(**values: Any) -> Change:
    """A change that sets elements; None deletes one."""

    def change(ds: Dataset) -> None:
        for name, value in values.items():
            if value is None:
                delattr(ds, name)
            else:
                setattr(ds, name, value)

    return change


def coded(value: str, scheme: str, *modifiers: tuple[str, str]) -> Dataset:
    """An item of a code sequence; `modifiers` are codes of the view's modifiers inside it."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "some words"
    if modifiers:
        item.ViewModifierCodeSequence = Sequence([coded(*modifier) for modifier in modifiers])
    return item


def view_code(value: str, scheme: str, *modifiers: tuple[str, str]) -> Change:
    """A change that names the view by its code alone."""
    return put(ViewCodeSequence=Sequence([coded(value, scheme, *modifiers)]), ViewPosition="")
