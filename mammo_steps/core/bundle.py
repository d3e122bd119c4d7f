"""A bundle: all that a trained study needs to score new exams, in one folder that can be given away.

    bundle.json        what it is: study, version, members, settings, recipe, class order
    reference.json, calibration.json   see `core.reference`
    cohort.json        what the training cohort's images are like (`core.drift`)
    model_card.md, data_card.md
    networks/<member>/holistic.safetensors, attention.safetensors
    SHA256SUMS         of all of these; `sha256sum -c SHA256SUMS` checks them without this project

It holds no pseudonym, no path and no host name, and nothing in it is unpickled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mammo_steps.core.bundle_about import check_members, networks_recipe, read_about
from mammo_steps.core.bundle_files import check_files
from mammo_steps.core.bundle_names import ABOUT, bundle_id, sums_of, weights_name
from mammo_steps.core.prediction import BundleName
from mammo_steps.core.recipe import Marked, Recipe, check_same
from mammo_steps.core.reference import Reference
from mammo_steps.core.reference_files import checked_cohort, checked_reference

REFERENCE, CALIBRATION, COHORT = "reference.json", "calibration.json", "cohort.json"
CARDS = ("model_card.md", "data_card.md")


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files were found to be those that were written.

    about    bundle.json
    members  those that are used, in order
    cohort   cohort.json as it was checked: a file that changes later changes nothing under the same id
    """

    folder: Path
    about: dict[str, Any]
    id: str
    members: tuple[str, ...]
    reference: Reference
    recipe: Recipe
    cohort: dict[str, Any]

    @property
    def name(self) -> BundleName:
        return BundleName(
            self.about["study"], self.id, self.about["version"], self.about["synthetic"], self.members
        )

    def settings(self, section: str) -> dict[str, Any]:
        """A section of the study's config."""
        found: dict[str, Any] = self.about["settings"][section]
        return found

    def weights(self, member: str, model: str) -> Path:
        return self.folder / weights_name(member, model)


def open_bundle(folder: Path, members: Sequence[str] | None = None) -> Bundle:
    """Check every file of a bundle; ValueError, with what was found and wanted, unless it is whole and fits this code.

    members  which of its networks to use; None = all
    """
    check_files(folder, (ABOUT, REFERENCE, CALIBRATION, COHORT, *CARDS))
    about = read_about(folder)
    check_members(folder, about["members"], list(sums_of(folder)))
    unknown = sorted(set(members or ()) - set(about["members"]))
    if unknown:
        raise ValueError(
            f"{folder} has no networks {', '.join(unknown)}: it has {', '.join(about['members'])}"
        )
    used = tuple(name for name in about["members"] if members is None or name in members)
    reference = checked_reference(folder / REFERENCE, folder / CALIBRATION)
    cohort = checked_cohort(folder / COHORT)
    return Bundle(folder, about, bundle_id(folder), used, reference, networks_recipe(folder, about), cohort)


def check_rules(bundle: Bundle, today: Recipe) -> None:
    """ValueError if this code's rules for pixels are not those that the bundle's networks were trained on."""
    remedy = (
        "The networks would see other pixels than those they learned from. Use the version of this project that the "
        "bundle names, or train again with this one and make a new bundle"
    )
    check_same([Marked("this version of the code", today), Marked(bundle.folder, bundle.recipe)], remedy)
