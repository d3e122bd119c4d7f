"""Whose scores the tables compare: models and readers, in their order, and what each is called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NETWORKS = ("holistic", "attention", "ensemble")  # the study's own
PUBLISHED = ("wu2019", "wu2019_adapted")
READERS = ("reader_1", "reader_2")
OWN_COLUMNS = (*NETWORKS, *PUBLISHED, *READERS, "two_readers")  # scores in the `exam_scores` table

_NAMES = {
    "holistic": "Holistic model",
    "attention": "Attention model",
    "ensemble": "Ensemble",
    "wu2019": "Pretrained (Wu et al. 2019)",
    "wu2019_adapted": "Adapted pretrained",
    "reader_1": "Reader 1",
    "reader_2": "Reader 2",
    "one_reader": "One reader",  # mean of the readers' AUCs
    "two_readers": "Two readers",
}
OWN_NAMES = frozenset(name.casefold() for name in _NAMES.values())
NO_WEIGHTS = (
    "no weights: the published files are not in the config (score_wu2019.weights); config/README.md says where they "
    "come from and under which licence"
)


@dataclass(frozen=True)
class Model:
    """One row of the tables.

    key      in files
    name     in tables
    kind     network, published, outside or reader
    note     what a reader of the tables has to know of it
    not_run  why it has no scores at all, a few words before a colon; empty = it was run
    """

    key: str
    name: str
    kind: str
    note: str = ""
    not_run: str = ""

    @property
    def name_within(self) -> str:
        """As it stands after other words; names that others gave stay as they are."""
        own = self.kind in ("network", "reader")
        return self.name[0].lower() + self.name[1:] if own else self.name


def table_models(
    outside: Sequence[Mapping[str, Any]], published_ran: bool, note: str = ""
) -> tuple[Model, ...]:
    """All of them. outside: entries of the config's `outside_models.tables`; note: on the study's own networks."""
    return (
        *(Model(key, _NAMES[key], "network", note) for key in NETWORKS),
        *(
            Model(key, _NAMES[key], "published", not_run="" if published_ran else NO_WEIGHTS)
            for key in PUBLISHED
        ),
        *(Model(own["name"], own["title"], "outside", _outside_note(own)) for own in outside),
        *(Model(key, _NAMES[key], "reader") for key in (*READERS, "one_reader", "two_readers")),
    )


def _outside_note(own: Mapping[str, Any]) -> str:
    overlap = {
        "none": "",
        "some": " It learned from women of this cohort: its AUCs are too high.",
        "unknown": " Whether it learned from women of this cohort is not known: its AUCs may be too high.",
    }
    return f"trained on: {own['trained_on']}.{overlap[own['overlap']]}"


def pairs(models: Sequence[Model]) -> list[tuple[str, str]]:
    """Which models are tested against which: ours in turn, the ensemble against others, all against two readers."""
    ran = [model for model in models if not model.not_run]
    others = [model.key for model in ran if model.kind in ("published", "outside")]
    found = [("attention", "holistic"), ("ensemble", "holistic"), *(("ensemble", key) for key in others)]
    if set(PUBLISHED) <= set(others):
        found.append(("wu2019_adapted", "wu2019"))
    return [*found, *((key, "two_readers") for key in (*NETWORKS, *others))]
