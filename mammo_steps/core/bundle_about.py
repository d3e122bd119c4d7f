"""bundle.json: whether it says what it has to, and says of the networks what they say of themselves.

A network's file bears the recipe of the pixels it has learned from, and the fold it was trained for. What it does not
bear, nothing here can hold bundle.json against: which headers and views are taken, mirrored passes of the attention
network, pooling of ROIs, how the study computed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mammo_steps.core.bundle_files import AGAIN, read_object
from mammo_steps.core.bundle_names import ABOUT, MODELS, weights_name
from mammo_steps.core.bundle_settings import recipe_of_settings
from mammo_steps.core.network import read_facts, weights_recipe
from mammo_steps.core.recipe import HASH, PARTS, Marked, Recipe, check_follows, check_same
from mammo_steps.core.terms import CLASSES

VERSION = (
    1  # of the folder's layout and of bundle.json; a change that an older reader would misread raises it
)
SECTIONS = (
    "read_headers", "make_shards", "list_images", "train_holistic", "train_attention", "locate_coa", "crop_rois",
    "score_attention", "compute",
)  # fmt: skip
_KINDS: dict[str, type] = {
    "study": str, "synthetic": bool, "classes": list, "members": list, "settings": dict, HASH: str, PARTS: list,
    "key_tag": str, "n_women": int,
}  # fmt: skip


def read_about(folder: Path) -> dict[str, Any]:
    """bundle.json; ValueError unless it is of this version and says what it has to."""
    path = folder / ABOUT
    about = read_object(path)
    if about.get("version") != VERSION:
        raise ValueError(
            f"{folder} is a bundle of version {about.get('version')}, this code reads version {VERSION}: use the "
            "version of this project that made it, or make the bundle anew"
        )
    for key, kind in _KINDS.items():
        if type(about.get(key)) is not kind:
            raise ValueError(f"{path}: `{key}` is {about.get(key)!r}, wanted a {kind.__name__}; {AGAIN}")
    members = about["members"]
    if not members or not all(isinstance(name, str) and name for name in members):
        raise ValueError(f"{path}: `members` is {members!r}, wanted the names of networks; {AGAIN}")
    for name in SECTIONS:
        if not isinstance(about["settings"].get(name), dict):
            raise ValueError(
                f"{path}: `settings.{name}` is {about['settings'].get(name)!r}, wanted a section; {AGAIN}"
            )
    if about["classes"] != list(CLASSES):
        raise ValueError(f"{folder}: its networks' class order is {about['classes']}, wanted {list(CLASSES)}")
    return about


def check_members(folder: Path, members: Sequence[str], names: Sequence[str]) -> None:
    """ValueError unless the files below networks/ (among `names`) are those of bundle.json's members."""
    wanted = {weights_name(member, model) for member in members for model in MODELS}
    found = {name for name in names if name.startswith("networks/")}
    if wanted != found or len(set(members)) < len(members):
        raise ValueError(
            f"{folder / ABOUT}: `members` is {', '.join(members)}, the bundle's networks are "
            f"{', '.join(sorted(found)) or 'none'}, wanted two of each member; {AGAIN}"
        )


def networks_recipe(folder: Path, about: Mapping[str, Any]) -> Recipe:
    """The recipe of all members' attention networks; ValueError if the networks or bundle.json contradict it."""
    members = about["members"]
    found = [weights_recipe(folder / weights_name(member, "attention")) for member in members]
    check_same(found, AGAIN)
    for member in members:
        check_follows(found[0], weights_recipe(folder / weights_name(member, "holistic")), AGAIN)
        for model in MODELS:
            _check_facts(folder, about, member, model)
    path = folder / ABOUT
    changed = f"bundle.json was changed since the networks were trained: {AGAIN}"
    told = Recipe(tuple(_pairs(path, about[PARTS])))
    check_same([Marked.from_metadata(path, {HASH: about[HASH], PARTS: told.text}), found[0]], changed)
    try:
        own = recipe_of_settings(about["settings"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: `settings` lacks {error}, or is no config's; {AGAIN}") from None
    check_same([Marked(f"{path} (`settings`)", own), Marked(found[0].name, without_rules(told))], changed)
    return found[0].recipe


def without_rules(recipe: Recipe) -> Recipe:
    """The settings of a recipe alone: they are compared here, rules by `core.bundle.check_rules`."""
    return Recipe(tuple((s, {k: v for k, v in own.items() if k != "rules"}) for s, own in recipe.parts))


def _check_facts(folder: Path, about: Mapping[str, Any], member: str, model: str) -> None:
    """Of one network: ValueError with both values where its header and bundle.json differ."""
    path = folder / weights_name(member, model)
    facts, seen = read_facts(path), about["settings"][f"train_{model}"]
    wanted = {
        "model": model,
        **{key: seen.get(key) for key in ("input_px", "crop", "mm_per_px") if key in seen},
    }
    for key, value in wanted.items():
        if facts.get(key) != value:
            raise ValueError(
                f"{path}: `{key}` is {facts.get(key)!r} in its header, {ABOUT} says {value!r}; {AGAIN}"
            )
    if member.split("_")[0] != f"fold{facts.get('fold')}":
        raise ValueError(
            f"{path}: its header says fold {facts.get('fold')!r}, its folder is {member}: they were swapped; {AGAIN}"
        )


def _pairs(path: Path, parts: Sequence[Any]) -> list[tuple[str, dict[str, Any]]]:
    pairs = [(p[0], p[1]) for p in parts if isinstance(p, list) and len(p) == 2 and isinstance(p[1], dict)]
    if len(pairs) != len(parts):
        raise ValueError(f"{path}: `{PARTS}` is {parts!r}, wanted pairs of a step and its settings; {AGAIN}")
    return pairs
