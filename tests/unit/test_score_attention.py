import json
from pathlib import Path

import numpy as np
import pytest
from tiny_study import COMPUTE, JOB, SCORE_ATTENTION, TinyStudy

from mammo_steps import score_attention
from mammo_steps.core.tables import read_table


def test_the_attention_model_scores_the_images_that_have_a_coa(fold_0: Path) -> None:
    coas = read_table(fold_0 / "holistic/fold0/images.parquet", "holistic_scores").to_pandas()
    scores = read_table(fold_0 / "attention/fold0/images.parquet", "attention_scores").to_pandas()
    assert scores.image_id.tolist() == coas.image_id.tolist() and scores.role.tolist() == coas.role.tolist()
    assert np.isfinite(scores.margin).all() and scores.margin.std() > 0


@pytest.mark.parametrize(
    ("fold", "model", "message"),
    [
        ("1", "attention", "learned from other women"),
        ("0", "holistic", "weights of the holistic model, wanted the attention one"),
    ],
)
def test_weights_of_another_fold_or_model_are_refused(
    tiny_study: TinyStudy, fold_0: Path, tmp_path: Path, fold: str, model: str, message: str
) -> None:
    coas = fold_0 / "holistic/fold0/images.parquet"
    with pytest.raises(ValueError, match=message):
        score_attention.main(
            [*tiny_study.cohort_flags(), "--fold", fold, "--coas", str(coas)]
            + ["--rois", str(fold_0 / "attention/fold0/rois"), "--settings", SCORE_ATTENTION]
            + ["--model", str(fold_0 / model / "fold0/model.safetensors"), "--compute", COMPUTE, "--job", JOB]
            + ["--scores", str(tmp_path / "scores.parquet")]
        )


def test_with_test_time_flips_margins_are_others(tiny_study: TinyStudy, fold_0: Path, tmp_path: Path) -> None:
    settings = json.dumps({**json.loads(SCORE_ATTENTION), "test_time_flip": True})
    score_attention.main(
        [*tiny_study.cohort_flags(), "--fold", "0", "--coas", str(fold_0 / "holistic/fold0/images.parquet")]
        + ["--rois", str(fold_0 / "attention/fold0/rois"), "--settings", settings]
        + ["--model", str(fold_0 / "attention/fold0/model.safetensors"), "--compute", COMPUTE, "--job", JOB]
        + ["--scores", str(tmp_path / "scores.parquet")]
    )
    plain = read_table(fold_0 / "attention/fold0/images.parquet", "attention_scores").to_pandas()
    found = read_table(tmp_path / "scores.parquet", "attention_scores").to_pandas()
    assert found.image_id.tolist() == plain.image_id.tolist() and (found.margin != plain.margin).all()
