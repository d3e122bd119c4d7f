"""A recipe as this version of the code would have it: the same settings under today's rules."""

from typing import Any

from mammo_steps.core.network import INPUT_RULES
from mammo_steps.core.recipe import Recipe
from mammo_steps.core.roi_cutting import ROI_RULES
from mammo_steps.core.saliency import COA_RULES
from mammo_steps.core.windowing import RECIPE

_RULES: dict[str, dict[str, Any]] = {
    "make_shards": RECIPE,
    "train_holistic": INPUT_RULES,
    "locate_coa": COA_RULES,
    "crop_rois": ROI_RULES,
    "train_attention": INPUT_RULES,
}


def todays_recipe(recipe: Recipe) -> Recipe:
    found = Recipe()
    for step, settings in recipe.parts:
        rules = {"rules": _RULES[step]} if "rules" in settings and step in _RULES else {}
        found = found.then(step, {**settings, **rules})
    return found
