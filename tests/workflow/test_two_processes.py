"""A training on several devices, chosen by the rule's resource; processes on the CPU stand for GPUs."""

import json
import shutil
from pathlib import Path

import pytest
from running import planned, snakemake

MODELS = ("results/demo/holistic/fold0/model.safetensors", "results/demo/attention/fold0/model.safetensors")


@pytest.mark.long
def test_both_models_of_a_fold_train_on_two_processes_and_nothing_runs_again_on_one(own_study: Path) -> None:
    for model in MODELS:
        shutil.rmtree((own_study / model).parent)
    two = ("--set-resources", "train_holistic:gpu=2", "train_attention:gpu=2")
    result = snakemake(own_study, *MODELS, *two)
    assert result.returncode == 0, result.stdout + result.stderr
    for model in MODELS:
        record = json.loads((own_study / model).with_name("run.json").read_text())
        assert record["processes"] == 2 and len(record["epochs"]) == 2
    log = (own_study / "results/demo/logs/train_holistic/fold0.log").read_text()
    assert "on 2 x cpu" in log and log.count("epoch 2 of 2") == 1  # one rank tells
    assert planned(snakemake(own_study, "--dry-run", *MODELS)) == {}
