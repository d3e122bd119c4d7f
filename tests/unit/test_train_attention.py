"""The attention model on a tiny study."""

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_study import ATTENTION, COMPUTE, JOB, TinyStudy

from mammo_steps import train_attention
from mammo_steps.core.network import load_network, read_facts
from mammo_steps.core.tables import recipe_of, write_rows


def test_the_attention_model_starts_from_the_folds_holistic_weights(
    tiny_study: TinyStudy, fold_0: Path, tmp_path: Path
) -> None:
    attention = fold_0 / "attention/fold0"
    assert read_facts(attention / "model.safetensors")["model"] == "attention"
    # with a learning rate of next to nothing it stays where it started
    still = json.loads(ATTENTION)
    still["fit"] |= {"learning_rate": 1e-12, "epochs": 1, "schedule": "constant", "weight_decay": 0.0}
    train_attention.main(
        [*tiny_study.cohort_flags(), "--rois", str(attention / "rois"), "--fold", "0", "--seed", "1"]
        + ["--begin-with", str(fold_0 / "holistic/fold0/model.safetensors"), "--settings", json.dumps(still)]
        + ["--compute", COMPUTE, "--job", JOB, "--model", str(tmp_path / "m.safetensors")]
        + ["--history", str(tmp_path / "h.csv"), "--record", str(tmp_path / "r.json")]
    )
    start = load_network(fold_0 / "holistic/fold0/model.safetensors").conv1.weight
    np.testing.assert_allclose(
        load_network(tmp_path / "m.safetensors").conv1.weight.detach(), start.detach(), atol=1e-6
    )


def test_a_missing_roi_of_a_positive_stops_the_training(
    tiny_study: TinyStudy, fold_0: Path, tmp_path: Path
) -> None:
    (tmp_path / "rois").mkdir()
    for file in (fold_0 / "attention/fold0/rois").glob("*.parquet"):
        write_rows(tmp_path / "rois" / file.name, "rois", [], recipe_of(file).recipe)
    with pytest.raises(ValueError, match="images have no ROI"):
        train_attention.main(
            [*tiny_study.cohort_flags(), "--rois", str(tmp_path / "rois"), "--fold", "0", "--seed", "1"]
            + ["--begin-with", str(fold_0 / "holistic/fold0/model.safetensors"), "--settings", ATTENTION]
            + ["--compute", COMPUTE, "--job", JOB, "--model", str(tmp_path / "m.safetensors")]
            + ["--history", str(tmp_path / "h.csv"), "--record", str(tmp_path / "r.json")]
        )


def test_a_start_from_another_folds_weights_is_refused(
    tiny_study: TinyStudy, fold_0: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="fold 1 learn from, so they may have seen its test women"):
        train_attention.main(
            [*tiny_study.cohort_flags(), "--rois", str(tmp_path), "--fold", "1", "--seed", "1"]
            + ["--begin-with", str(fold_0 / "holistic/fold0/model.safetensors"), "--settings", ATTENTION]
            + ["--compute", COMPUTE, "--job", JOB, "--model", str(tmp_path / "m.safetensors")]
            + ["--history", str(tmp_path / "h.csv"), "--record", str(tmp_path / "r.json")]
        )
