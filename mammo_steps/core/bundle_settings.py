"""The sections of a study's config that a bundle bears, and that scoring with it takes back. Imports nothing heavy."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mammo_steps.core.bundle_names import ABOUT
from mammo_steps.core.recipe import Recipe
from mammo_steps.core.study import StudyError


def bundle_sections(config: Mapping[str, Any]) -> dict[str, Any]:
    """What decides which files are taken, what their pixels become, and how they are scored."""
    return {
        "read_headers": config["read_headers"]["settings"],
        "make_shards": config["make_shards"]["settings"],
        "list_images": {name: config["list_images"][name] for name in ("views", "require_pixel_spacing")},
        "train_holistic": {
            **{name: config["train_holistic"][name] for name in ("crop", "mm_per_px")},
            "input_px": config["train_holistic"]["fit"]["input_px"],
        },
        "train_attention": {"input_px": config["train_attention"]["fit"]["input_px"]},
        **{name: config[name] for name in ("locate_coa", "crop_rois", "score_attention", "compute")},
    }


def recipe_of_settings(sections: Mapping[str, Any]) -> Recipe:
    """The recipe, without its rules, that the steps make of `bundle_sections`; KeyError where a setting is missing."""
    intent = sections["read_headers"]["presentation_intent"].removeprefix("FOR ").lower()
    seen, located, rois = (sections[name] for name in ("train_holistic", "locate_coa", "crop_rois"))
    several = located["coas_per_image"] > 1
    roi = {"roi": {name: rois[name] for name in ("side_px", "mm_per_px")}}
    scale = {} if seen["mm_per_px"] is None else {"mm_per_px": seen["mm_per_px"]}
    return (
        Recipe()
        .then("make_shards", {"settings": sections["make_shards"]})
        .then("list_images", {"intent": intent})
        .then("train_holistic", {"crop": seen["crop"], "fit": {"input_px": seen["input_px"]}, **scale})
        .then(
            "locate_coa",
            {name: located[name] for name in ("top_fraction", "test_time_flip")}
            | ({"coas_per_image": located["coas_per_image"], **roi} if several else {}),
        )
        .then("crop_rois", {key: rois[key] for key in rois if (key, rois[key]) != ("mm_per_px", None)})
        .then("train_attention", {"fit": {"input_px": sections["train_attention"]["input_px"]}})
    )


def take_settings_of(config: dict[str, Any]) -> None:
    """Where `predict.bundle` is set, its settings take the place of the config's; changes the config.

    StudyError if there is no bundle. Its files are checked by the steps that use them.
    """
    if config["predict"]["bundle"] is None:
        return
    path = Path(config["predict"]["bundle"]) / ABOUT
    try:
        _take(config, json.loads(path.read_text(encoding="utf-8"))["settings"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(
            f"config key `predict.bundle`: {path} cannot be read ({type(error).__name__}). Wanted the folder that "
            "`snakemake make_bundle` writes: results/<study>/bundle, or a copy of it"
        ) from error


def _take(config: dict[str, Any], found: Mapping[str, Any]) -> None:
    config["read_headers"]["settings"] = found["read_headers"]
    config["make_shards"]["settings"] = found["make_shards"]
    config["list_images"] |= found["list_images"]
    seen = dict(found["train_holistic"])
    config["train_holistic"]["fit"]["input_px"] = seen.pop("input_px")
    config["train_holistic"] |= seen
    config["train_attention"]["fit"]["input_px"] = found["train_attention"]["input_px"]
    for name in ("locate_coa", "crop_rois", "score_attention"):
        config[name] = found[name]
    config["compute"]["torch_threads"] = found["compute"]["torch_threads"]
