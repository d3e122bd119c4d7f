"""Images and ROIs of a constant mm per pixel: the same breast looks alike whatever the detector."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tiny_study import ROIS, TinyStudy

from mammo_steps import crop_rois
from mammo_steps.core.batches import scaled, scored_square
from mammo_steps.core.geometry import InputCut, RoiSize
from mammo_steps.core.image_store import ImageStore, Place, canvas_of, roi_places
from mammo_steps.core.tables import read_table, recipe_of, write_rows, write_table

QUARTER = InputCut(976, "centre", 0.25)


@pytest.mark.parametrize(
    ("stored", "spacing", "canvas", "valid_columns"),
    [
        ((4096, 3328), 0.065, (1065, 865), 865),  # 216 mm wide: padded away from the chest wall
        ((4096, 3328), 0.085, (1393, 1132), 976),  # 283 mm wide: cut there
        ((2294, 1914), 0.1, (918, 766), 766),
    ],
)
def test_the_image_has_the_scale_asked_for_and_starts_at_the_chest_wall(
    stored: tuple[int, int], spacing: float, canvas: tuple[int, int], valid_columns: int
) -> None:
    frame = QUARTER.frame(stored, (1201, 976), False, 0.0, spacing)
    assert frame.canvas_px == canvas and frame.left_px == 0
    assert frame.valid_box[2:] == (0, valid_columns)


@pytest.mark.parametrize("flipped", [False, True])
def test_ten_mm_are_forty_pixels_on_every_detector(flipped: bool) -> None:
    for stored, spacing in (((4096, 3328), 0.065), ((2294, 1914), 0.1)):
        frame = QUARTER.frame(stored, (1201, 976), flipped, 0.0, spacing)
        one, other = frame.to_input(1000, 800), frame.to_input(1000 + 10 / spacing, 800)
        assert other[0] - one[0] == pytest.approx(40, rel=1e-3)
        assert frame.to_stored(*one) == pytest.approx((1000, 800))


def test_without_spacing_nothing_is_guessed() -> None:
    with pytest.raises(ValueError, match="without pixel spacing"):
        QUARTER.frame((100, 100), (100, 100), False, 0.0, None)
    with pytest.raises(ValueError, match="without pixel spacing"):
        RoiSize(976, 0.07).stored_px(None)
    assert RoiSize(976).stored_px(None) == 976 and RoiSize(976, 0.07).stored_px(0.1) == 683


def test_the_network_sees_the_resized_picture() -> None:
    canvas = np.zeros((100, 50), np.uint8)
    canvas[40:60, :20] = 200
    place = Place(Path("unused"), 0, 20, 0, (80, 40))
    square = scored_square(scaled(canvas, place), place, 48)
    assert square.shape == (48, 48) and (square[13:27, :15] == 200).all()
    assert (square[:11] == 0).all() and (square[:, 17:] == 0).all()


@pytest.fixture
def cut(tiny_study: TinyStudy, tmp_path: Path) -> tuple[list[dict[str, Any]], Path]:
    """ROIs of 32 pixels of 0.1 mm from a shard whose first image has pixels of 0.05 mm, its second of 0.2 mm."""
    shard = tiny_study.shards / "tiny-000"
    images = read_table(shard / "images.parquet", "shard_images").to_pylist()[:2]
    cohort = read_table(tiny_study.cohort("images.parquet"), "images").to_pandas()
    for image, mm in zip(images, (0.05, 0.2), strict=True):
        cohort.loc[cohort.image_id == image["image_id"], "pixel_spacing_mm"] = mm
    recipe = recipe_of(tiny_study.cohort("images.parquet")).recipe
    columns = {str(name): column for name, column in cohort.items()}
    write_table(tmp_path / "images.parquet", "images", columns, recipe)
    rows = [
        {
            "image_id": image["image_id"], "patient_id": "p", "exam_id": "e", "laterality": "L", "view": "CC",
            "fold": 0, "role": "test", "margin": 0.0, "coa_row": 80.0, "coa_col": 64.0, "coa_fallback": False,
            "further_coa_rows": [], "further_coa_cols": [], "top_outside_breast": 0.0, "top_spread_px": 0.0,
        }
        for image in images
    ]  # fmt: skip
    coas = recipe_of(shard / "images.parquet").recipe.then("locate_coa", {})
    write_rows(tmp_path / "coas.parquet", "holistic_scores", rows, coas)
    settings = json.dumps({**json.loads(ROIS), "mm_per_px": 0.1})
    crop_rois.main(
        ["--coas", str(tmp_path / "coas.parquet"), "--images", str(tmp_path / "images.parquet")]
        + ["--shard-images", str(shard / "images.parquet"), "--tiles", str(shard / "tiles.parquet")]
        + ["--settings", settings, "--rois", str(tmp_path / "rois" / "tiny-000.parquet")]
    )
    return images, tmp_path / "rois" / "tiny-000.parquet"


def test_rois_show_the_same_mm_in_as_many_pixels(cut: tuple[list[dict[str, Any]], Path]) -> None:
    images, file = cut
    rois = read_table(file, "rois").to_pylist()
    assert [roi["side_px"] for roi in rois] == [64, 16]  # 3.2 mm
    assert {roi["stored_side_px"] for roi in rois} == {32 + 2 * 7} and {r["margin_px"] for r in rois} == {7}
    assert (rois[1]["row_px"], rois[1]["col_px"]) in {(72, 56), (73, 57)}
    store = ImageStore(roi_places(file.parent, ["tiny-000"]))
    for image in images:
        place = store.places[image["image_id"]]
        assert scored_square(store.canvas(image["image_id"]), place, 32).shape == (32, 32)


def test_a_shrunk_roi_is_the_mean_over_areas(
    cut: tuple[list[dict[str, Any]], Path], tiny_study: TinyStudy, tmp_path: Path
) -> None:
    _, file = cut
    fine = canvas_of(pq.ParquetFile(file).read_row_group(0)).astype(float)
    settings = json.dumps({**json.loads(ROIS), "side_px": 64})  # the same mm in stored pixels
    shard = tiny_study.shards / "tiny-000"
    crop_rois.main(
        ["--coas", str(tmp_path / "coas.parquet"), "--images", str(tmp_path / "images.parquet")]
        + ["--shard-images", str(shard / "images.parquet"), "--tiles", str(shard / "tiles.parquet")]
        + ["--settings", settings, "--rois", str(tmp_path / "plain.parquet")]
    )
    plain = canvas_of(pq.ParquetFile(tmp_path / "plain.parquet").read_row_group(0)).astype(float)
    inner, outer = fine[7:39, 7:39], plain[13:77, 13:77]
    np.testing.assert_allclose(inner, outer.reshape(32, 2, 32, 2).mean(axis=(1, 3)), atol=1)
