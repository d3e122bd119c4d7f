"""Minutes each: what can only be seen on the whole chain."""

import csv
import json
import random
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from running import snakemake

pytestmark = pytest.mark.long

COHORT = """
make_demo_cohort:
  exams: {{normal: {normal}, benign: {benign}, screen_detected: {screen_detected}, interval: {interval}}}
  sizes: [[320, 256]]
make_shards: {{settings: {{holistic_width_px: 64}}}}
intakes: [{{name: demo, archive: null, chunks: 1, shards: {shards}}}]
split_folds: {{folds: 2}}
train_holistic: {{fit: {{input_px: 64, epochs: 2, batch_size: 16}}}}
crop_rois: {{side_px: 64}}
train_attention: {{fit: {{input_px: 64, epochs: 2, batch_size: 16}}}}
evaluate: {{bootstrap_samples: 100}}
"""


def run(folder: Path, target: str, *overlays: Path) -> Path:
    result = snakemake(folder, target, configs=("config/demo.yaml", *map(str, overlays)))
    assert result.returncode == 0, result.stdout + result.stderr
    return folder / target


def cohort(folder: Path, shards: int = 1, times: int = 1) -> Path:
    counts = {"normal": 36, "benign": 6, "screen_detected": 30, "interval": 6}
    path = folder / "cohort.yaml"
    path.write_text(COHORT.format(shards=shards, **{k: v * times for k, v in counts.items()}))
    return path


def shuffled(labels: Path, out: Path, seed: int) -> None:
    """Deal the outcomes (and sides) anew among women; a woman's exams keep their number."""
    with labels.open() as file:
        rows = list(csv.DictReader(file))
    outcomes = [(row["outcome"], row["cancer_laterality"]) for row in rows]
    random.Random(seed).shuffle(outcomes)
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        for row, (outcome, laterality) in zip(rows, outcomes, strict=True):
            writer.writerow({**row, "outcome": outcome, "cancer_laterality": laterality})


def test_shuffled_outcomes_give_an_auc_of_one_half(tmp_path: Path) -> None:
    overlay = cohort(tmp_path)
    # one exam per woman, so that outcomes can be dealt freely
    overlay.write_text(overlay.read_text().replace("  sizes", "  share_two_exams: 0.0\n  sizes"))
    run(tmp_path, "results/demo/shards/demo-000/images.parquet", overlay)
    aucs = defaultdict(list)
    for seed in range(5):
        labels = tmp_path / f"labels{seed}.csv"
        shuffled(tmp_path / "results/demo/demo/labels.csv", labels, seed)
        study = tmp_path / f"study{seed}.yaml"
        study.write_text(
            f"study: shuffled{seed}\nshards_from: results/demo\nmake_demo_cohort: null\n"
            f"labels: {labels}\nlesions: null\n"
        )
        auc = pd.read_csv(run(tmp_path, f"results/shuffled{seed}/report/auc.csv", overlay, study))
        auc = auc[(auc.endpoint == "screen_detected") & (auc.protocol == "all") & (auc.pooling == "pooled")]
        for model in ("holistic", "attention", "ensemble"):
            aucs[model].append(float(auc[auc.model == model].auc.iloc[0]))
    for model, values in aucs.items():
        assert 0.40 <= np.mean(values) <= 0.60, (model, values)


def peaks(folder: Path) -> dict[str, int]:
    """Rule -> peak memory of its largest process, in MB."""
    found: dict[str, int] = {}
    for log in (folder / "results/demo/logs").rglob("*.log"):
        for line in re.findall(r"cost: (\{.*\})", log.read_text()):
            rule = log.relative_to(folder / "results/demo/logs").parts[0]
            found[rule] = max(found.get(rule, 0), json.loads(line)["peak_mb"])
    return found


def test_no_stage_needs_more_memory_when_the_cohort_doubles(tmp_path: Path) -> None:
    both = []
    for times in (1, 2):
        folder = tmp_path / str(times)
        folder.mkdir()
        run(folder, "results/demo/report/report.html", cohort(folder, shards=times, times=times))
        both.append(peaks(folder))
    once, twice = both
    assert set(once) == set(twice) and "train_holistic" in once and "make_shards" in once
    grown = {rule: (once[rule], twice[rule]) for rule in once if twice[rule] > 1.1 * once[rule] + 20}
    assert not grown, grown
