"""A study that starts from a bundle (config key `start_from`): what its trainings are told, and whether it may.

Imports nothing heavy but to check: every job of a cluster parses the Snakefile again.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mammo_steps.core.bundle_names import bundle_id
from mammo_steps.core.ids import key_tag, read_key
from mammo_steps.core.recipe import Marked, Recipe, check_same
from mammo_steps.core.study import Study, StudyError


def start_settings(study: Study, config: Mapping[str, Any]) -> dict[str, Any] | None:
    """`core.bundle_start.StartSettings` of the study's networks without their number; None without a bundle.

    StudyError if there is no bundle where the config says, or no key.
    """
    start = config["start_from"]
    if start["bundle"] is None:
        return None
    key = config["public_id_key"]
    try:
        tag = key_tag(read_key(Path(study.key_file[0])) if key is None else key)
    except (OSError, ValueError) as error:
        raise StudyError(str(error)) from error
    try:
        found = bundle_id(Path(start["bundle"]))
    except OSError as error:
        raise StudyError(
            f"config key `start_from.bundle`: {start['bundle']} is no bundle, or not whole: {error.filename or error} "
            "cannot be read. Wanted is results/<study>/bundle, the folder that `snakemake make_bundle` writes, or a "
            "copy of it"
        ) from error
    return {"bundle": found, "layers": start["layers"], "overlap": start["overlap"], "key_tag": tag}


def check_start(study: Study, config: Mapping[str, Any]) -> None:
    """StudyError unless the study may start from the bundle that its config names, if it names one."""
    start, settings = config["start_from"], start_settings(study, config)
    if settings is None:
        return
    from mammo_steps.core.bundle import open_bundle
    from mammo_steps.core.bundle_start import BundleNetworks
    from mammo_steps.core.lineage import overlap_of
    from mammo_steps.core.network import header_facts
    from mammo_steps.core.todays_recipe import todays_recipe

    folder, network = Path(start["bundle"]), config["train_holistic"]["network"]
    if Path(study.results).resolve() in folder.resolve().parents:
        raise StudyError(
            f"config key `start_from.bundle`: {folder} is made of this study's own networks. Give the new study a name "
            "of its own (config key `study`)"
        )
    if network["imagenet_weights"] is not None:
        raise StudyError(
            "config keys `start_from.bundle` and `train_holistic.network.imagenet_weights` both say what the networks "
            "start from: set one of them to null"
        )
    missing = [path for path in start["women"] if not Path(path).is_file()]
    if missing:
        raise StudyError(f"config key `start_from.women`: there is no file {missing[0]}")
    try:
        bundle = open_bundle(folder)
        women = [Path(path) for path in start["women"]]
        overlap_of(BundleNetworks(folder).lineage, settings["key_tag"], start["overlap"], women)
        backbone = header_facts(bundle.weights(bundle.members[0], "holistic"))["backbone"]
        if backbone != network["backbone"]:
            raise ValueError(
                f"its networks are {backbone}, `train_holistic.network.backbone` is {network['backbone']}: set that "
                f"to {backbone}, or start from another bundle"
            )
        own = Marked("this config", todays_recipe(as_in_config(bundle.recipe, config)))
        remedy = "Set the keys as they were for the bundle, or start from another one"
        check_same([own, Marked(folder, bundle.recipe)], remedy)
    except (ValueError, KeyError, OSError) as error:
        raise StudyError(f"config key `start_from.bundle`, {folder}: {error}") from error


def as_in_config(recipe: Recipe, config: Mapping[str, Any]) -> Recipe:
    """The recipe that the study's weights will bear, as far as its config decides it; else as it is here."""
    intent = config["read_headers"]["settings"]["presentation_intent"].removeprefix("FOR ").lower()
    sections: dict[str, Any] = {**config, "list_images": {"intent": intent}}
    found = Recipe()
    for step, settings in recipe.parts:
        section = sections.get(step, {})
        scale = {key: section[key] for key in ("mm_per_px",) if section.get(key) is not None}
        found = found.then(step, _picked(settings, section) | scale)
    return found


def _picked(settings: Mapping[str, Any], section: Any) -> dict[str, Any]:
    """The settings with the values that a section of the config has for them."""
    picked = dict(settings)
    for key, value in settings.items():
        if isinstance(section, Mapping) and key in section:
            picked[key] = _picked(value, section[key]) if isinstance(value, Mapping) else section[key]
    return picked
