"""The intensity recipe: all that decides which pixels a network sees, from the stored values on.

A recipe has one part for each step that acts on the pixels, in the order in which they act. A part holds the keys
of the step's config section that matter, and `rules`: a version, raised by hand, of what is no setting. Each file
bears the recipe up to its own step (Parquet: schema metadata; weights: header):

    shards/{shard}/*.parquet             make_shards: windowing, size, bits
    cohort/images.parquet                + list_images: raw or processed images
    holistic/{fold}/model.safetensors    + train_holistic: crop, side of the input, normalisation
    holistic/{fold}/images.parquet       + locate_coa: where a ROI lies
    attention/{fold}/rois/*.parquet      + crop_rois: side, margin, bits
    attention/{fold}/model.safetensors   + train_attention: side of the input, normalisation
    attention/{fold}/images.parquet, scores/exams.parquet: the same

So a file fits one that it was made from exactly if its recipe goes on where that one's ends. The hash is of all
parts; they stand beside it as JSON, so that a message can name the key that differs. No part of a recipe: which
images are in the cohort, the random changes in training, the weights themselves.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

HASH, PARTS = "recipe", "recipe_parts"  # the two keys in a file's metadata


@dataclass(frozen=True)
class Recipe:
    """parts: (step, its settings and rules), in the order in which they act; JSON values only."""

    parts: tuple[tuple[str, Mapping[str, Any]], ...] = ()

    def then(self, step: str, settings: Mapping[str, Any]) -> "Recipe":
        """This recipe with one more part."""
        return Recipe((*self.parts, (step, json.loads(json.dumps(dict(settings))))))

    def first(self, n_parts: int) -> "Recipe":
        return Recipe(self.parts[:n_parts])

    @property
    def text(self) -> str:
        """The parts as JSON, the same text for the same parts."""
        return json.dumps([[step, dict(settings)] for step, settings in self.parts], sort_keys=True)

    @property
    def hash(self) -> str:
        """12 hex digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]

    def metadata(self) -> dict[str, str]:
        """What a file bears: hash and parts."""
        return {HASH: self.hash, PARTS: self.text}


@dataclass(frozen=True)
class Marked:
    """A file (or whatever a message shall call it) and the recipe that it bears."""

    name: Path | str
    recipe: Recipe

    @classmethod
    def from_metadata(cls, name: Path, metadata: Mapping[str, str]) -> Self:
        """ValueError if there is no recipe in a file's metadata, or one whose hash is another."""
        if HASH not in metadata or PARTS not in metadata:
            raise ValueError(
                f"{name} bears no intensity recipe: an older version wrote it, and what its pixels went through is "
                "not known. Make it again with the step that writes it"
            )
        recipe = Recipe(tuple((step, settings) for step, settings in json.loads(metadata[PARTS])))
        if recipe.hash != metadata[HASH]:
            raise ValueError(
                f"{name} bears the recipe {metadata[HASH]}, its parts give {recipe.hash}: they were changed by "
                "hand. Make the file again with the step that writes it"
            )
        return cls(name, recipe)


def check_follows(later: Marked, earlier: Marked, remedy: str) -> None:
    """ValueError unless the later recipe is the earlier one, or goes on where that one ends.

    remedy  what the user can do, a sentence
    """
    begun = Marked(later.name, later.recipe.first(len(earlier.recipe.parts)))
    check_same([begun, earlier], remedy)


def check_same(files: Sequence[Marked], remedy: str) -> None:
    """ValueError unless all are of one recipe."""
    for other in files[1:]:
        if other.recipe.hash != files[0].recipe.hash:
            raise ValueError(
                f"different intensity recipes: {files[0].recipe.hash} in {files[0].name}, {other.recipe.hash} in "
                f"{other.name}. They differ in {differences(files[0].recipe, other.recipe)}. {remedy}"
            )


def differences(one: Recipe, other: Recipe) -> str:
    """The keys in which two recipes differ, with both values; a config key where it is a setting."""
    first, second = (dict(_flat(dict(recipe.parts))) for recipe in (one, other))
    told = [
        f"`{key}`: {first.get(key, 'not there')} and {second.get(key, 'not there')}"
        for key in [*first, *(key for key in second if key not in first)]
        if key not in first or key not in second or first[key] != second[key]
    ]
    return ", ".join(told)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value)
