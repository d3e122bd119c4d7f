import math
from pathlib import Path

import pytest

from mammo_steps.core.files import replacing, write_json
from mammo_steps.core.tables import RowGroupWriter, read_table, write_rows


def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as scratch:
        scratch.write_text("half")
        raise KeyboardInterrupt
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"] and path.read_text() == "old"


def test_two_writers_of_a_file_have_scratch_files_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with replacing(path) as first, replacing(path) as second:
        assert first != second and first.suffix == second.suffix == ".txt"
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first" and len(list(tmp_path.iterdir())) == 1  # the outer one ends last


def test_an_interrupted_row_group_writer_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), RowGroupWriter(tmp_path / "t.parquet", "tiles", "zstd") as writer:
        writer.append({"image_id": "i", "tile_row": 0, "tile_col": 0, "pixels": b"1"})
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_nan_is_refused_in_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"x": math.nan})
    assert list(tmp_path.iterdir()) == []


def test_a_table_with_a_wrong_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown columns \['side'\]"):
        write_rows(
            tmp_path / "r.parquet", "roles", [{"patient_id": "p", "fold": 0, "role": "test", "side": 1}]
        )


def test_a_null_where_a_value_is_due_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 of 1 values of `role` are null"):
        write_rows(tmp_path / "r.parquet", "roles", [{"patient_id": "p", "fold": 0}])


def test_columns_carry_their_meaning(tmp_path: Path) -> None:
    write_rows(tmp_path / "r.parquet", "roles", [{"patient_id": "p", "fold": 0, "role": "test"}])
    table = read_table(tmp_path / "r.parquet", "roles")
    assert table.schema.field("fold").metadata == {b"meaning": b"cross-validation fold, 0..K-1"}


def test_a_table_of_another_kind_is_refused(tmp_path: Path) -> None:
    write_rows(tmp_path / "r.parquet", "roles", [{"patient_id": "p", "fold": 0, "role": "test"}])
    with pytest.raises(ValueError, match="does not belong to a `images` table"):
        read_table(tmp_path / "r.parquet", "images")
