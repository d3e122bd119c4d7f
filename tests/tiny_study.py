"""A tiny SYNTHETIC study, made by the steps themselves up to the folds; the images are 160 x 128 pixels."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from header_settings import header_settings

from mammo_steps import (
    crop_rois,
    index_archive,
    list_images,
    locate_coa,
    make_demo_cohort,
    make_shards,
    read_headers,
    score_attention,
    split_folds,
    train_attention,
    train_holistic,
)

KEY = "a-key-for-tests-only"
WINDOWS = {"screen_detected_days": 180, "interval_days": 730, "prior_days": None}
COMPUTE = json.dumps(
    {
        "device": "cpu", "torch_threads": 1, "precision": "fp32",
        "micro_batch": 8, "compile": "never", "sync_batch_norm": False,
    }
)  # fmt: skip
JOB = json.dumps({"gpus": 1, "loader_threads": 1, "checkpoint_minutes": 10})
AUGMENT = {"flips": ["horizontal"], "rotation_degrees": 10, "pad_px": 2, "max_shift": None}
FIT: dict[str, Any] = {
    "input_px": 32, "epochs": 2, "batch_size": 8, "negatives_per_positive": 1, "shuffle_buffer": 50,
    "learning_rate": 1e-3, "schedule": "one_cycle", "weight_decay": 0.01, "label_smoothing": 0.0, "ema_decay": None,
    "augment": AUGMENT,
}  # fmt: skip
HOLISTIC = json.dumps(
    {
        "network": {"backbone": "resnet10", "imagenet_weights": None, "imagenet_sha256": None},
        "crop": "centre",
        "mm_per_px": None,
        "fit": FIT,
    }
)
LOCATE = json.dumps(
    {
        "top_fraction": 0.01,
        "coas_per_image": 1,
        "batch_size": 8,
        "precision": "fp32",
        "negative_exams": None,
        "test_time_flip": False,
    }
)
SCORE_ATTENTION = json.dumps({"batch_size": 8, "test_time_flip": False, "roi_pooling": "max"})
ROIS = json.dumps({"side_px": 32, "mm_per_px": None, "stored_to_side": 1.4, "bits": 8})


@dataclass(frozen=True)
class TinyStudy:
    """Where its files lie."""

    root: Path

    @property
    def shards(self) -> Path:
        return self.root / "shards"

    def cohort(self, name: str) -> Path:
        return self.root / "cohort" / name

    def cohort_flags(self) -> list[str]:
        return ["--images", str(self.cohort("images.parquet")), "--roles", str(self.cohort("roles.parquet"))]


def make_tiny_study(root: Path) -> TinyStudy:
    """24 exams, 9 of them with a screen-detected cancer, in 3 folds and 2 shards."""
    settings: dict[str, Any] = {
        "exams": {"normal": 10, "benign": 2, "screen_detected": 9, "interval": 3},
        "share_two_exams": 0.2,
        "sizes": [[160, 128], [176, 128]],
        "lesion_contrast": 2.0,
        "interval_contrast": 0.5,
    }
    archive, labels = root / "demo/archive", root / "demo/labels.csv"
    make_demo_cohort.main(
        ["--settings", json.dumps(settings), "--seed", "3", "--workers", "1", "--archive", str(archive)]
        + ["--labels", str(labels), "--lesions", str(root / "demo/lesions.csv")]
    )
    headers, index = root / "headers.parquet", root / "index.parquet"
    read_headers.main(
        ["--intake", "tiny", "--archive", str(archive), "--chunk", "0", "--n-chunks", "1"]
        + ["--dataset", "own_archive", "--settings", json.dumps(asdict(header_settings()))]
        + ["--headers", str(headers)]
    )
    lists = [root / f"lists/tiny-00{n}.csv" for n in range(2)]
    index_archive.main(
        ["--intake", "tiny", "--headers", str(headers), "--key", KEY, "--index", str(index)]
        + ["--n-shards", "2", "--lists", str(root / "lists")]
    )
    shard_settings = {
        "holistic_width_px": 32, "holistic_bits": 8, "tile_side_px": 64, "orientation_conflict": "exclude",
    }  # fmt: skip
    for file in lists:
        folder = root / "shards" / file.stem
        make_shards.main(
            ["--archive", str(archive), "--list", str(file), "--dataset", "own_archive", "--workers", "1"]
            + ["--settings", json.dumps(shard_settings), "--images", str(folder / "images.parquet")]
            + ["--holistic", str(folder / "holistic.parquet"), "--tiles", str(folder / "tiles.parquet")]
        )
    study = TinyStudy(root)
    list_settings = {
        "views": ["CC", "MLO"], "extra_images": "exclude", "age_range": None, "follow_up_months": None,
        "interval_in_training": "negative", "prior_in_training": "leave_out", "require_pixel_spacing": False,
    }  # fmt: skip
    list_images.main(
        ["--indexes", str(index), "--labels", str(labels), "--dataset", "own_archive", "--key", KEY]
        + ["--shards", str(study.shards)]
        + [
            "--windows",
            json.dumps(WINDOWS),
            "--settings",
            json.dumps(list_settings),
            "--images",
            str(study.cohort("images.parquet")),
        ]
        + ["--labels-out", str(study.cohort("labels.parquet")), "--flow", str(study.cohort("flow.json"))]
        + ["--excluded", str(study.cohort("excluded.parquet"))]
    )
    split_folds.main(
        ["--images", str(study.cohort("images.parquet")), "--labels", str(study.cohort("labels.parquet"))]
        + [
            "--settings",
            '{"folds": 3, "validation_share": 0.4, "validation_most_women": null}',
            "--seed",
            "1",
        ]
        + ["--exams", str(study.cohort("exams.parquet")), "--roles", str(study.cohort("roles.parquet"))]
    )
    return study


ATTENTION = json.dumps({"fit": {**FIT, "augment": {**FIT["augment"], "pad_px": 0, "max_shift": 0.1}}})


def attend(study: TinyStudy, fold: Path, attention: Path) -> None:
    train_attention.main(
        [
            *study.cohort_flags(),
            "--rois",
            str(attention / "rois"),
            "--begin-with",
            str(fold / "model.safetensors"),
        ]
        + ["--fold", "0", "--seed", "1", "--settings", ATTENTION, "--compute", COMPUTE, "--job", JOB]
        + ["--model", str(attention / "model.safetensors"), "--history", str(attention / "history.csv")]
        + ["--record", str(attention / "run.json")]
    )


def run_fold_0(study: TinyStudy, results: Path) -> Path:
    """Do fold 0 below `results`, up to the attention model's scores."""
    fold, attention = results / "holistic/fold0", results / "attention/fold0"
    train_holistic.main(
        [*study.cohort_flags(), "--shards", str(study.shards), "--fold", "0", "--seed", "1"]
        + [
            "--settings",
            HOLISTIC,
            "--compute",
            COMPUTE,
            "--job",
            JOB,
            "--model",
            str(fold / "model.safetensors"),
        ]
        + ["--history", str(fold / "history.csv"), "--record", str(fold / "run.json")]
    )
    locate_coa.main(
        [*study.cohort_flags(), "--shards", str(study.shards), "--fold", "0", "--seed", "1"]
        + [
            "--model",
            str(fold / "model.safetensors"),
            "--settings",
            LOCATE,
            "--compute",
            COMPUTE,
            "--job",
            JOB,
        ]
        + ["--coas", str(fold / "images.parquet")]
    )
    for shard in study.shards.iterdir():
        crop_rois.main(
            ["--coas", str(fold / "images.parquet"), "--shard-images", str(shard / "images.parquet")]
            + ["--images", str(study.cohort("images.parquet")), "--tiles", str(shard / "tiles.parquet")]
            + ["--settings", ROIS, "--rois", str(attention / "rois" / f"{shard.name}.parquet")]
        )
    attend(study, fold, attention)
    score_attention.main(
        [*study.cohort_flags(), "--fold", "0", "--coas", str(fold / "images.parquet")]
        + ["--rois", str(attention / "rois"), "--model", str(attention / "model.safetensors")]
        + [
            "--settings",
            SCORE_ATTENTION,
            "--compute",
            COMPUTE,
            "--job",
            JOB,
            "--scores",
            str(attention / "images.parquet"),
        ]
    )
    return results
