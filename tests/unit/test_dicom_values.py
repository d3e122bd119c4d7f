"""Numbers, dates and closed words out of texts."""

from datetime import date, datetime
from typing import Any

import pytest

from mammo_steps.core.dicom_values import (
    acquired_at,
    bits_stored_of,
    exam_date_of,
    known_uid,
    number,
    photometric_of,
    spacing_mm,
    whole,
    window_of,
)


@pytest.mark.parametrize(
    ("text", "value", "size"),
    [("160", 160.0, 160), ("1.5", 1.5, None), ("-1", -1.0, None), ("nan", None, None), ("1\\2", None, None)]
    + [("", None, None), ("9e9", 9e9, None)],
)
def test_a_number_is_one_finite_number(text: str, value: float | None, size: int | None) -> None:
    assert number({"Rows": text}, "Rows") == value
    assert whole({"Rows": text}, "Rows") == size


def test_no_other_text_passes_as_a_word() -> None:
    assert photometric_of({"PhotometricInterpretation": "MONOCHROME1"}) == "MONOCHROME1"
    assert photometric_of({"PhotometricInterpretation": "OLSEN KARI"}) is None
    assert known_uid("1.2.840.10008.1.2.1") == "1.2.840.10008.1.2.1"
    assert known_uid("1.2.752.24.7.19600403") is None and known_uid("") is None
    assert bits_stored_of({"BitsStored": "12"}) == 12 and bits_stored_of({"BitsStored": "19600403"}) is None


@pytest.mark.parametrize(
    ("fields", "window"),
    [
        ({}, ("none", 0)),
        ({"WindowCenter": "5", "WindowWidth": "9"}, ("linear", 1)),
        ({"WindowCenter": "5\\6", "WindowWidth": "9\\9", "VOILUTFunction": "SIGMOID"}, ("sigmoid", 2)),
        ({"WindowCenter": "5\\6", "WindowWidth": "9", "VOILUTFunction": "LINEAR_EXACT"}, ("linear_exact", 1)),
        ({"WindowCenter": "5", "WindowWidth": ""}, ("none", 0)),
        ({"WindowCenter": "5", "WindowWidth": "9", "VOILUTFunction": "OLSEN"}, ("none", 0)),
        ({"WindowCenter": "5", "WindowWidth": "9", "VOILUTSequence": [{}, {}]}, ("lut", 2)),
    ],
)
def test_windows_and_luts_are_counted(fields: dict[str, Any], window: tuple[str, int]) -> None:
    assert window_of(fields) == window


@pytest.mark.parametrize(
    ("fields", "moment"),
    [
        ({"AcquisitionDateTime": "20150304120102.5+0100"}, datetime(2015, 3, 4, 12, 1, 2, 500_000)),
        ({"AcquisitionDate": "20150304", "AcquisitionTime": "1201"}, datetime(2015, 3, 4, 12, 1)),
        ({"AcquisitionDate": "20150304", "ContentTime": "120000"}, None),
        ({"ContentDate": "2015.03.04", "ContentTime": "12:01:02"}, datetime(2015, 3, 4, 12, 1, 2)),
        ({"AcquisitionDateTime": "2015", "ContentDate": "20150304", "ContentTime": "00"}, None),
        ({"AcquisitionDate": "20150304", "AcquisitionTime": "250000"}, None),
    ],
)
def test_an_image_is_acquired_at_a_date_and_a_time(fields: dict[str, Any], moment: datetime | None) -> None:
    assert acquired_at(fields) == moment


def test_a_date_of_old_files_has_dots() -> None:
    assert exam_date_of({"StudyDate": "1997.02.28"}) == date(1997, 2, 28)
    assert exam_date_of({"StudyDate": "19970230", "ContentDate": "19970301"}) == date(1997, 3, 1)


def test_an_absurd_magnification_spoils_no_spacing() -> None:
    for factor in ("1e-300", "-1", "x", "0"):
        fields = {"EstimatedRadiographicMagnificationFactor": factor, "ImagerPixelSpacing": "0.1\\0.1"}
        assert spacing_mm(fields) == pytest.approx(0.1)


def test_a_spacing_in_a_wrong_unit_is_none() -> None:
    for text in ("1e-30", "0.0014", "9.9", "70"):
        assert spacing_mm({"ImagerPixelSpacing": f"{text}\\{text}"}) is None
    assert spacing_mm({"ImagerPixelSpacing": "70\\70", "PixelSpacing": "0.07\\0.07"}) == pytest.approx(0.07)
