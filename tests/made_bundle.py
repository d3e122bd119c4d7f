"""A bundle made by hand of a tiny study's weights: its reference and calibration are invented, its cards empty."""

import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bundled_study import sections
from made_prediction import made_reference

from mammo_steps.core.bundle import CALIBRATION, CARDS, COHORT, REFERENCE
from mammo_steps.core.bundle_about import VERSION
from mammo_steps.core.bundle_names import ABOUT, MODELS, SUMS, weights_name
from mammo_steps.core.ids import key_tag
from mammo_steps.core.network import weights_recipe
from mammo_steps.core.terms import CLASSES

OTHER_KEY = "the key of another site"
NO_COHORT: dict[str, Any] = {"words": {}, "numbers": {}, "machines": []}  # nothing would be strange


def sign(folder: Path) -> Path:
    """Write the checksums of all that lies in the folder."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    lines = [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"
        for name in names
        if name != SUMS
    ]
    (folder / SUMS).write_text("".join(lines))
    return folder


def made_bundle(
    folder: Path, results: Path, members: Iterable[str], key: str = OTHER_KEY, **about: Any
) -> Path:
    """Of the members' networks in a results folder, under the key that its pseudonyms were (said to be) made with."""
    members = list(members)
    for member in members:
        for model in MODELS:
            to = folder / weights_name(member, model)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(results / model / member / "model.safetensors", to)
    reference = made_reference()
    (folder / REFERENCE).write_text(json.dumps(reference.scores))
    (folder / CALIBRATION).write_text(json.dumps(reference.calibration))
    (folder / COHORT).write_text(json.dumps(NO_COHORT))
    for card in CARDS:
        (folder / card).write_text("# A card\n")
    recipe = weights_recipe(folder / weights_name(members[0], "attention")).recipe
    facts = {
        "version": VERSION,
        "classes": list(CLASSES),
        "study": "first",
        "synthetic": True,
        "key_tag": key_tag(key),
        "members": members,
        "n_women": 20,
        "settings": sections(),
        "recipe": recipe.hash,
        "recipe_parts": json.loads(recipe.text),
    }
    (folder / ABOUT).write_text(json.dumps(facts | about))
    return sign(folder)
