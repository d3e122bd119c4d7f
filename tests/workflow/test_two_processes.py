"""A training on several devices, chosen by the rule's resource; processes on the CPU stand for GPUs."""

import json
from pathlib import Path

from running import planned, snakemake

CONFIGS = ("config/demo.yaml", "tests/workflow/tiny.yaml")
MODELS = ("results/demo/holistic/fold0/model.safetensors", "results/demo/attention/fold0/model.safetensors")


def test_both_models_of_a_fold_train_on_two_processes_and_nothing_runs_again_on_one(tmp_path: Path) -> None:
    two = ("--set-resources", "train_holistic:gpu=2", "train_attention:gpu=2")
    result = snakemake(tmp_path, *MODELS, *two, configs=CONFIGS)
    assert result.returncode == 0, result.stdout + result.stderr
    for model in MODELS:
        record = json.loads((tmp_path / model).with_name("run.json").read_text())
        assert record["processes"] == 2 and len(record["epochs"]) == 2
    log = (tmp_path / "results/demo/logs/train_holistic/fold0.log").read_text()
    assert "on 2 x cpu" in log and log.count("epoch 2 of 2") == 1  # one rank tells
    assert planned(snakemake(tmp_path, "--dry-run", *MODELS, configs=CONFIGS)) == {}
