import json
from pathlib import Path

import numpy as np
from tiny_study import COMPUTE, TinyStudy

from mammo_steps import explain_exams
from mammo_steps.core.tables import read_table, write_rows


def test_figure_1_shows_positive_and_negative_exams_of_the_test_fold(
    tiny_study: TinyStudy, fold_0: Path, tmp_path: Path
) -> None:
    exams = read_table(tiny_study.cohort("exams.parquet"), "exams").to_pandas()
    test = exams[exams.fold == 0]
    rows = [
        {
            **{name: getattr(exam, name) for name in ("patient_id", "exam_id", "outcome", "fold")},
            **{"holistic": 0.0, "attention": 0.0, "ensemble": float(n)},
        }
        for n, exam in enumerate(test.itertuples())
    ]
    write_rows(tmp_path / "exams.parquet", "exam_scores", rows)
    explain_exams.main(
        ["--scores", str(tmp_path / "exams.parquet"), "--images", str(tiny_study.cohort("images.parquet"))]
        + ["--results", str(fold_0), "--shards", str(tiny_study.shards), "--top-fraction", "0.01"]
        + ["--settings", '{"n_each": 1}', "--compute", COMPUTE, "--maps", str(tmp_path / "maps.npz")]
    )
    maps = np.load(tmp_path / "maps.npz")
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
