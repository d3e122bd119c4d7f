"""What a bundle and scoring new exams with it cost; neither is part of `all`."""

from collections.abc import Iterator, Mapping
from typing import Any

from mammo_steps.core import cost_figures as figures
from mammo_steps.core import network_costs
from mammo_steps.core.backbone_costs import weight_bytes
from mammo_steps.core.rule_cost import RuleCost
from mammo_steps.core.study_size import StudySize

_LOOK_S = (
    0.04  # one holistic image of 1200 x 976 pixels: 29 ms measured for mask and grey levels, and reading it
)


def prediction_costs(config: Mapping[str, Any], size: StudySize) -> Iterator[RuleCost]:
    """describe_cohort, make_bundle; score_new_exams, one job per shard; predict.

    Without files: they are not of a run of `all`.
    """
    backbone, threads = config["train_holistic"]["network"]["backbone"], config["compute"]["torch_threads"]
    weights = 2 * size.n_networks * weight_bytes(backbone)
    tables_mb = figures.MEMORY_MB["score_exams"].at(size.n_images)
    copying_s = figures.START_S + 2 * weights / figures.WEIGHT_BYTES_PER_S
    looked_at = min(size.n_images, config["describe_cohort"]["sample_images"])
    describing_s = figures.START_S + figures.WALL_S["list_images"].at(size.n_images) + looked_at * _LOOK_S
    images_mb = figures.MEMORY_MB["list_images"].at(size.n_images)
    yield RuleCost("describe_cohort", 0, describing_s, 1, images_mb, 0, 2 + 2 * size.n_shards)
    yield RuleCost(
        "make_bundle", 0, copying_s, 1, figures.TORCH_MB + tables_mb, 0, 4 * size.n_networks, torch=True
    )
    per_image_s = sum(1 / network_costs.images_per_s(config, what) for what in ("saliency", "scoring"))
    members = len(config["predict"]["members"] or []) or size.n_networks
    n = size.images_per_shard
    scoring_s = figures.START_S + weights / figures.WEIGHT_BYTES_PER_S + members * n * per_image_s
    scoring_s += n * (figures.SHEET_S / 4 + _LOOK_S) + members * n / figures.CROPS_PER_S
    gpus = network_costs.n_gpus(config, training=False)
    memory_mb = (
        network_costs.saliency_mb(config) + weights / 2**20 + figures.MEMORY_MB["crop_rois"].at(size.n_images)
    )
    yield RuleCost("score_new_exams", 0, scoring_s, threads, memory_mb, gpus, 5 + 2 * members, torch=True)
    gathering_s = figures.START_S + figures.WALL_S["score_exams"].at(size.n_images)
    yield RuleCost(
        "predict", 0, gathering_s, 1, figures.TORCH_MB + tables_mb, 0, 4 * size.n_shards, torch=True
    )
    # report, marks and picture of an exam: under 1 s in the demo
    writing_s = figures.START_S + 1.0 * size.n_exams / size.n_shards
    yield RuleCost("write_dicom_results", 0, writing_s, 1, figures.TORCH_MB + tables_mb, 0, 6 + n)
