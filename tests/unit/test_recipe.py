"""The intensity recipe in a file's metadata."""

from pathlib import Path

import pytest

from mammo_steps.core.recipe import Marked, Recipe, check_follows, check_same, differences
from mammo_steps.core.tables import RowGroupWriter, recipe_of, schema, write_rows

SHARDS = Recipe().then("make_shards", {"settings": {"holistic_bits": 8}, "rules": {"version": 1}})
WEIGHTS = SHARDS.then("train_holistic", {"crop": "centre", "fit": {"input_px": 976}})


def test_a_recipe_comes_back_from_a_table(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.parquet", "roles", [], WEIGHTS)
    assert recipe_of(tmp_path / "a.parquet") == Marked(tmp_path / "a.parquet", WEIGHTS)


def test_a_recipe_comes_back_from_a_table_of_row_groups(tmp_path: Path) -> None:
    with RowGroupWriter(tmp_path / "a.parquet", "tiles", "zstd", WEIGHTS) as writer:
        writer.append({"image_id": "i", "tile_row": 0, "tile_col": 0, "pixels": b"1"})
    assert recipe_of(tmp_path / "a.parquet").recipe == WEIGHTS


def test_the_columns_meanings_stay_beside_the_recipe(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    write_rows(tmp_path / "a.parquet", "roles", [], WEIGHTS)
    found = pq.read_schema(tmp_path / "a.parquet")
    assert found.metadata[b"table"] == b"roles" and found.metadata[b"recipe"].decode() == WEIGHTS.hash
    assert found.field("fold").metadata[b"meaning"] == schema("roles").field("fold").metadata[b"meaning"]


def test_a_table_without_a_recipe_is_refused(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.parquet", "roles", [])
    with pytest.raises(ValueError, match=r"a.parquet bears no intensity recipe: an older version wrote it"):
        recipe_of(tmp_path / "a.parquet")


def test_parts_that_were_changed_by_hand_are_refused() -> None:
    metadata = SHARDS.metadata()
    metadata["recipe_parts"] = metadata["recipe_parts"].replace("8", "16")
    with pytest.raises(ValueError, match=f"bears the recipe {SHARDS.hash}, its parts give"):
        Marked.from_metadata(Path("a.parquet"), metadata)


def test_a_file_fits_what_it_was_made_from() -> None:
    check_follows(Marked("weights", WEIGHTS), Marked("shard", SHARDS), "")
    check_follows(Marked("one shard", SHARDS), Marked("another", SHARDS), "")


def test_a_mismatch_names_both_files_both_hashes_the_key_and_what_to_do() -> None:
    other = Recipe().then("make_shards", {"settings": {"holistic_bits": 16}, "rules": {"version": 1}})
    with pytest.raises(ValueError) as refused:
        check_follows(Marked("weights", WEIGHTS), Marked("shard", other), "Do this")
    assert str(refused.value) == (
        f"different intensity recipes: {SHARDS.hash} in weights, {other.hash} in shard. They differ in "
        "`make_shards.settings.holistic_bits`: 8 and 16. Do this"
    )


def test_a_file_of_an_earlier_step_does_not_pass_for_one_of_a_later_step() -> None:
    with pytest.raises(ValueError, match=r"`train_holistic.crop`: not there and \"centre\""):
        check_follows(Marked("shard", SHARDS), Marked("weights", WEIGHTS), "")


def test_files_of_one_recipe_only_are_the_same() -> None:
    check_same([Marked("a", SHARDS), Marked("b", SHARDS)], "")
    with pytest.raises(ValueError, match="in a, .* in c"):
        check_same([Marked("a", SHARDS), Marked("b", SHARDS), Marked("c", WEIGHTS)], "")


def test_differences_are_named_in_both_directions() -> None:
    one, other = (
        Recipe().then("s", {"a": 1, "b": {"c": [1]}}),
        Recipe().then("s", {"b": {"c": [2]}, "d": None}),
    )
    assert (
        differences(one, other) == "`s.a`: 1 and not there, `s.b.c`: [1] and [2], `s.d`: not there and null"
    )
