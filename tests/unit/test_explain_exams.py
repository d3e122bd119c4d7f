import json
from pathlib import Path

import numpy as np
import pytest
from marked_files import with_change
from tiny_study import COMPUTE, JOB, TinyStudy

from mammo_steps import explain_exams
from mammo_steps.core.recipe import Recipe
from mammo_steps.core.tables import read_table, recipe_of, write_rows


def explain(study: TinyStudy, results: Path, out: Path, recipe: Recipe) -> Path:
    """The step's maps, for scores of the exams that fold 0 tests."""
    exams = read_table(study.cohort("exams.parquet"), "exams").to_pandas()
    rows = [
        {
            **{name: getattr(exam, name) for name in ("patient_id", "exam_id", "outcome", "fold")},
            **{"holistic": 0.0, "attention": 0.0, "ensemble": float(n)},
        }
        for n, exam in enumerate(exams[exams.fold == 0].itertuples())
    ]
    write_rows(out / "exams.parquet", "exam_scores", rows, recipe)
    explain_exams.main(
        ["--scores", str(out / "exams.parquet"), "--images", str(study.cohort("images.parquet"))]
        + ["--results", str(results), "--shards", str(study.shards), "--top-fraction", "0.01"]
        + ["--settings", '{"n_each": 1}', "--compute", COMPUTE, "--job", JOB, "--maps", str(out / "maps.npz")]
    )
    return out / "maps.npz"


def test_figure_1_shows_positive_and_negative_exams_of_the_test_fold(
    tiny_study: TinyStudy, fold_0: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(fold_0 / "attention/fold0/images.parquet").recipe
    maps = np.load(explain(tiny_study, fold_0, tmp_path, recipe))
    index = json.loads(str(maps["index"]))
    assert [entry["kind"] for entry in index] == ["positive"] * 4 + ["negative"] * 4
    coas = read_table(fold_0 / "holistic/fold0/images.parquet", "holistic_scores").to_pandas()
    for entry in index:
        assert maps[f"{entry['image_id']}/input"].shape == (32, 32)
        assert maps[f"{entry['image_id']}/roi"].shape == (32, 32)
        assert len(entry["top_pixels"]) == 10  # round(0.01 x 1024)
        assert entry["image_id"] in set(coas.image_id)
        first_row, first_col, last_row, last_col = entry["roi_box"]
        row, col = entry["coa"]
        assert first_row <= row <= last_row and first_col <= col <= last_col


@pytest.mark.parametrize("step", ["train_holistic", "crop_rois"])
def test_networks_and_rois_that_the_scores_do_not_come_of_are_refused(
    tiny_study: TinyStudy, fold_0: Path, tmp_path: Path, step: str
) -> None:
    recipe = recipe_of(fold_0 / "attention/fold0/images.parquet").recipe
    with pytest.raises(ValueError, match=rf"in .*exams.parquet, .*`{step}.bits`: .* Take weights and tables"):
        explain(tiny_study, fold_0, tmp_path, with_change(recipe, step, bits=16))
