"""Which breast and which view a header names, with its contradictions (PS3.3 C.8.11.7).

`told` is what the data set itself says of an image (`core.labels.ImageFacts`), None = nothing. It stands in
for elements that are missing and may not contradict those that are there. Free text is the last resort.
"""

from collections.abc import Iterator
from typing import NamedTuple

from mammo_steps.core import dicom_codes as dc
from mammo_steps.core.dicom_fields import Fields
from mammo_steps.core.terms import LATERALITIES, Reason

_TEXTS = ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription")


class Found(NamedTuple):
    """What a header says: a word of ours, or why there is none that counts, and what was found instead."""

    word: str | None
    reason: Reason | None = None
    detail: str = ""


def word_of(fields: Fields, name: str) -> str:
    """An element in upper case, "" = missing."""
    return str(fields.get(name, "")).upper()


def words_of(fields: Fields, name: str) -> list[str]:
    """The values of an element in upper case."""
    return [word.strip() for word in word_of(fields, name).split("\\")]


def text_of(fields: Fields) -> str:
    """The free texts about an image, as `core.dicom_codes` wants them."""
    return " | ".join(word_of(fields, name).replace("_", " ") for name in _TEXTS if name in fields)


def _items(fields: Fields, name: str) -> list[Fields]:
    return list(fields.get(name, []))


def _codes(items: list[Fields]) -> list[tuple[str, str]]:
    """(scheme, value) of each item, empty strings where missing."""
    return [(word_of(item, "CodingSchemeDesignator"), word_of(item, "CodeValue")) for item in items]


def _frame_lateralities(fields: Fields) -> Iterator[str]:
    for group in _items(fields, "SharedFunctionalGroupsSequence"):
        for item in _items(group, "FrameAnatomySequence"):
            yield word_of(item, "FrameLaterality")


def laterality_of(fields: Fields, told: str | None = None) -> Found:
    """L or R: Image Laterality (0020,0062), Laterality (0020,0060), Frame Laterality (0020,9072), then text.

    Elements that contradict each other are a conflict, never a guess. B (both) names no side: as the series'
    laterality it contradicts nothing, as the image's it says that there is no one side.
    """
    told = told if told in LATERALITIES else None
    of_image = [word_of(fields, "ImageLaterality"), *_frame_lateralities(fields)]
    sides = {element for element in (*of_image, word_of(fields, "Laterality")) if element in ("L", "R")}
    if len(sides) > 1:
        return Found(None, Reason.LATERALITY_CONFLICT, "L and R in the same header")
    if "B" in of_image:
        return Found(None, Reason.MISSING_LATERALITY, "the image shows both breasts")
    if told and sides and told not in sides:
        return Found(None, Reason.LATERALITY_CONFLICT, f"{sides.pop()} in the header, {told} in the metadata")
    texts = f"{word_of(fields, 'ViewPosition')} | {text_of(fields)}"
    side = told or next(iter(sides), "") or dc.laterality_in_text(texts)
    return Found(side) if side else Found(None, Reason.MISSING_LATERALITY)


def view_of(fields: Fields, told: str | None, accept_ml_as_mlo: bool) -> Found:
    """CC or MLO: View Code Sequence (0054,0220) checked against View Position (0018,5101), then text.

    Another view of CID 4014 is named too, with its reason.
    """
    items, position = _items(fields, "ViewCodeSequence"), word_of(fields, "ViewPosition")
    known = dc.named(dc.VIEW_OF_CODE, _codes(items)) | ({dc.view_of_position(position)[0]} - {""})
    known = {"MLO" if view == "ML" and accept_ml_as_mlo else view for view in known}
    if len(known) > 1:
        detail = "codes and ViewPosition name " + ", ".join(sorted(known))
        return Found(None, Reason.VIEW_CONFLICT, detail)
    if told and told not in dc.VIEW_WORDS:  # whatever it is, it is neither CC nor MLO
        return Found(None, Reason.OTHER_VIEW, "the metadata name a view that is in no list")
    if told:
        told = "MLO" if told == "ML" and accept_ml_as_mlo else told
        if known and told not in known:
            return Found(None, Reason.VIEW_CONFLICT, f"{known.pop()} in the header, {told} in the metadata")
        known = {told}
    meanings = " | ".join([*(word_of(item, "CodeMeaning") for item in items), position])
    view = next(iter(known), "") or dc.view_in_text(meanings) or dc.view_in_text(text_of(fields))
    if view in ("CC", "MLO"):
        return Found(view)
    if view:
        return Found(view, Reason.OTHER_VIEW, view)
    if position or items:
        return Found(None, Reason.OTHER_VIEW, "a view that is in no code list")
    return Found(None, Reason.MISSING_VIEW)


def _modifiers(fields: Fields) -> set[str]:
    """Names of the view's modifiers (0054,0222), which stand inside the view's item or at the top level."""
    items = _items(fields, "ViewModifierCodeSequence")
    for view in _items(fields, "ViewCodeSequence"):
        items += _items(view, "ViewModifierCodeSequence")
    codes = [
        code for code, item in zip(_codes(items), items, strict=True) if item
    ]  # an empty item says nothing
    return {dc.MODIFIER_OF_CODE.get(code, dc.UNKNOWN_MODIFIER) for code in codes}


def is_implant_displaced(fields: Fields) -> bool:
    """By its modifier's code; by ViewPosition (`CCID`) and text where the view has no code."""
    if dc.IMPLANT_DISPLACED in _modifiers(fields):
        return True
    if _items(fields, "ViewCodeSequence"):
        return False
    return dc.view_of_position(word_of(fields, "ViewPosition"))[1] or dc.is_displaced_in_text(text_of(fields))


def is_synthetic(fields: Fields) -> bool:
    """Whether the image was computed from tomosynthesis."""
    return dc.is_synthetic(words_of(fields, "ImageType"), text_of(fields))


def special_view(fields: Fields) -> str:
    """What makes it a spot, rolled, biopsy, ... view; "" = nothing. Displaced implants are a matter of their own."""
    others = _modifiers(fields) - {dc.IMPLANT_DISPLACED}
    if others:
        return ", ".join(sorted(others))
    has_codes = bool(_items(fields, "ViewCodeSequence"))
    element = dc.special_finding(
        words_of(fields, "ImageType"), word_of(fields, "PaddleDescription"), text_of(fields), has_codes
    )
    return f"by {element}" if element else ""


def partial_view(fields: Fields) -> tuple[bool | None, str]:
    """Whether only a part of the breast was meant to be shown (None = not said), and a contradiction found.

    Partial View (0028,1350), the code of the part (0028,1352) and its description (0028,1351); a part that is
    named counts more than the flag.
    """
    flag = word_of(fields, "PartialView")
    part = next(
        (name for name in ("PartialViewCodeSequence", "PartialViewDescription") if fields.get(name)), ""
    )
    if part:
        return True, f"PartialView is NO, {part} names a part" if flag == "NO" else ""
    return {"YES": True, "NO": False}.get(flag), ""
