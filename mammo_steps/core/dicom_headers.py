"""Reading the header of one file: what it has is gathered first, then it is decided whether the file is taken.

Nothing but numbers, dates, ids and words of closed sets is kept; the model's name alone may be the maker's own
text, for the private tables. Details never hold text from a header: that may name a woman.
"""

import logging
import warnings
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import pydicom
from pydicom.errors import InvalidDicomError

from mammo_steps.core.dicom_fields import Fields, HeaderFields, read_fields
from mammo_steps.core.dicom_values import (
    acquired_at,
    age_years_of,
    bits_stored_of,
    exam_date_of,
    intents_of,
    known_uid,
    one_class_of_the_oldest,
    photometric_of,
    spacing_mm,
    whole,
    window_of,
)
from mammo_steps.core.dicom_view import (
    is_implant_displaced,
    is_synthetic,
    laterality_of,
    partial_view,
    view_of,
    word_of,
)
from mammo_steps.core.header_choice import HeaderSettings, faults_of_class, faults_of_image
from mammo_steps.core.labels import FactsOf, ImageFacts
from mammo_steps.core.machines import model_of, vendor_of
from mammo_steps.core.terms import Reason

_YES_NO = {"YES": True, "NO": False}
_NOTHING_TOLD = ImageFacts()


@dataclass(frozen=True)
class Header:
    """What we keep of a header, None where it has nothing; ids as in the archive, sizes of the stored matrix.

    acquired  date and time at which the image was taken
    model     one of core.machines.MODELS, or the maker's own text: it must not leave the private tables
    reason    why the file is left out, with what was found in `detail`; None = taken
    The rest is described in core.columns, table `headers`.
    """

    patient_id: str | None = None
    exam_id: str | None = None
    image_id: str | None = None
    laterality: str | None = None
    view: str | None = None
    height_px: int | None = None
    width_px: int | None = None
    photometric: str | None = None
    bits_stored: int | None = None
    transfer_syntax: str | None = None
    vendor: str | None = None
    pixel_spacing_mm: float | None = None
    exam_date: date | None = None
    acquired: datetime | None = None
    age_years: int | None = None
    model: str | None = None
    intent: str | None = None
    window: str | None = None
    n_windows: int | None = None
    implant: bool | None = None
    implant_displaced: bool | None = None
    partial: bool | None = None
    synthetic: bool | None = None
    burned_in: bool | None = None
    reason: Reason | None = None
    detail: str = ""


def quiet_pydicom() -> None:
    """Keep pydicom's warnings and log lines, which may quote a header, out of our logs."""
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    warnings.filterwarnings("ignore", module="pydicom")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)


def read_header(
    path: Path, settings: HeaderSettings, facts_of: FactsOf | None = None, relative: str = ""
) -> Header:
    """The header of a file of whatever kind; `reason` is None for a mammogram of the study alone.

    facts_of  the data set's own facts about an image, by `relative`, its path below the archive
    Only errors of the file system are raised.
    """
    try:
        with path.open("rb") as file:
            found, ds = read_fields(file)
            facts = _NOTHING_TOLD if facts_of is None else facts_of(relative, ds)
        return _header(found, facts, settings)
    except InvalidDicomError:
        return Header(reason=Reason.NOT_DICOM, detail="no DICOM prefix")
    except OSError as error:
        if error.errno is None:  # not of the file system, whatever its name
            return Header(reason=Reason.UNREADABLE_HEADER, detail=type(error).__name__)
        raise
    except MemoryError:  # what to do then is for the caller to say
        raise
    except Exception as error:  # a malformed file makes pydicom raise almost anything
        return Header(reason=Reason.UNREADABLE_HEADER, detail=type(error).__name__)


def _header(found: HeaderFields, facts: ImageFacts, settings: HeaderSettings) -> Header:
    fields = found.fields
    laterality = laterality_of(fields, facts.laterality)
    view = view_of(fields, facts.view, settings.accept_ml_as_mlo)
    kept = {
        "patient_id": facts.patient_id or fields.get("PatientID") or None,
        "exam_id": facts.exam_id or fields.get(settings.exam_id_field) or None,
        "image_id": facts.image_id or fields.get("SOPInstanceUID") or None,
        "laterality": laterality.word,
        "view": view.word,
        **_matrix(found),
        **_flags(fields, facts),
        **_time(fields, facts),
        "vendor": vendor_of(fields.get("Manufacturer", "")),
        "model": model_of(fields.get("ManufacturerModelName", "")),
    }
    faults = chain(
        [(facts.reason, facts.detail)],
        faults_of_class(found, settings),
        faults_of_image(fields, kept, settings),
        [(laterality.reason, laterality.detail), (view.reason, view.detail)],
    )
    reason, detail = next(((reason, detail) for reason, detail in faults if reason), (None, ""))
    return Header(**kept, reason=reason, detail=detail)


def _matrix(found: HeaderFields) -> dict[str, Any]:
    voi, n_windows = window_of(found.fields)
    return {
        "height_px": whole(found.fields, "Rows"),
        "width_px": whole(found.fields, "Columns"),
        "photometric": photometric_of(found.fields),
        "bits_stored": bits_stored_of(found.fields),
        "transfer_syntax": known_uid(found.transfer_syntax),
        "pixel_spacing_mm": spacing_mm(found.fields),
        "window": voi,
        "n_windows": n_windows,
    }


def _flags(fields: Fields, facts: ImageFacts) -> dict[str, Any]:
    implant, intents = _YES_NO.get(word_of(fields, "BreastImplantPresent")), intents_of(fields)
    return {
        "intent": intents.pop() if len(intents) == 1 else None,
        "implant": implant if facts.implant is None else facts.implant,
        "implant_displaced": is_implant_displaced(fields),
        "partial": partial_view(fields)[0],
        "synthetic": is_synthetic(fields) if facts.synthetic is None else facts.synthetic,
        "burned_in": _YES_NO.get(word_of(fields, "BurnedInAnnotation")),
    }


def _time(fields: Fields, facts: ImageFacts) -> dict[str, Any]:
    exam_date = facts.exam_date or exam_date_of(fields)
    told = facts.age_years
    return {
        "exam_date": exam_date,
        "acquired": acquired_at(fields),
        "age_years": age_years_of(fields, exam_date) if told is None else one_class_of_the_oldest(told),
    }
