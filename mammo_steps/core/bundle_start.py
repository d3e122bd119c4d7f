"""Training that starts from a bundle: which of its networks a fold starts from, and what is checked before.

Network number k of a study (fold k; a fold's further networks count on from there) starts from member k mod n of the
bundle's n. Any assignment is free of leaks, since no member has seen a woman of the cohort; this one lets folds start
from different networks. So an ensemble keeps as many starts as it can, and the spread over folds has in it what a start
makes out. (One average of all members' weights would be a network that nobody has trained or scored.)

The holistic network starts from the member's holistic one, and the attention network from its attention one: what the
bundle learned of regions at full resolution would be lost if the latter began with the fold's holistic weights, as it
does without a bundle. The head is kept: positive means the same in both studies.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from mammo_steps.core.artefacts import reading
from mammo_steps.core.backbones import head
from mammo_steps.core.bundle_names import ABOUT, MODELS, SUMS, bundle_id, sums_of, weights_name
from mammo_steps.core.lineage import Learned, check_left_out, lineage, overlap_of, women_in
from mammo_steps.core.network import header_facts, load_network, read_facts, weights_recipe
from mammo_steps.core.recipe import Marked, Recipe, check_same

LAYERS = ("all", "head")

_REMEDY = (
    "A network goes on with the pixels it has learned from: set these keys as they were for the bundle, or start from "
    "another one"
)


@dataclass(frozen=True)
class StartSettings:
    """bundle: its id; number: see the module; layers: one of `LAYERS`; overlap, key_tag: see `core.lineage`."""

    bundle: str
    number: int
    layers: str
    overlap: str
    key_tag: str

    def __post_init__(self) -> None:
        if self.layers not in LAYERS:
            raise ValueError(f"start_from.layers is {self.layers!r}, wanted one of {', '.join(LAYERS)}")


@dataclass(frozen=True)
class BundleNetworks:
    """The networks in a bundle's folder, and whom they have learned from. Files are checked as they are read."""

    folder: Path

    @cached_property
    def id(self) -> str:
        return bundle_id(self.folder)

    @cached_property
    def about(self) -> dict[str, Any]:
        """bundle.json."""
        found: dict[str, Any] = json.loads(self.checked(ABOUT).read_text(encoding="utf-8"))
        return found

    @cached_property
    def members(self) -> list[str]:
        return [str(member) for member in self.about["members"]]

    @cached_property
    def lineage(self) -> tuple[Learned, ...]:
        """The bundle's study first, then those that it started from."""
        facts = [header_facts(self.weights(member, model)) for member in self.members for model in MODELS]
        own = Learned(
            study=self.about["study"],
            bundle=self.id,
            synthetic=self.about["synthetic"],
            key_tag=self.about["key_tag"],
            women=tuple(sorted({one["women"] for one in facts})),
            n_women=self.about["n_women"],
        )
        return lineage(own, facts)

    def weights(self, member: str, model: str) -> Path:
        return self.folder / weights_name(member, model)

    def checked(self, name: str) -> Path:
        """The file of this name; ValueError unless it is as the bundle's checksums have it."""
        path, wanted = self.folder / name, sums_of(self.folder).get(name)
        if wanted is None or not path.is_file():
            raise ValueError(
                f"{path} {'is missing' if wanted else 'is not in ' + SUMS}: copy the bundle anew"
            )
        with reading(path).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != wanted:
            raise ValueError(
                f"{path}: sha256 is {found}, {SUMS} says {wanted}: the file was changed, or damaged on its way. Copy "
                "the bundle anew"
            )
        return path


@dataclass(frozen=True)
class BundleStart:
    """What one training starts from. women: tables of roles, see `core.lineage.overlap_of`."""

    bundle: BundleNetworks
    settings: StartSettings
    women: Sequence[Path]

    @property
    def member(self) -> str:
        members = self.bundle.members
        return members[self.settings.number % len(members)]

    def file(self, model: str) -> Path:
        """Weights that a model starts from; an input of its training."""
        return self.bundle.weights(self.member, model)

    def facts(self, roles: Path) -> dict[str, Any]:
        """What the header of the trained weights says of the start; JSON values.

        roles  the study's own. ValueError if its women may be among those whom the networks have learned from
        """
        if self.bundle.id != self.settings.bundle:
            raise ValueError(
                f"{self.bundle.folder} is bundle {self.bundle.id}, wanted {self.settings.bundle}: it was made anew "
                "since this run began. Run the workflow again"
            )
        learned, own = self.bundle.lineage, self.settings
        overlap = overlap_of(learned, own.key_tag, own.overlap, self.women)
        check_left_out(roles, women_in(self.women))
        return {
            "bundle": self.bundle.id,
            "member": self.member,
            "layers": own.layers,
            "overlap": overlap,
            "learned_from": [one.entry for one in learned],
        }

    def network(self, model: str, backbone: str, recipe: Recipe) -> nn.Module:
        """The member's network of this model, of which `layers` learn; ValueError unless it is of this kind.

        recipe  of the pixels that it is going to be trained on
        """
        path = self.bundle.checked(weights_name(self.member, model))
        facts = read_facts(path)
        if (facts.get("model"), facts.get("backbone")) != (model, backbone):
            raise ValueError(
                f"{path}: weights of a {facts.get('backbone')}, {facts.get('model')} model, wanted {backbone}, {model} "
                "model: set train_holistic.network.backbone as it was for the bundle"
            )
        check_same([Marked("this study", recipe), weights_recipe(path)], _REMEDY)
        network = load_network(path)
        if self.settings.layers == "head":
            network.requires_grad_(False)
            network.get_submodule(head(network)).requires_grad_(True)
        return network


def bundle_start(
    folder: Path | None, settings: Mapping[str, Any], women: Sequence[Path]
) -> BundleStart | None:
    """The start that a command line names: None without a bundle."""
    if folder is None:
        return None
    return BundleStart(BundleNetworks(folder), StartSettings(**settings), women)
