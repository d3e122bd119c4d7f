"""Reading the header of one mammogram, and refusing everything that is not a standard CC or MLO image.

Exceptions raised here name elements, codes and numbers, never text from a header: that may name a woman.
"""

import logging
import warnings
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from mammo_steps.core import dicom_codes as dc
from mammo_steps.core.dicom_view import laterality_of, refuse_special_view, view_of
from mammo_steps.core.exclusions import ExclusionError
from mammo_steps.core.terms import Reason

EXAM_ID_FIELDS = ("StudyInstanceUID", "AccessionNumber")
MAX_MAGNIFICATION = 1.2  # estimated radiographic magnification factor of a contact view is 1.0 to 1.1
OLDEST_YEARS = 90  # PS3.15 de-identification: ages of 90 and above are one class

_TAGS = [
    "SOPClassUID", "SOPInstanceUID", "Modality", "ImageType", "PresentationIntentType", "NumberOfFrames",
    "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored",
    "PatientID", "StudyInstanceUID", "AccessionNumber", "StudyDate", "AcquisitionDate", "ContentDate",
    "PatientAge", "PatientBirthDate", "Manufacturer", "ImageLaterality", "Laterality",
    "SharedFunctionalGroupsSequence", "ViewCodeSequence", "ViewModifierCodeSequence", "ViewPosition",
    "PaddleDescription", "PartialView", "PartialViewCodeSequence", "PartialViewDescription",
    "EstimatedRadiographicMagnificationFactor", "ImagerPixelSpacing", "PixelSpacing",
    "BreastImplantPresent", "SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription",
]  # fmt: skip

# A word in Manufacturer (0008,0070) -> our name
_VENDOR_WORDS = {
    "siemens": "siemens",
    "hologic": "hologic",
    "lorad": "hologic",
    "ge ": "ge",
    "ge med": "ge",
    "ge health": "ge",
    "general electric": "ge",
    "fuji": "fuji",
    "philips": "philips",
    "planmed": "planmed",
    "sectra": "sectra",
    "giotto": "ims",
    "ims": "ims",
}


@dataclass(frozen=True)
class HeaderSettings:
    """What counts as a mammogram of ours.

    exam_id_field               StudyInstanceUID or AccessionNumber: which element names one screening visit
    presentation_intent         FOR PRESENTATION or FOR PROCESSING (raw images); a study has one kind
    accept_ml_as_mlo            take ML views as MLO (data sets that write ML for MLO)
    accept_synthetic            take two-dimensional images computed from tomosynthesis
    accept_secondary_capture    take mammograms (Modality MG) of the Secondary Capture class (digitised film)
    accept_partial_views        take images of a part of a breast that is larger than the detector
    accept_implant_displaced    take views with the implant pushed back
    implants                    keep or exclude images of breasts with an implant
    """

    exam_id_field: str
    presentation_intent: str
    accept_ml_as_mlo: bool
    accept_synthetic: bool
    accept_secondary_capture: bool
    accept_partial_views: bool
    accept_implant_displaced: bool
    implants: str

    def __post_init__(self) -> None:
        if self.exam_id_field not in EXAM_ID_FIELDS:
            raise ValueError(f"exam_id_field is {self.exam_id_field!r}, wanted one of {EXAM_ID_FIELDS}")


@dataclass(frozen=True)
class Header:
    """What we keep of a header; ids as in the archive. Sizes in pixels of the stored matrix."""

    patient_id: str
    exam_id: str
    image_id: str
    laterality: str
    view: str
    height_px: int
    width_px: int
    photometric: str
    bits_stored: int
    transfer_syntax: str
    vendor: str
    pixel_spacing_mm: float | None = None
    exam_date: date | None = None
    age_years: int | None = None
    implant: bool | None = None


class ExcludedFileError(ExclusionError):
    """A file that is left out, with those of its ids that could be read (as in the archive, never shown)."""

    def __init__(self, reason: Reason, detail: str, ids: dict[str, str]) -> None:
        super().__init__(reason, detail)
        self.ids = ids


def quiet_pydicom() -> None:
    """Keep pydicom's warnings and log lines, which may quote a header, out of our logs."""
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    warnings.filterwarnings("ignore", module="pydicom")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)


def read_header(path: Path, settings: HeaderSettings) -> Header:
    """The header of a standard CC or MLO mammogram for presentation; ExcludedFileError for any other file."""
    ids: dict[str, str] = {}
    try:
        with path.open("rb") as file:
            ds = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(_TAGS))
            ids |= _ids(ds, settings)
            return _header(ds, file, settings)
    except InvalidDicomError:
        raise ExcludedFileError(Reason.NOT_DICOM, "no DICOM prefix", ids) from None
    except ExclusionError as error:
        raise ExcludedFileError(error.reason, error.detail, ids) from None
    except OSError:
        raise
    except Exception as error:  # a malformed file makes pydicom raise almost anything
        raise ExcludedFileError(Reason.UNREADABLE_HEADER, type(error).__name__, ids) from None


def _ids(ds: Dataset, settings: HeaderSettings) -> dict[str, str]:
    """patient_id, exam_id, image_id as far as the header has them."""
    names = {"patient_id": "PatientID", "exam_id": settings.exam_id_field, "image_id": "SOPInstanceUID"}
    found = {name: text_of(ds, element) for name, element in names.items()}
    return {name: text for name, text in found.items() if text}


