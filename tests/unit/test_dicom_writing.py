"""Mammograms as files: lossless in every transfer syntax, alike in both photometric interpretations."""

from datetime import date
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_voi_lut

from mammo_steps.core import dicom_writing
from mammo_steps.core.decoding import read_pixels

IDENTITY = dicom_writing.Identity("D1", "2.25.1", "2.25.2", "2.25.3", "R", "CC", date(2020, 1, 1), 60)


@pytest.mark.parametrize("syntax", dicom_writing.TRANSFER_SYNTAXES)
def test_every_transfer_syntax_keeps_extreme_values_and_odd_sizes(syntax: str, tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 4096, (67, 71), dtype=np.uint16)
    grey[:, :30], grey[0] = 0, 4095
    machine = dicom_writing.Machine("siemens", "lut", "SRT", "MONOCHROME1", syntax)
    dicom_writing.write_mammogram(tmp_path / "a.dcm", grey, IDENTITY, machine, 0.1)
    assert np.array_equal(read_pixels(tmp_path / "a.dcm")[0], 4095 - grey)


def test_both_photometric_interpretations_look_the_same(tmp_path: Path) -> None:
    grey = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    for habit, kinds in dicom_writing.HABITS.items():
        for voi in kinds.voi:
            shown = {}
            for photometric in ("MONOCHROME1", "MONOCHROME2"):
                machine = dicom_writing.Machine(
                    habit, voi, kinds.code_schemes[0], photometric, dicom_writing.TRANSFER_SYNTAXES[0]
                )
                path = tmp_path / f"{voi}{photometric}.dcm"
                dicom_writing.write_mammogram(path, grey, IDENTITY, machine, 0.1)
                ds = pydicom.dcmread(path)
                shown[photometric] = np.asarray(apply_voi_lut(ds.pixel_array, ds), dtype=float)
            assert np.allclose(4095 - shown["MONOCHROME1"], shown["MONOCHROME2"], atol=1)
            assert shown["MONOCHROME2"][0, 0] < 0.05 * 4095 < 0.9 * 4095 < shown["MONOCHROME2"][-1, -1]


def test_an_unknown_transfer_syntax_is_refused(tmp_path: Path) -> None:
    machine = dicom_writing.Machine("siemens", "linear", "SRT", "MONOCHROME2", "1.2.840.10008.1.2.4.50")
    with pytest.raises(ValueError, match=r"4\.50: wanted one of"):
        dicom_writing.write_mammogram(tmp_path / "a.dcm", np.zeros((8, 8), np.uint16), IDENTITY, machine, 0.1)
    assert not list(tmp_path.iterdir())
