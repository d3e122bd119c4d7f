"""Whom networks have learned from before a study trains them, and whether its cohort can hold the same women.

A score counts as out of fold only if no network behind it has learned from the woman: neither the fold's own, nor the
bundle's that this one started from, nor those which the bundle itself started from. A bundle bears no pseudonym. What
it bears of its women is

    key_tag   a tag of the key that their pseudonyms were made with (`core.ids.key_tag`)
    women     of each network a digest of the women it learned from (`core.cohort.women_learned_from`)

Under another key a woman has another pseudonym, so that nothing can be compared, and nothing is known: whoever runs the
study may know that the sites have no woman in common. Under the same key the women may be the same. Then the tables of
roles of the studies behind the bundle, which lie where the key does, prove who they were, for the digests fit to no
other table; these women are left out of the cohort.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow.compute as pc

from mammo_steps.core.cohort import women_learned_from
from mammo_steps.core.tables import read_table

STATED = ("none", "unknown")  # what a study can say of women under other keys
LEFT_OUT = "left_out"  # the women are known, and not in the cohort


@dataclass(frozen=True)
class Learned:
    """A study whose women stand behind a network.

    bundle    id of the bundle that its networks came in
    women     digests, sorted
    n_women   women of the study
    """

    study: str
    bundle: str
    synthetic: bool
    key_tag: str
    women: tuple[str, ...]
    n_women: int

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Self:
        """The inverse of `entry`."""
        return cls(**{**entry, "women": tuple(entry["women"])})

    @property
    def entry(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "women": list(self.women)}


def lineage(own: Learned, facts: Iterable[Mapping[str, Any]]) -> tuple[Learned, ...]:
    """The study of a bundle, and those that its networks had started from, the nearest one first.

    facts  of the headers of the bundle's weights
    """
    found = {own.bundle: own}
    for one in facts:
        for entry in one.get("start", {}).get("learned_from", ()):
            found.setdefault(entry["bundle"], Learned.of(entry))
    return tuple(found.values())


def overlap_of(learned: Sequence[Learned], key_tag: str, stated: str, roles: Sequence[Path]) -> str:
    """Whether a cohort can hold women of the lineage: `left_out`, `none` (as stated) or `unknown`.

    key_tag  of the cohort's own key
    stated   one of `STATED`: what the study says of women under other keys
    roles    cohort/roles.parquet of studies of the lineage under the same key; their women are left out of the cohort
    Raises ValueError if women of the lineage have the cohort's key, and no table proves who they were.
    """
    if stated not in STATED:
        raise ValueError(f"start_from.overlap is {stated!r}, wanted one of {', '.join(STATED)}")
    same = [one for one in learned if one.key_tag == key_tag]
    known = {digest for path in roles for digest in _digests(path)}
    unproven = [one for one in same if not set(one.women) <= known]
    if unproven:
        first = unproven[0]
        raise ValueError(
            f"the networks have learned from {first.n_women:,} women of study {first.study} (bundle {first.bundle}), "
            "whose pseudonyms were made with this study's key: its test women can be among them, and their scores "
            "would not be out of fold. Give that study's cohort/roles.parquet in start_from.women, and its women are "
            f"left out of the cohort{_not_these(roles)}; or start from a bundle of other women"
        )
    if roles and not same:
        raise ValueError(
            f"start_from.women names {roles[0]}, but no study behind the bundle has this study's key: under another "
            "key the same woman has another pseudonym, and the table says nothing. Leave start_from.women empty"
        )
    return LEFT_OUT if len(same) == len(learned) else stated


def women_in(roles: Iterable[Path]) -> frozenset[str]:
    """The women of tables of roles, whatever their role."""
    return frozenset(
        woman
        for path in roles
        for woman in read_table(path, "roles", ["patient_id"])["patient_id"].to_pylist()
    )


def check_left_out(cohort_roles: Path, learned: frozenset[str]) -> None:
    """ValueError if a study's table of roles has women whom the networks that it starts from have learned from."""
    n_same = len(women_in([cohort_roles]) & learned)
    if n_same:
        raise ValueError(
            f"{cohort_roles}: {n_same} women are among those that the bundle has learned from: run list_images and "
            "split_folds again with start_from.women"
        )


def _digests(roles: Path) -> set[str]:
    folds = pc.unique(read_table(roles, "roles", ["fold"])["fold"]).to_pylist()
    return {women_learned_from(roles, fold) for fold in folds}


def _not_these(roles: Sequence[Path]) -> str:
    return (
        f" ({', '.join(map(str, roles))} is not of these networks, or was made anew since)" if roles else ""
    )
