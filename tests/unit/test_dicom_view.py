"""Breast and view out of a header's elements."""

from typing import Any

import pytest

from mammo_steps.core.dicom_view import laterality_of, view_of
from mammo_steps.core.terms import Reason


def item(value: str, scheme: str, meaning: str = "") -> dict[str, Any]:
    return {"CodeValue": value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning}


def coded(value: str, scheme: str, meaning: str = "") -> dict[str, Any]:
    return {"ViewCodeSequence": [item(value, scheme, meaning)]}


def frame(side: str) -> dict[str, Any]:
    return {"SharedFunctionalGroupsSequence": [{"FrameAnatomySequence": [{"FrameLaterality": side}]}]}


@pytest.mark.parametrize(
    ("fields", "side", "reason"),
    [
        ({"ImageLaterality": "L"}, "L", None),
        ({"Laterality": "R"}, "R", None),
        (frame("R"), "R", None),
        ({"ImageLaterality": "L", "Laterality": "B"}, "L", None),
        (frame("L") | {"Laterality": "B"}, "L", None),
        ({"ImageLaterality": "L", "Laterality": "R"}, None, Reason.LATERALITY_CONFLICT),
        (frame("R") | {"ImageLaterality": "L"}, None, Reason.LATERALITY_CONFLICT),
        ({"ImageLaterality": "B", "Laterality": "L"}, None, Reason.MISSING_LATERALITY),
        (frame("B") | {"Laterality": "L"}, None, Reason.MISSING_LATERALITY),
        ({"Laterality": "B"}, None, Reason.MISSING_LATERALITY),
        ({"ImageLaterality": "U", "SeriesDescription": "R_CC"}, "R", None),
        ({"ViewPosition": "LMLO"}, "L", None),
        ({"SeriesDescription": "L CC + R CC"}, None, Reason.MISSING_LATERALITY),
    ],
)
def test_laterality_is_an_element_then_a_word(
    fields: dict[str, Any], side: str | None, reason: Reason | None
) -> None:
    found = laterality_of(fields)
    assert (found.word, found.reason) == (side, reason)


def test_what_is_told_of_the_side_counts_where_no_element_names_it() -> None:
    assert laterality_of({"SeriesDescription": "R CC"}, told="L").word == "L"
    assert laterality_of({"Laterality": "L"}, told="L").word == "L"
    assert laterality_of({"Laterality": "R"}, told="L").reason == Reason.LATERALITY_CONFLICT


@pytest.mark.parametrize("scheme", ["SCT", "2.16.840.1.113883.6.96"])
@pytest.mark.parametrize(
    ("value", "view"), [("399162004", "CC"), ("399368009", "MLO"), ("399192008", "XCCL")]
)
def test_snomed_ct_is_known_by_both_of_its_names(scheme: str, value: str, view: str) -> None:
    assert view_of(coded(value, scheme), None, False).word == view


@pytest.mark.parametrize("scheme", ["SRT", "SNM3", "99SDM"])
def test_legacy_codes_are_known_in_each_scheme(scheme: str) -> None:
    assert view_of(coded("R-10226", scheme), None, False).word == "MLO"


def test_what_a_known_code_is_called_does_not_matter() -> None:
    for meaning in ("", "medio-lateral oblique", "kraniokaudal", "Spot"):
        assert view_of(coded("399162004", "SCT", meaning), None, False).word == "CC"


def test_words_count_where_no_code_is_known() -> None:
    assert view_of(coded("A1", "99LOCAL", "Cranio-caudal"), None, False).word == "CC"
    assert view_of(coded("399162004", "DCM"), None, False).reason == Reason.OTHER_VIEW
    assert view_of({"SeriesDescription": "R_MLO"}, None, False).word == "MLO"


@pytest.mark.parametrize(
    ("position", "view", "reason"),
    [
        ("CC", "CC", None),
        ("LMLO", "MLO", None),
        ("R CC", "CC", None),
        ("MLOID", "MLO", None),
        ("XCCL", "XCCL", Reason.OTHER_VIEW),
        ("PA", None, Reason.OTHER_VIEW),
        ("", None, Reason.MISSING_VIEW),
    ],
)
def test_view_position_names_the_view(position: str, view: str | None, reason: Reason | None) -> None:
    found = view_of({"ViewPosition": position}, None, False)
    assert (found.word, found.reason) == (view, reason)


def test_a_code_and_a_position_that_differ_are_a_conflict() -> None:
    found = view_of(coded("399162004", "SCT") | {"ViewPosition": "LMLO"}, None, False)
    assert (found.word, found.reason) == (None, Reason.VIEW_CONFLICT)
    assert found.detail == "codes and ViewPosition name CC, MLO"
    two = {"ViewCodeSequence": [item("399162004", "SCT"), item("R-10226", "SRT")]}
    assert view_of(two, None, False).reason == Reason.VIEW_CONFLICT


def test_ml_is_mlo_by_option_alone() -> None:
    fields = coded("399260004", "SCT") | {"ViewPosition": "MLO"}
    assert view_of(fields, None, True).word == "MLO"
    assert view_of(fields, None, False).reason == Reason.VIEW_CONFLICT
    assert view_of({}, "ML", True).word == "MLO"
    assert view_of({}, "ML", False).reason == Reason.OTHER_VIEW
    assert view_of(coded("399260004", "SCT"), "MLO", True).word == "MLO"


def test_what_is_told_of_the_view_may_not_contradict_a_code() -> None:
    assert view_of({"SeriesDescription": "CC"}, "MLO", False).word == "MLO"
    assert view_of({"ViewPosition": "CC"}, "MLO", False).reason == Reason.VIEW_CONFLICT


def test_what_is_told_in_other_words_is_never_shown() -> None:
    found = view_of({"ViewPosition": "CC"}, "Kari Olsen", False)
    assert found == (None, Reason.OTHER_VIEW, "the metadata name a view that is in no list")
    assert laterality_of({"Laterality": "R"}, told="Kari Olsen").word == "R"
