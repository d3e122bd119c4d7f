from pathlib import Path

import numpy as np

from mammo_steps.core.tables import read_table


def test_the_attention_model_scores_the_images_that_have_a_coa(fold_0: Path) -> None:
    coas = read_table(fold_0 / "holistic/fold0/images.parquet", "holistic_scores").to_pandas()
    scores = read_table(fold_0 / "attention/fold0/images.parquet", "attention_scores").to_pandas()
    assert scores.image_id.tolist() == coas.image_id.tolist() and scores.role.tolist() == coas.role.tolist()
    assert np.isfinite(scores.margin).all() and scores.margin.std() > 0
