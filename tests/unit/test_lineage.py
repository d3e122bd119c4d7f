"""Whose women stand behind a bundle, and whether a cohort can hold them."""

from pathlib import Path

import pytest

from mammo_steps.core.cohort import women_learned_from
from mammo_steps.core.lineage import Learned, check_left_out, lineage, overlap_of, women_in
from mammo_steps.core.tables import write_rows

OURS, THEIRS, OLD = "aaaa", "bbbb", "cccc"  # tags of keys


def learned(bundle: str, tag: str, *women: str) -> Learned:
    return Learned(f"study_{bundle}", bundle, False, tag, women, 3)


def roles(path: Path, *women: str) -> Path:
    """Two folds; the first woman is tested by fold 0, the second by fold 1."""
    rows = [
        {"patient_id": woman, "fold": fold, "role": "test" if place == fold else "train"}
        for fold in (0, 1)
        for place, woman in enumerate(women)
    ]
    write_rows(path, "roles", rows)
    return path


def behind(path: Path, bundle: str = "b1", tag: str = OURS) -> Learned:
    """The study of a table of roles, as the weights of its two folds tell it."""
    return learned(bundle, tag, *sorted(women_learned_from(path, fold) for fold in (0, 1)))


def test_under_another_key_nothing_is_known_but_what_the_study_says() -> None:
    assert overlap_of([learned("b1", THEIRS, "d1")], OURS, "unknown", []) == "unknown"
    assert overlap_of([learned("b1", THEIRS, "d1")], OURS, "none", []) == "none"


@pytest.mark.parametrize("stated", ["none", "unknown"])
def test_under_the_same_key_the_women_may_be_the_same_whatever_the_study_says(stated: str) -> None:
    with pytest.raises(
        ValueError, match=r"learned from 3 women of study study_b1 \(bundle b1\), whose pseudonyms"
    ):
        overlap_of([learned("b1", OURS, "d1")], OURS, stated, [])


def test_a_bundle_that_itself_started_from_ours_is_refused() -> None:
    with pytest.raises(ValueError, match="study_b1"):
        overlap_of([learned("b2", THEIRS, "d2"), learned("b1", OURS, "d1")], OURS, "none", [])


def test_the_table_of_roles_that_the_weights_were_trained_by_proves_who_the_women_were(
    tmp_path: Path,
) -> None:
    table = roles(tmp_path / "roles.parquet", "p1", "p2", "p3")
    assert overlap_of([behind(table)], OURS, "unknown", [table]) == "left_out"
    assert women_in([table]) == {"p1", "p2", "p3"}
    # of two studies behind it one is under another key: of that the study's own word is all there is
    assert overlap_of([learned("b2", THEIRS, "d2"), behind(table)], OURS, "unknown", [table]) == "unknown"
    assert overlap_of([learned("b2", THEIRS, "d2"), behind(table)], OURS, "none", [table]) == "none"


def test_each_study_under_our_key_needs_a_table_of_its_own(tmp_path: Path) -> None:
    first, second = (roles(tmp_path / f"{n}.parquet", f"{n}1", f"{n}2", f"{n}3") for n in ("a", "b"))
    both = [behind(second, "b2"), behind(first, "b1")]
    assert overlap_of(both, OURS, "unknown", [first, second]) == "left_out"
    with pytest.raises(ValueError, match="study_b1"):
        overlap_of(both, OURS, "unknown", [second])


def test_a_table_of_other_women_proves_nothing(tmp_path: Path) -> None:
    table = roles(tmp_path / "roles.parquet", "p1", "p2", "p3")
    fewer = roles(tmp_path / "fewer.parquet", "p1", "p2")
    with pytest.raises(ValueError, match=r"fewer.parquet is not of these networks, or was made anew since"):
        overlap_of([behind(table)], OURS, "unknown", [fewer])


def test_a_table_under_another_key_is_refused_since_it_says_nothing(tmp_path: Path) -> None:
    table = roles(tmp_path / "roles.parquet", "p1", "p2")
    with pytest.raises(ValueError, match="no study behind the bundle has this study's key"):
        overlap_of([behind(table, tag=THEIRS)], OURS, "unknown", [table])


def test_another_word_on_the_overlap_is_refused() -> None:
    with pytest.raises(ValueError, match="start_from.overlap is 'some', wanted one of none, unknown"):
        overlap_of([], OURS, "some", [])


def test_a_cohort_with_a_woman_who_was_learned_from_is_refused_by_number(tmp_path: Path) -> None:
    ours = roles(tmp_path / "ours.parquet", "p3", "p4")
    check_left_out(ours, frozenset({"p1", "p2"}))
    with pytest.raises(
        ValueError, match="1 women are among those that the bundle has learned from"
    ) as caught:
        check_left_out(ours, frozenset({"p1", "p3"}))
    assert "p3" not in str(caught.value)


def test_a_lineage_goes_back_through_all_networks_and_names_each_study_once() -> None:
    first, other = learned("b1", OLD, "d1"), learned("b0", OLD, "d0")
    facts = [
        {"start": {"learned_from": [first.entry]}},
        {"start": {"learned_from": [first.entry, other.entry]}},
        {},
    ]
    own = learned("b2", THEIRS, "d2")
    assert lineage(own, facts) == (own, first, other)
    assert lineage(own, [{}]) == (own,)
