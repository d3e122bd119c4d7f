"""Numbers, dates and words of closed sets out of the texts of a header's elements."""

import functools
import math
import re
from datetime import date, datetime, time

from pydicom.uid import UID

from mammo_steps.core import dicom_codes as dc
from mammo_steps.core.dicom_fields import Fields
from mammo_steps.core.dicom_view import word_of
from mammo_steps.core.terms import OLDEST_YEARS

_PHOTOMETRIC = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT",
                "YBR_RCT", "YBR_PARTIAL_420", "YBR_PARTIAL_422")  # fmt: skip
_INTENTS = {
    "FOR PRESENTATION": "presentation",
    "FOR PROCESSING": "processing",
    dc.MG_FOR_PRESENTATION: "presentation",
    dc.MG_FOR_PROCESSING: "processing",
}
_WINDOWS = {"": "linear", "LINEAR": "linear", "LINEAR_EXACT": "linear_exact", "SIGMOID": "sigmoid"}
_LARGEST = 2**31 - 1
_MOST_WINDOWS = 1000
_MOST_BITS = 64
_CENTRE_WIDTH = ("WindowCenter", "WindowWidth")


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def number(fields: Fields, name: str) -> float | None:
    """An element with one number; None if it is missing or holds anything else."""
    return _number(fields.get(name, ""))


def whole(fields: Fields, name: str) -> int | None:
    """The same for a size or a count: a whole number from 0 to what the tables hold."""
    value = number(fields, name)
    if value is None or not value.is_integer() or not 0 <= value <= _LARGEST:
        return None
    return int(value)


def bits_stored_of(fields: Fields) -> int | None:
    bits = whole(fields, "BitsStored")
    return bits if bits is not None and bits <= _MOST_BITS else None


def photometric_of(fields: Fields) -> str | None:
    """Photometric Interpretation, None if it is none of the standard's."""
    word = word_of(fields, "PhotometricInterpretation")
    return word if word in _PHOTOMETRIC else None


def intents_of(fields: Fields) -> set[str]:
    """presentation, processing, both (a contradiction) or neither: SOP class and intent say the same (A.26)."""
    said = (fields.get("SOPClassUID", ""), word_of(fields, "PresentationIntentType"))
    return {_INTENTS[word] for word in said if word in _INTENTS}


@functools.lru_cache(maxsize=1024)
def known_uid(text: str) -> str | None:
    """A UID of the standard, None for any other text."""
    return text if text and UID(text).name != text else None


def window_of(fields: Fields) -> tuple[str, int]:
    """What the header offers for display, and how many: lut, linear, linear_exact, sigmoid, or none and 0."""
    n_luts = len(fields.get("VOILUTSequence", []))
    if n_luts:
        return "lut", min(n_luts, _MOST_WINDOWS)
    centres, widths = ([text for text in fields.get(name, "").split("\\") if text] for name in _CENTRE_WIDTH)
    n_windows = min(len(centres), len(widths), _MOST_WINDOWS)
    kind = _WINDOWS.get(word_of(fields, "VOILUTFunction"), "none")
    return (kind, n_windows) if n_windows and kind != "none" else ("none", 0)


_SPACING_MM = 0.01, 2.0  # detectors and scanners have 0.04 to 0.2; the rest is a wrong unit


def spacing_mm(fields: Fields) -> float | None:
    """mm per pixel: ImagerPixelSpacing / magnification, else PixelSpacing. None if not square, or no mammogram's."""
    magnification = number(fields, "EstimatedRadiographicMagnificationFactor") or 1.0
    if not 0.5 < magnification < 10:
        magnification = 1.0
    for name, factor in (("ImagerPixelSpacing", magnification), ("PixelSpacing", 1.0)):
        spacing = [_number(text) for text in fields.get(name, "").split("\\")]
        if len(spacing) != 2 or spacing[0] is None or spacing[1] is None:
            continue
        vertical, horizontal = spacing[0], spacing[1]
        if _SPACING_MM[0] <= vertical <= _SPACING_MM[1] and abs(vertical - horizontal) <= 0.01 * vertical:
            return vertical / factor
    return None


def _day(text: str) -> date | None:
    """YYYYMMDD, or YYYY.MM.DD of old files."""
    digits = text.replace(".", "")[:8]
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:])) if len(digits) == 8 else None
    except ValueError:
        return None


def _clock(text: str) -> time | None:
    """HHMMSS.FFFFFF; seconds and their parts may be missing."""
    found = re.fullmatch(r"(\d\d):?(\d\d)(?::?(\d\d)(?:\.(\d{1,6}))?)?", text)
    if not found:
        return None
    hour, minute, second, part = found.groups()
    try:
        return time(int(hour), int(minute), int(second or 0), int((part or "0").ljust(6, "0")))
    except ValueError:
        return None


def exam_date_of(fields: Fields) -> date | None:
    """The date of the study, else that of the acquisition or of the image."""
    days = (_day(fields.get(name, "")) for name in ("StudyDate", "AcquisitionDate", "ContentDate"))
    return next((day for day in days if day is not None), None)


def acquired_at(fields: Fields) -> datetime | None:
    """When the image was taken, else when its content was made; a zone is not looked at."""
    whole_text = re.split(r"[&+-]", fields.get("AcquisitionDateTime", ""))[0]
    pairs = [(whole_text[:8], whole_text[8:])]
    pairs += [(fields.get(f"{of}Date", ""), fields.get(f"{of}Time", "")) for of in ("Acquisition", "Content")]
    for day_text, clock_text in pairs:
        day, clock = _day(day_text), _clock(clock_text)
        if day is not None and clock is not None:
            return datetime.combine(day, clock)
    return None


def age_years_of(fields: Fields, exam_date: date | None) -> int | None:
    """PatientAge in years, else from the date of birth; 90 stands for 90 and above, None for not known."""
    text = word_of(fields, "PatientAge")
    age = int(text[:-1]) if re.fullmatch(r"[0-9]{1,4}Y", text) else 0
    born = _day(fields.get("PatientBirthDate", "")) if not age else None
    if born and exam_date:
        age = exam_date.year - born.year - ((exam_date.month, exam_date.day) < (born.month, born.day))
    return one_class_of_the_oldest(age)


def one_class_of_the_oldest(age: int) -> int | None:
    """90 stands for 90 and above; None for what is no age."""
    return min(age, OLDEST_YEARS) if 0 < age < 130 else None
