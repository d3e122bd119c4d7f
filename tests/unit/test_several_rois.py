"""More than one ROI per image: locate_coa, crop_rois and score_attention with coas_per_image > 1."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from tiny_study import COMPUTE, JOB, LOCATE, ROIS, SCORE_ATTENTION, TinyStudy, attend

from mammo_steps import crop_rois, locate_coa, score_attention
from mammo_steps.core.geometry import InputFrame, roi_corner
from mammo_steps.core.saliency import densest_square, further_coas
from mammo_steps.core.tables import read_table, recipe_of

THREE = json.dumps({**json.loads(LOCATE), "coas_per_image": 3})


def located(study: TinyStudy, model: Path, out: Path, settings: str) -> pd.DataFrame:
    locate_coa.main(
        [*study.cohort_flags(), "--shards", str(study.shards), "--fold", "0", "--seed", "1"]
        + ["--model", str(model), "--settings", settings, "--compute", COMPUTE, "--job", JOB]
        + ["--roi", '{"side_px": 32, "mm_per_px": null}', "--coas", str(out)]
    )
    return read_table(out, "holistic_scores").to_pandas()


@pytest.fixture(scope="module")
def several(tiny_study: TinyStudy, fold_0: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fold 0 again from its holistic weights on, with up to three ROIs per image."""
    out = tmp_path_factory.mktemp("several")
    located(tiny_study, fold_0 / "holistic/fold0/model.safetensors", out / "coas.parquet", THREE)
    for shard in tiny_study.shards.iterdir():
        crop_rois.main(
            ["--coas", str(out / "coas.parquet"), "--shard-images", str(shard / "images.parquet")]
            + ["--images", str(tiny_study.cohort("images.parquet")), "--tiles", str(shard / "tiles.parquet")]
            + ["--settings", ROIS, "--rois", str(out / "rois" / f"{shard.name}.parquet")]
        )
    attend(tiny_study, fold_0 / "holistic/fold0", out)
    return out


def scored(study: TinyStudy, several: Path, out: Path, pooling: str) -> pd.DataFrame:
    settings = json.dumps({**json.loads(SCORE_ATTENTION), "roi_pooling": pooling})
    score_attention.main(
        [*study.cohort_flags(), "--fold", "0", "--coas", str(several / "coas.parquet")]
        + ["--rois", str(several / "rois"), "--model", str(several / "model.safetensors")]
        + ["--settings", settings, "--compute", COMPUTE, "--job", JOB, "--scores", str(out)]
    )
    return read_table(out, "attention_scores").to_pandas()


def test_the_first_coa_is_that_of_one_per_image(
    tiny_study: TinyStudy, fold_0: Path, several: Path, tmp_path: Path
) -> None:
    one = located(tiny_study, fold_0 / "holistic/fold0/model.safetensors", tmp_path / "coas.parquet", LOCATE)
    three = read_table(several / "coas.parquet", "holistic_scores").to_pandas()
    further = ["further_coa_rows", "further_coa_cols"]
    pd.testing.assert_frame_equal(one.drop(columns=further), three.drop(columns=further))
    assert one.further_coa_rows.map(len).eq(0).all() and three.further_coa_rows.map(len).gt(0).any()
    assert recipe_of(tmp_path / "coas.parquet").recipe.hash != recipe_of(several / "coas.parquet").recipe.hash


def test_every_coa_has_a_roi_and_the_first_is_number_0(several: Path) -> None:
    three = read_table(several / "coas.parquet", "holistic_scores").to_pandas().set_index("image_id")
    rois = pd.concat(
        read_table(file, "rois").to_pandas() for file in sorted((several / "rois").glob("*.parquet"))
    )
    assert rois.groupby("image_id").size().sort_index().equals(three.further_coa_rows.map(len) + 1)
    for roi in rois.itertuples():
        coa = three.loc[roi.image_id]
        rows, cols = ([coa[f"coa_{axis}"], *coa[f"further_coa_{axis}s"]] for axis in ("row", "col"))
        assert (roi.row_px, roi.col_px) == roi_corner(rows[roi.number], cols[roi.number], (160, 128), 32)


def test_margins_are_pooled_over_an_images_rois(tiny_study: TinyStudy, several: Path, tmp_path: Path) -> None:
    highest = scored(tiny_study, several, tmp_path / "max.parquet", "max")
    mean = scored(tiny_study, several, tmp_path / "mean.parquet", "mean")
    assert highest.image_id.tolist() == mean.image_id.tolist() and (highest.margin >= mean.margin).all()
    assert (highest.margin > mean.margin).any()


def top_pixels(*places: tuple[int, int]) -> torch.Tensor:
    top = torch.zeros(8, 8, dtype=torch.bool)
    for place in places:
        top[place] = True
    return top


def test_the_densest_square_is_the_first_that_holds_most() -> None:
    top = top_pixels((1, 1), (2, 2), (6, 5), (6, 6), (7, 6))
    assert densest_square(top, 2) == (6, 5) and densest_square(top_pixels((3, 3)), 2) == (2, 2)
    assert densest_square(top, 8) == (0, 0)


@pytest.mark.parametrize("flipped", [False, True])
def test_further_coas_are_of_the_pixels_outside_the_rois_so_far(flipped: bool) -> None:
    frame = InputFrame((16, 16), (8, 8), flipped, 8, 0, 0)  # an input pixel is two stored ones
    top = top_pixels((0, 0), (1, 1), (5, 5), (5, 6), (0, 7))
    found = further_coas(top, frame, frame.to_stored(0.5, 0.5), 5, 6)
    assert found == [frame.to_stored(5, 5.5), frame.to_stored(0, 7)]
    assert further_coas(top, frame, frame.to_stored(0.5, 0.5), 1, 6) == found[:1]


def test_a_coa_between_two_heaps_is_followed_by_the_heaps() -> None:
    frame = InputFrame((16, 16), (8, 8), False, 8, 0, 0)
    top = top_pixels((0, 0), (0, 1), (7, 6), (7, 7))
    found = further_coas(top, frame, frame.to_stored(3.5, 3.5), 5, 4)
    assert found == [frame.to_stored(0, 0.5), frame.to_stored(7, 6.5)]


def test_rois_as_large_as_the_image_leave_none() -> None:
    frame = InputFrame((16, 16), (8, 8), False, 8, 0, 0)
    assert further_coas(top_pixels((0, 0), (7, 7)), frame, (8.0, 8.0), 3, 40) == []