def _header(ds: Dataset, file: BinaryIO, settings: HeaderSettings) -> Header:
    _refuse_other_classes(ds, settings)
    syntax = UID(str(ds.file_meta.get("TransferSyntaxUID", "")))
    rows, columns = _int(ds, "Rows"), _int(ds, "Columns")
    # pydicom stops in front of the pixel data; a deflated file is read to its end
    if not rows or not columns or (syntax != DeflatedExplicitVRLittleEndian and not file.read(1)):
        raise ExclusionError(Reason.NO_PIXELS)
    photometric = text_of(ds, "PhotometricInterpretation")
    if (_int(ds, "SamplesPerPixel") or 1) != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise ExclusionError(Reason.NOT_GREYSCALE)
    ids = _ids(ds, settings)
    missing = {"patient_id", "exam_id", "image_id"} - set(ids)
    if missing:
        raise ExclusionError(Reason.MISSING_ID, f"no {', '.join(sorted(missing))}")
    magnification = _float(ds, "EstimatedRadiographicMagnificationFactor")
    if magnification is not None and magnification > MAX_MAGNIFICATION:
        raise ExclusionError(Reason.SPECIAL_VIEW, f"magnification factor {magnification:.2f}")
    refuse_special_view(ds, settings.accept_synthetic)
    exam_date = _exam_date(ds)
    return Header(
        **ids,
        laterality=laterality_of(ds),
        view=view_of(ds, settings.accept_ml_as_mlo),
        height_px=rows,
        width_px=columns,
        photometric=photometric,
        bits_stored=_int(ds, "BitsStored") or 0,
        transfer_syntax=str(syntax),
        vendor=_vendor(text_of(ds, "Manufacturer")),
        pixel_spacing_mm=_spacing_mm(ds, magnification),
        exam_date=exam_date,
        age_years=_age_years(ds, exam_date),
        implant={"YES": True, "NO": False}.get(text_of(ds, "BreastImplantPresent")),
    )


def _refuse_other_classes(ds: Dataset, settings: HeaderSettings) -> None:
    """Tomosynthesis, raw images and other modalities. PS3.3 A.26: class and intent say the same."""
    sop_class, intent = text_of(ds, "SOPClassUID"), text_of(ds, "PresentationIntentType")
    if sop_class == dc.BREAST_TOMOSYNTHESIS or (_int(ds, "NumberOfFrames") or 1) > 1:
        raise ExclusionError(Reason.MULTI_FRAME)
    if text_of(ds, "Modality") != "MG":
        raise ExclusionError(Reason.NOT_MAMMOGRAPHY, "Modality is not MG")
    if sop_class == dc.MG_FOR_PROCESSING or intent == "FOR PROCESSING":
        raise ExclusionError(Reason.FOR_PROCESSING)
    accepted = {dc.MG_FOR_PRESENTATION}
    if settings.accept_secondary_capture:
        accepted.add(dc.SECONDARY_CAPTURE)
    if sop_class not in accepted:
        name = UID(sop_class).name if UID(sop_class).type == "SOP Class" else "unknown"
        raise ExclusionError(Reason.NOT_MAMMOGRAPHY, f"SOP class {name}")


def text_of(ds: Dataset, name: str) -> str:
    value = ds.get(name)
    return "" if value is None else str(value).strip()


def _int(ds: Dataset, name: str) -> int | None:
    value = ds.get(name)
    return None if value in (None, "") else int(value)


def _float(ds: Dataset, name: str) -> float | None:
    value = ds.get(name)
    return None if value in (None, "") else float(value)


def _vendor(manufacturer: str) -> str:
    words = f"{manufacturer.lower()} "
    return next((vendor for word, vendor in _VENDOR_WORDS.items() if words.startswith(word)), "other")


def _spacing_mm(ds: Dataset, magnification: float | None) -> float | None:
    """mm per pixel: ImagerPixelSpacing / magnification, else PixelSpacing. None if not square."""
    for name, factor in (("ImagerPixelSpacing", magnification or 1.0), ("PixelSpacing", 1.0)):
        spacing: Any = ds.get(name)
        if spacing is not None and not isinstance(spacing, str) and len(spacing) == 2:
            vertical, horizontal = float(spacing[0]), float(spacing[1])
            if 0 < vertical < 10 and abs(vertical - horizontal) <= 0.01 * vertical:
                return vertical / factor
    return None


def _day(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8])) if len(text) >= 8 else None
    except ValueError:
        return None


def _exam_date(ds: Dataset) -> date | None:
    days = (_day(text_of(ds, name)) for name in ("StudyDate", "AcquisitionDate", "ContentDate"))
    return next((day for day in days if day is not None), None)


def _age_years(ds: Dataset, exam_date: date | None) -> int | None:
    """PatientAge in years, else from the date of birth; 90 stands for 90 and above, 0 for not known."""
    text = text_of(ds, "PatientAge").upper()
    age = int(text[:-1]) if text[:-1].isdigit() and text.endswith("Y") else 0
    born = _day(text_of(ds, "PatientBirthDate"))
    if not age and born and exam_date:
        age = exam_date.year - born.year - ((exam_date.month, exam_date.day) < (born.month, born.day))
    return min(age, OLDEST_YEARS) if 0 < age < 130 else None
