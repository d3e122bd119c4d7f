import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from torchvision.models import get_model_weights

from mammo_steps.core import cost_figures as figures
from mammo_steps.core.backbone_costs import BACKBONES, forward_gflop
from mammo_steps.core.costs import costs_of
from mammo_steps.core.job_limits import JobLimits, limits_of
from mammo_steps.core.network_costs import images_per_s, published_s, training_s
from mammo_steps.core.study import StudyError, read_config
from mammo_steps.core.study_size import fold_size, size_of, suggested_intakes

REPO = Path(__file__).resolve().parents[2]
SCHEMA = yaml.safe_load((REPO / "workflow/schemas/config.schema.yaml").read_text())


def config_with(tmp_path, *overlays, **sections):
    """config.yaml as shipped, overlays of config/, and keys of sections; without a site's local.yaml."""
    (tmp_path / "config.yaml").write_text((REPO / "config/config.yaml").read_text())
    (tmp_path / "over.yaml").write_text(yaml.safe_dump(sections))
    return read_config(tmp_path, [*(REPO / "config" / name for name in overlays), tmp_path / "over.yaml"])


@pytest.fixture
def paper(tmp_path):
    return config_with(tmp_path)


def test_a_fold_is_counted_as_by_hand(tmp_path):
    config = config_with(
        tmp_path,
        plan={"screen_detected_share": 0.1},
        split_folds={"folds": 2, "validation_share": 0.25, "validation_most_women": None},
    )
    size = size_of(config, n_exams=100)
    fold = fold_size(config, size)
    assert (size.n_images, size.n_positives) == (400, 20)  # 10 exams with two positive images each
    assert (fold.test, fold.positives) == (
        200,
        7.5,
    )  # 20 positives, half of them learned from, a quarter held out
    assert (
        fold.validation == 0.25 * 180 + 0.25 * 10
    )  # of 360 negative and 20 positive images, half learned from
    assert fold.negatives == fold.attention_negatives == 135
    assert fold.epoch({"negatives_per_positive": 2}) == 22.5
    assert fold.epoch({"negatives_per_positive": 50}) == 7.5 + 135  # there are no more
    assert fold.located == 200 + 47.5 + 7.5 + 135


def test_validation_women_and_rois_are_bounded_by_their_settings(tmp_path):
    config = config_with(
        tmp_path,
        split_folds={"validation_most_women": 10},
        locate_coa={"negative_exams": 30},
        plan={"exams_per_woman": 2, "screen_detected_share": 0.005},
    )
    fold = fold_size(config, size_of(config, n_exams=100_000))
    assert fold.validation == pytest.approx(10 * 2 * 4 + 0.1 * 1000 * 0.9)
    assert fold.attention_negatives == 30 * 4


def test_shards_are_taken_to_be_full_and_a_demo_knows_its_exams(tmp_path):
    config = config_with(tmp_path, intakes=[{"name": "a", "archive": "x", "chunks": 2, "shards": 40}])
    assert size_of(config).n_images == 20_000
    demo = size_of(config_with(tmp_path, "demo.yaml"))
    assert (demo.n_exams, demo.n_images, demo.n_positives) == (150, 600, pytest.approx(110))


def test_without_intakes_a_number_is_asked_for(paper):
    with pytest.raises(StudyError, match="give --exams or --images"):
        size_of(paper)
    with pytest.raises(StudyError, match="10 images are fewer than 20 exams"):
        size_of(paper, 20, 10)


def test_intakes_are_suggested_with_room_in_their_shards():
    assert suggested_intakes(16_000) == ((1, 40),)
    assert suggested_intakes(600_000) == ((6, 1500),)
    assert suggested_intakes(4_000_000) == ((20, 5000), (20, 5000))  # 9,999 shards at most in one


def test_a_training_takes_its_images_over_their_rates(tmp_path):
    config = config_with(
        tmp_path,
        plan={"screen_detected_share": 0.1, "training_images_per_s": 10, "scoring_images_per_s": 20},
        split_folds={"folds": 2, "validation_share": 0.25, "validation_most_women": None},
        train_holistic={"fit": {"epochs": 2}},
        compute={"device": "cpu"},
    )
    fold = fold_size(config, size_of(config, n_exams=100))
    assert training_s(config, "train_holistic", fold) == 2 * (22.5 / 10 + 47.5 / 20)
    config["compute"]["device"], config["job"]["gpus"] = "cuda", 2
    compiling = figures.COMPILE_S
    assert training_s(config, "train_holistic", fold) == (22.5 / 10 + 47.5 / 20) + compiling


def test_rates_are_arithmetic_over_the_devices_speed(paper):
    assert forward_gflop("resnet101", 976) == pytest.approx(294, rel=0.01)  # counted on the network itself
    assert images_per_s(paper, "training") == pytest.approx(
        6, rel=0.01
    )  # what the 11 GB card was put in with
    assert images_per_s(paper, "saliency") == pytest.approx(5300 / 2 / 296, rel=0.01)
    paper["compute"] |= {"device": "cpu", "torch_threads": 4}
    assert images_per_s(paper, "scoring") == pytest.approx(4 * 80 / 296, rel=0.01)
    paper["score_wu2019"]["patch_stride_px"] = 140
    assert published_s(paper, 2) == pytest.approx(2 * 16_000 / 4 / (4 * 80))


