"""Wu et al. 2019 with seeded weights, and an outside model, in a whole run on a tiny SYNTHETIC cohort."""

import csv
import hashlib
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from running import TINY, planned, snakemake

from mammo_steps.core.wu_networks import FourViews, patch_classifier

# images that show enough breast for crops of 256 pixels, but few of them
COHORT = {"exams": {"normal": 5, "benign": 2, "screen_detected": 8, "interval": 3}, "sizes": [[480, 400]]}


def overlay(folder: Path, **more: object) -> Path:
    """Weights of the published shapes in files, and a table of scores of an outside model."""
    torch.manual_seed(3)
    networks = {"patches": patch_classifier(), "image": FourViews(1), "image_and_heatmaps": FourViews(3)}
    weights = {}
    for name, network in networks.items():
        path = folder / f"{name}.p"
        torch.save({"model": network.state_dict()}, path)
        weights[name] = {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    rival = {"name": "rival", "title": "Rival", "file": str(folder / "rival.csv"), "rows": "exams"}
    settings = {
        "score_wu2019": {"weights": weights, "noisy_passes": 0},
        "outside_models": {"tables": [{**rival, "trained_on": "nothing", "overlap": "none"}]},
        **more,
    }
    path = folder / "published.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def rival_scores(study: Path, file: Path) -> None:
    """All exams have a score but the first; ids are the archive's own."""
    with (study / "results/demo/demo/labels.csv").open(newline="") as labels:
        exams = [row["exam_id"] for row in csv.DictReader(labels)]
    lines = [f"{exam},{number % 7}" for number, exam in enumerate(exams)][1:]
    file.write_text("\n".join(["exam_id,score", *lines]) + "\n")


def test_an_outside_model_joins_the_tables(own_study: Path, tmp_path: Path) -> None:
    rival_scores(own_study, tmp_path / "rival.csv")
    config = str(overlay(tmp_path, score_wu2019={}))
    result = snakemake(own_study, "all", configs=(*TINY, config))
    assert result.returncode == 0, result.stdout + result.stderr
    results = own_study / "results/demo"
    auc = pd.read_csv(results / "report/auc.csv")
    auc = auc[(auc.protocol == "all") & (auc.pooling == "pooled")].set_index(["model", "endpoint"])
    assert auc.loc[("rival", "screen_detected"), ["n_positive", "n_negative"]].sum() == 25
    page = (results / "report/report.html").read_text()
    assert "Rival*" in page and "Rival: trained on: nothing." in page
    without = planned(snakemake(own_study, "--dry-run", "all", configs=TINY))
    assert set(without) == {"all", "evaluate", "draw_figures", "report", "write_cards"}
    published = planned(snakemake(own_study, "--dry-run", "all", configs=(*TINY, str(overlay(tmp_path)))))
    assert (published["score_wu2019"], published["adapt_wu2019"], published["score_exams"]) == (2, 3, 1)
    assert not {"make_shards", "train_holistic", "locate_coa", "train_attention"} & set(published)


@pytest.mark.long
def test_with_seeded_weights_the_rows_appear(tmp_path: Path) -> None:
    (tmp_path / "rival.csv").write_text("")
    config = overlay(tmp_path, make_demo_cohort=COHORT, outside_models={"tables": []})
    result = snakemake(tmp_path, "all", configs=(*TINY, str(config)))
    assert result.returncode == 0, result.stdout + result.stderr
    results = tmp_path / "results/demo"
    auc = pd.read_csv(results / "report/auc.csv").set_index(["model", "endpoint", "protocol", "pooling"])
    for model in ("wu2019", "wu2019_adapted"):
        row = auc.loc[(model, "screen_detected", "all", "pooled")]
        assert (row.n_positive, row.n_negative) == (8, 10) and 0 <= row.ci_low < row.auc < row.ci_high <= 1
    again = snakemake(tmp_path, "--dry-run", "all", configs=(*TINY, str(config)))
    assert planned(again) == {}
