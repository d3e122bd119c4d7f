"""Every column of every table says what it means and, where there is one, in which unit it is."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mammo_steps.core.columns import TABLES
from mammo_steps.core.tables import RowGroups, RowGroupWriter, read_table, schema, write_rows

# numbers that are counts, places in a list, shares, probabilities, scores or grey levels
NO_UNIT = {
    *("fold", "target", "number", "n_windows", "features", "score", "wu2019", "top_outside_breast"),
    *("holistic_row_group", "tile_row", "tile_col", "tile_row_groups", "tile_values", "benign", "malignant"),
    *(f"reader_{n}{side}" for n in (1, 2) for side in ("", "_left", "_right")),
    "two_readers",
    *(f"{network}_probability" for network in ("holistic", "attention", "ensemble")),
    *("n_images", "n_left_out", "breast_share", *(f"grey_p{k}" for k in ("05", "25", "50", "75", "95"))),
    *(
        f"{p}{side}_{k}"
        for p in ("", "image_")
        for side in ("left", "right")
        for k in ("benign", "malignant")
    ),
}
NUMBERS = ("int", "double", "list")


@pytest.mark.parametrize("kind", TABLES)
def test_every_column_has_a_meaning_and_every_quantity_a_unit(kind: str) -> None:
    for field in schema(kind):
        unit = field.metadata.get(b"unit", b"").decode()
        assert field.metadata[b"meaning"].strip()
        if TABLES[kind][field.name].type.startswith(NUMBERS):
            assert bool(unit) != (field.name in NO_UNIT), f"{kind}.{field.name}: unit {unit!r}"
        else:
            assert not unit, f"{kind}.{field.name} is no number"


def test_units_stand_in_the_file(tmp_path: Path) -> None:
    row = {"image_id": "i", "height_px": 1, "width_px": 1, "bits": 8, "pixels": b"x"}
    with RowGroupWriter(tmp_path / "h.parquet", "holistic", "none") as writer:
        writer.append(row)
    found = pq.read_schema(tmp_path / "h.parquet")
    assert {f.name: f.metadata.get(b"unit") for f in found} == {
        "image_id": None, "height_px": b"px", "width_px": b"px", "bits": b"bits", "pixels": None,
    }  # fmt: skip


def test_files_from_before_there_were_units_are_read(tmp_path: Path) -> None:
    write_rows(tmp_path / "r.parquet", "roles", [{"patient_id": "p", "fold": 0, "role": "test"}])
    found = pq.read_table(tmp_path / "r.parquet")
    bare = pa.schema([field.remove_metadata() for field in found.schema])
    pq.write_table(found.cast(bare), tmp_path / "old.parquet")
    assert read_table(tmp_path / "old.parquet", "roles").num_rows == 1
    assert len(RowGroups(tmp_path / "old.parquet", "roles").read(0)) == 1
