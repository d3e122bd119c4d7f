"""Copies of tables and weights that bear another recipe, or none."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from mammo_steps.core.network import load_network, read_facts, save_network, weights_recipe
from mammo_steps.core.recipe import HASH, PARTS, Recipe
from mammo_steps.core.tables import recipe_of


def with_change(recipe: Recipe, step: str, **values: Any) -> Recipe:
    """The recipe with other values in one part."""
    parts = [(name, {**part, **values} if name == step else part) for name, part in recipe.parts]
    return Recipe(tuple(parts))


def copy_table(source: Path, target: Path, recipe: Recipe | None) -> Path:
    """The same rows and row groups; `recipe` None = as an older version wrote it."""
    table = pq.ParquetFile(source)
    plain = {k: v for k, v in table.schema_arrow.metadata.items() if k.decode() not in (HASH, PARTS)}
    schema = table.schema_arrow.with_metadata(plain | (recipe.metadata() if recipe else {}))
    target.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(target, schema) as writer:
        for number in range(table.num_row_groups):
            writer.write_table(table.read_row_group(number))
    return target


def copy_weights(source: Path, target: Path, recipe: Recipe | None) -> Path:
    facts = {key: value for key, value in read_facts(source).items() if key not in (HASH, PARTS)}
    save_network(load_network(source), facts | (recipe.metadata() if recipe else {}), target)
    return target


def changed(source: Path, target: Path, step: str, **values: Any) -> Path:
    """A copy whose recipe has other values in one part."""
    weights = source.suffix == ".safetensors"
    recipe = with_change((weights_recipe if weights else recipe_of)(source).recipe, step, **values)
    return (copy_weights if weights else copy_table)(source, target, recipe)


def unmarked(source: Path, target: Path) -> Path:
    """A copy without a recipe."""
    return (copy_weights if source.suffix == ".safetensors" else copy_table)(source, target, None)


def changed_folder(source: Path, target: Path, name: str, step: str, **values: Any) -> Path:
    """A copy of a folder in which one file's recipe has other values in one part."""
    shutil.copytree(source, target)
    changed(source / name, target / name, step, **values)
    return target
