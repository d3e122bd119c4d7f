import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tiny_study import ROIS, TinyStudy

from mammo_steps import crop_rois
from mammo_steps.core.image_store import canvas_of
from mammo_steps.core.tables import read_table, recipe_of, write_rows
from mammo_steps.core.tiles import TileReader
from mammo_steps.core.windowing import grey_table


def coa_row(image: dict[str, Any], row: float, col: float) -> dict[str, Any]:
    return {
        "image_id": image["image_id"], "patient_id": "p", "exam_id": "e", "laterality": "L", "view": "CC",
        "fold": 0, "role": "test", "margin": 0.0, "coa_row": row, "coa_col": col, "coa_fallback": False,
        "further_coa_rows": [], "further_coa_cols": [], "top_outside_breast": 0.0, "top_spread_px": 0.0,
    }  # fmt: skip


def cut(  # type: ignore[no-untyped-def]
    study: TinyStudy,
    tmp_path: Path,
    places: list[tuple[float, float]],
    settings: str = ROIS,
    shard: Path | None = None,
):
    """The first images of a shard, the ROIs cut from them, and each image's whole grey matrix."""
    shard = shard or study.shards / "tiny-000"
    images = read_table(shard / "images.parquet", "shard_images").to_pylist()[: len(places)]
    rows = [coa_row(image, *place) for image, place in zip(images, places, strict=True)]
    recipe = recipe_of(shard / "images.parquet").recipe.then("locate_coa", {"top_fraction": 0.01})
    write_rows(tmp_path / "coas.parquet", "holistic_scores", rows, recipe)
    crop_rois.main(
        ["--coas", str(tmp_path / "coas.parquet"), "--shard-images", str(shard / "images.parquet")]
        + ["--images", str(study.cohort("images.parquet"))]
        + [
            "--tiles",
            str(shard / "tiles.parquet"),
            "--settings",
            settings,
            "--rois",
            str(tmp_path / "r.parquet"),
        ]
    )
    rois = pq.ParquetFile(tmp_path / "r.parquet")
    found = [rois.read_row_group(n) for n in range(rois.num_row_groups)]
    with TileReader(shard / "tiles.parquet") as tiles:
        whole = [
            grey_table(i["voi"], 8)[tiles.read_region(i, 0, 0, i["height_px"], i["width_px"])] for i in images
        ]
    return images, found, whole


def test_the_roi_is_the_images_own_pixels_chest_wall_left(tiny_study: TinyStudy, tmp_path: Path) -> None:
    images, found, whole = cut(tiny_study, tmp_path, [(80.0, 64.0)] * 8)
    assert {image["flipped"] for image in images} == {True, False}
    for image, roi, matrix in zip(images, found, whole, strict=True):
        # side 32 around row 80: 64..95 or 65..96; with the margin of ceil(32 x 0.4 / 2) = 7 rows on each side
        row, col = roi["row_px"][0].as_py(), roi["col_px"][0].as_py()
        assert (row, col) in {(64, 48), (65, 49)}
        wanted = matrix[row - 7 : row + 39, col - 7 : col + 39]
        np.testing.assert_array_equal(canvas_of(roi), wanted[:, ::-1] if image["flipped"] else wanted)


def test_at_a_corner_the_roi_stays_inside_and_its_margin_is_background(
    tiny_study: TinyStudy, tmp_path: Path
) -> None:
    images, (roi,), (matrix,) = cut(tiny_study, tmp_path, [(0.0, 0.0)])
    assert (roi["row_px"][0].as_py(), roi["col_px"][0].as_py()) == (0, 0)
    crop = canvas_of(roi)
    crop = crop[:, ::-1] if images[0]["flipped"] else crop
    assert (crop[:7] == 0).all() and (crop[:, :7] == 0).all()
    np.testing.assert_array_equal(crop[7:, 7:], matrix[:39, :39])


def test_an_image_smaller_than_the_roi_is_padded_evenly(tiny_study: TinyStudy, tmp_path: Path) -> None:
    settings = '{"side_px": 200, "mm_per_px": null, "stored_to_side": 1.0, "bits": 16}'
    images, (roi,), (matrix,) = cut(tiny_study, tmp_path, [(80.0, 64.0)], settings)
    height, width = images[0]["height_px"], images[0]["width_px"]
    assert roi["row_px"][0].as_py() == (height - 200) // 2 and roi["col_px"][0].as_py() == (width - 200) // 2
    crop = canvas_of(roi)
    assert crop.dtype == np.uint16 and crop.shape == (200, 200)
    assert int((crop > 0).sum()) == pytest.approx(int((matrix > 0).sum()), rel=0.02)


def test_only_images_with_a_coa_are_cut(tiny_study: TinyStudy, tmp_path: Path) -> None:
    _, found, _ = cut(tiny_study, tmp_path, [(80.0, 64.0)] * 3)
    assert len(found) == 3


def test_an_image_that_a_second_intake_holds_as_well_is_cut_from_the_cohorts_shard(
    tiny_study: TinyStudy, tmp_path: Path
) -> None:
    again = shutil.copytree(tiny_study.shards / "tiny-000", tmp_path / "again-000")
    _, found, _ = cut(tiny_study, tmp_path, [(80.0, 64.0)] * 3, shard=again)
    assert not found
