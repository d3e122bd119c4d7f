"""Which files are mammograms of the study: the settings, and why a file is left out by its header."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydicom.uid import UID

from mammo_steps.core import dicom_codes as dc
from mammo_steps.core.dicom_fields import Fields, HeaderFields
from mammo_steps.core.dicom_values import intents_of, number, photometric_of, whole
from mammo_steps.core.dicom_view import partial_view, special_view, word_of
from mammo_steps.core.terms import Reason

EXAM_ID_FIELDS = ("StudyInstanceUID", "AccessionNumber")
INTENTS = ("FOR PRESENTATION", "FOR PROCESSING")
IMPLANTS = ("keep", "exclude")
MAX_MAGNIFICATION = 1.2  # estimated radiographic magnification factor of a contact view is 1.0 to 1.1

_MAGNIFICATION = "EstimatedRadiographicMagnificationFactor"
_DECIDING_NUMBERS = ("NumberOfFrames", "SamplesPerPixel", _MAGNIFICATION)

Fault = tuple[Reason, str]  # why a file is left out, and what was found


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
        for name, values in (
            ("exam_id_field", EXAM_ID_FIELDS),
            ("presentation_intent", INTENTS),
            ("implants", IMPLANTS),
        ):
            if getattr(self, name) not in values:
                raise ValueError(f"{name} is {getattr(self, name)!r}, wanted one of {values}")


def faults_of_class(found: HeaderFields, settings: HeaderSettings) -> Iterator[Fault]:
    """Why the file is no two-dimensional mammogram of the wanted kind; the first one counts."""
    fields = found.fields
    odd = [name for name in _DECIDING_NUMBERS if fields.get(name) and number(fields, name) is None]
    for name in (*found.broken, *odd):
        yield Reason.UNREADABLE_HEADER, f"element {name}"
    sop_class = fields.get("SOPClassUID", "")
    if sop_class == dc.BREAST_TOMOSYNTHESIS or (number(fields, "NumberOfFrames") or 1) > 1:
        yield Reason.MULTI_FRAME, ""
    accepted = {dc.MG_FOR_PRESENTATION, dc.MG_FOR_PROCESSING}
    modality = word_of(fields, "Modality")
    if modality != "MG" and (modality or sop_class not in accepted):  # public data sets leave it out
        yield Reason.NOT_MAMMOGRAPHY, "Modality is not MG"
    if settings.accept_secondary_capture:
        accepted.add(dc.SECONDARY_CAPTURE)
    if sop_class not in accepted:
        known = UID(sop_class).name if UID(sop_class).type == "SOP Class" else "unknown"
        yield Reason.NOT_MAMMOGRAPHY, f"SOP class {known}"
    yield from _faults_of_intent(fields, settings)
    if not whole(fields, "Rows") or not whole(fields, "Columns") or not found.has_pixels:
        yield Reason.NO_PIXELS, ""
    grey = ("MONOCHROME1", "MONOCHROME2")
    if (number(fields, "SamplesPerPixel") or 1) != 1 or photometric_of(fields) not in grey:
        yield Reason.NOT_GREYSCALE, ""


def _faults_of_intent(fields: Fields, settings: HeaderSettings) -> Iterator[Fault]:
    """A study is of one kind of image; what is not marked as raw is for presentation (films)."""
    intents = intents_of(fields)
    detail = "SOP class and PresentationIntentType contradict each other" if len(intents) > 1 else ""
    if settings.presentation_intent == "FOR PROCESSING":
        if intents != {"processing"}:
            yield Reason.FOR_PRESENTATION, detail
    elif "processing" in intents:
        yield Reason.FOR_PROCESSING, detail


def faults_of_image(fields: Fields, kept: Mapping[str, Any], settings: HeaderSettings) -> Iterator[Fault]:
    """Why a mammogram is not a standard view of the study; `kept` is what `Header` has of it."""
    missing = [name for name in ("exam_id", "image_id", "patient_id") if kept[name] is None]
    if missing:
        yield Reason.MISSING_ID, f"no {', '.join(missing)}"
    magnification = number(fields, _MAGNIFICATION)
    if magnification is not None and magnification > MAX_MAGNIFICATION:
        yield Reason.SPECIAL_VIEW, f"magnification factor {magnification:.2f}"
    special = special_view(fields)
    if special:
        yield Reason.SPECIAL_VIEW, special
    if kept["partial"] and not settings.accept_partial_views:
        yield Reason.PARTIAL_VIEW, partial_view(fields)[1]
    if kept["implant_displaced"] and not settings.accept_implant_displaced:
        yield Reason.IMPLANT_DISPLACED, ""
    if settings.implants == "exclude" and (kept["implant"] or kept["implant_displaced"]):
        yield Reason.IMPLANT, ""
    if kept["synthetic"] and not settings.accept_synthetic:
        yield Reason.SYNTHETIC, ""
