"""Which breast and which view a header names, with its contradictions (PS3.3 C.8.11.7)."""

from pydicom.dataset import Dataset

from mammo_steps.core import dicom_codes as dc
from mammo_steps.core.exclusions import ExclusionError
from mammo_steps.core.terms import Reason

# Free text is looked at only where the coded element is missing.
_TEXTS = ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription")


def _word(ds: Dataset, name: str) -> str:
    value = ds.get(name)
    return "" if value is None else str(value).strip().upper()


def _text(ds: Dataset) -> str:
    return " | ".join(_word(ds, name) for name in _TEXTS)


def _items(ds: Dataset, name: str) -> list[Dataset]:
    return list(ds.get(name) or [])


def laterality_of(ds: Dataset) -> str:
    """L or R: Image Laterality (0020,0062), Laterality (0020,0060), Frame Laterality (0020,9072), then text.

    Elements that contradict each other are a conflict, never a guess. B (both) names no side: as the series'
    laterality it contradicts nothing.
    """
    elements = [_word(ds, "ImageLaterality"), _word(ds, "Laterality")]
    for group in _items(ds, "SharedFunctionalGroupsSequence"):
        elements += [_word(item, "FrameLaterality") for item in _items(group, "FrameAnatomySequence")]
    sides = {element for element in elements if element in ("L", "R")}
    if len(sides) > 1:
        raise ExclusionError(Reason.LATERALITY_CONFLICT, "L and R in the same header")
    if elements[0] == "B":
        raise ExclusionError(Reason.MISSING_LATERALITY, "the image shows both breasts")
    side = next(iter(sides), None) or dc.laterality_in_text(_text(ds))
    if side is None:
        raise ExclusionError(Reason.MISSING_LATERALITY)
    return side


def view_of(ds: Dataset, accept_ml_as_mlo: bool) -> str:
    """CC or MLO: View Code Sequence (0054,0220) checked against View Position (0018,5101), then text."""
    known = {dc.VIEW_OF_CODE.get(code) for code in dc.codes(_items(ds, "ViewCodeSequence"))} - {None}
    position = _word(ds, "ViewPosition")
    if position in ("CC", "MLO") or position in dc.OTHER_POSITIONS:
        known.add(position)
    named = {"MLO" if view == "ML" and accept_ml_as_mlo else str(view) for view in known}
    if len(named) > 1:
        raise ExclusionError(Reason.VIEW_CONFLICT, "codes and ViewPosition name " + ", ".join(sorted(named)))
    if named:
        view = named.pop()
    else:
        meanings = [_word(item, "CodeMeaning") for item in _items(ds, "ViewCodeSequence")]
        view = dc.view_in_text(" | ".join([*meanings, position])) or dc.view_in_text(_text(ds)) or ""
    if not view and (position or _items(ds, "ViewCodeSequence")):
        raise ExclusionError(Reason.OTHER_VIEW, "a view that is in no code list")
    if not view:
        raise ExclusionError(Reason.MISSING_VIEW)
    if view not in ("CC", "MLO"):
        raise ExclusionError(Reason.OTHER_VIEW, view)
    return view


def refuse_special_view(ds: Dataset, accept_synthetic: bool) -> None:
    """Raise for spot, magnification, rolled, implant-displaced, partial, biopsy, specimen, synthetic images.

    The modifier codes (0054,0222) stand inside the view's item or at the top level.
    """
    views = _items(ds, "ViewCodeSequence")
    modifiers = _items(ds, "ViewModifierCodeSequence")
    for view in views:
        modifiers += _items(view, "ViewModifierCodeSequence")
    for code in dc.codes(modifiers):
        raise ExclusionError(Reason.SPECIAL_VIEW, dc.MODIFIER_OF_CODE.get(code, "unknown view modifier"))
    if _word(ds, "PartialView") == "YES" or _items(ds, "PartialViewCodeSequence"):
        raise ExclusionError(Reason.SPECIAL_VIEW, "partial view")
    image_type = [str(word).upper() for word in ds.get("ImageType") or []]
    if not accept_synthetic and dc.is_synthetic(image_type, _text(ds)):
        raise ExclusionError(Reason.SYNTHETIC)
    element = dc.special_finding(image_type, _word(ds, "PaddleDescription"), "" if views else _text(ds))
    if element:
        raise ExclusionError(Reason.SPECIAL_VIEW, f"by {element}")
