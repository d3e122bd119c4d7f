"""What tables and pages say of the bundle that a study's networks started from."""

from collections.abc import Iterable, Mapping
from typing import Any

from mammo_steps.core.lineage import LEFT_OUT

_OVERLAP = {
    LEFT_OUT: "These women are left out of this cohort: their pseudonyms were made with the same key.",
    "none": "That none of these women is in this cohort is what the authors of this study state (start_from.overlap); "
    "their pseudonyms were made with another key, so that it could not be checked.",
    "unknown": "Whether women of this cohort are among them is not known: AUCs may be too high.",
}
_LAYERS = {"all": "All layers went on learning.", "head": "The last layer alone went on learning."}


def start_of(runs: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Of the networks' run.json: bundle, study, n_women, layers, overlap and a `text`; None without a bundle.

    ValueError if they started from different bundles, or not all of them from one.
    """
    found = [run.get("start") for run in runs]
    told = {(s["bundle"], s["layers"], s["overlap"]) if s else None for s in found}
    if len(told) > 1:
        raise ValueError(
            f"networks of one study started from different weights: {', '.join(sorted(map(_name, told)))}. Run "
            "train_holistic and train_attention again for all folds"
        )
    start = next(iter(found), None)
    if start is None:
        return None
    own = start["learned_from"][0]
    names = ("study", "synthetic", "n_women")
    return {
        **{name: own[name] for name in names},
        **{name: start[name] for name in ("bundle", "layers", "overlap")},
        "text": _text(start),
    }


def _name(told: tuple[str, str, str] | None) -> str:
    return "no bundle" if told is None else f"bundle {' '.join(told)}"


def _text(start: Mapping[str, Any]) -> str:
    studies = [
        f"{one['n_women']:,} {'women who do not exist (synthetic)' if one['synthetic'] else 'women'} of study "
        f"{one['study']} (bundle {one['bundle']})"
        for one in start["learned_from"]
    ]
    return (
        f"training went on from networks that had learned from {', and before from '.join(studies)}. "
        f"{_LAYERS[start['layers']]} {_OVERLAP[start['overlap']]}"
    )
