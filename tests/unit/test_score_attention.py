from pathlib import Path

import numpy as np
import pytest
from tiny_study import COMPUTE, JOB, TinyStudy

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
            + ["--rois", str(fold_0 / "attention/fold0/rois"), "--settings", '{"batch_size": 8}']
            + ["--model", str(fold_0 / model / "fold0/model.safetensors"), "--compute", COMPUTE, "--job", JOB]
            + ["--scores", str(tmp_path / "scores.parquet")]
        )