def test_decoding_goes_with_the_megapixels_and_is_shared_by_the_workers(tmp_path):
    config = config_with(tmp_path, plan={"image_megapixels": 2}, make_shards={"workers": 5})
    shards = costs_of(config, size_of(config, n_images=4000))["make_shards"]
    assert shards.n_jobs == 10
    assert shards.wall_s == pytest.approx(figures.START_S + 400 * (0.008 + 0.022) / 5)
    tiles, holistic, _ = shards.artefacts
    assert tiles.bytes == 4000 * 2e6 * 0.5
    assert holistic.bytes == pytest.approx(4000 * 976 * 976 * 4096 / 3328 * 0.55)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_more_exams_never_cost_less(device, paper):
    paper["compute"]["device"] = device
    before = None
    for n_exams in (10, 100, 1000, 10_000, 150_000, 1_000_000):
        costs = costs_of(paper, size_of(paper, n_exams)).values()
        now = [(c.n_jobs, c.n_jobs * c.wall_s, c.memory_mb, c.bytes, c.n_written) for c in costs]
        if before is not None:
            for cost, less, more in zip(costs, before, now, strict=True):
                assert all(a <= b + 1e-9 for a, b in zip(less, more, strict=True)), (cost.rule, n_exams)
        before = now


def test_more_folds_never_cost_less_in_all(paper):
    found = []
    for folds in (2, 3, 5, 10, 20):
        paper["split_folds"]["folds"] = folds
        costs = costs_of(paper, size_of(paper, 150_000)).values()
        found.append(
            (
                sum(c.n_jobs for c in costs),
                sum(c.core_hours for c in costs),
                sum(c.gpu_hours for c in costs),
                sum(c.bytes for c in costs),
            )
        )
    for totals in zip(*found, strict=True):
        assert list(totals) == sorted(totals)


def test_the_demos_estimate_is_near_what_it_cost(tmp_path):
    config = config_with(tmp_path, "demo.yaml")
    costs = costs_of(config, size_of(config))
    recorded = json.loads((REPO / "bench/demo_costs.json").read_text())["rules"]
    assert {rule for rule, cost in costs.items() if cost.n_jobs} == set(recorded)
    for rule, found in recorded.items():
        cost = costs[rule]
        assert cost.n_jobs == found["n_jobs"], rule
        assert cost.memory_mb >= found["peak_mb"], rule
        if found["wall_s"] > 2:  # the rest is the start of Python, which the logs do not count
            assert 1 / 3 < (cost.wall_s - figures.START_S) * cost.n_jobs / found["wall_s"] < 3, rule
        if "bytes" in found:
            assert 0.8 < cost.bytes / found["bytes"] < 1.5, rule
    total = sum((cost.wall_s - figures.START_S) * cost.n_jobs for cost in costs.values())
    wall_s = sum(found["wall_s"] for found in recorded.values())
    assert 0.67 < total / wall_s < 1.5
    assert f"`make demo` cost {wall_s:.0f} s " in (REPO / "docs/sizing.md").read_text()


def test_the_lines_are_those_of_the_benchmark():
    measured = json.loads((REPO / "bench/tables.json").read_text())
    for lines, unit in ((figures.MEMORY_MB, "mb"), (figures.WALL_S, "s")):
        for step, line in lines.items():
            assert line.per_million == pytest.approx(measured[f"{step}.{unit}_per_million_images"], abs=1)
            assert line.base == pytest.approx(measured[f"{step}.base_{unit}"], abs=1)


def test_every_backbone_has_torchvisions_arithmetic():
    known = SCHEMA["properties"]["train_holistic"]["properties"]["network"]["properties"]["backbone"]["enum"]
    assert set(BACKBONES) == set(known)
    for name in set(known) - {"resnet10"}:
        weights = next(w for w in get_model_weights(name) if "V1" in w.name)
        side = weights.transforms.keywords["crop_size"]
        found = (2 * weights.meta["_ops"] / (side**2 / 1e6), weights.meta["num_params"] / 1e6)
        assert BACKBONES[name] == pytest.approx(found, abs=0.06), name


def test_limits_grow_with_the_attempt_and_never_fall_below_their_least():
    small, large = JobLimits(10, 0.1, None), JobLimits(9150, 170.2, None)
    assert (small.mem_mb(1), small.runtime(1)) == (500, 10)
    assert [large.mem_mb(attempt) for attempt in (1, 2, 3)] == [9200, 13_800, 20_600]
    assert [large.runtime(attempt) for attempt in (1, 2, 3)] == [171, 342, 684]
    assert replace(large, longest_minutes=300).runtime(2) == 300


def test_a_training_on_an_11_gb_card_asks_for_hours(tmp_path):
    config = config_with(tmp_path, intakes=[{"name": "a", "archive": "x", "chunks": 6, "shards": 1500}])
    limits = limits_of(config)
    assert 3 * 60 < limits["train_holistic"].runtime(1) < 24 * 60
    assert 8000 < limits["train_holistic"].mem_mb(1) < 20_000
    assert costs_of(config, size_of(config))["train_holistic"].gpus == 1


def test_the_snakefile_gets_its_limits_without_heavy_imports():
    heavy = "{'torch', 'numpy', 'pandas', 'pyarrow', 'pydicom'}"
    program = f"import sys, mammo_steps.core.job_limits; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], cwd=REPO, check=False).returncode == 0


def test_every_rule_asks_for_its_own_limits(tmp_path):
    config = config_with(tmp_path, "demo.yaml", lesions="from_dataset")
    limits = limits_of(config)
    text = "\n".join(path.read_text() for path in (REPO / "workflow/rules").glob("*.smk"))
    blocks = re.split(r"^ *(?:use )?rule ", text, flags=re.MULTILINE)[1:]
    rules = [re.match(r"(?:\w+ as )?(\w+)", block)[1] for block in blocks]
    assert len(rules) > 20
    for rule, block in zip(rules, blocks, strict=True):
        if rule in ("check_node", "ask_node", "check_nodes", "verify"):  # however large the study
            continue
        assert rule in limits
        assert f'mem_mb=mem_mb("{rule}")' in block and f'runtime=runtime("{rule}")' in block, rule
