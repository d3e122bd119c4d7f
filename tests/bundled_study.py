"""The tiny study's fold 0 as a bundle, made by the step itself."""

import json
from pathlib import Path

from tiny_study import ATTENTION, COMPUTE, HOLISTIC, KEY, LOCATE, ROIS, SCORE_ATTENTION, TinyStudy

from mammo_steps import describe_cohort, make_bundle, score_exams
from mammo_steps.core.study import read_config

REPO = Path(__file__).resolve().parents[1]
SHARD_SETTINGS = {
    "holistic_width_px": 32, "holistic_bits": 8, "tile_side_px": 64, "orientation_conflict": "exclude",
}  # fmt: skip


def sections() -> dict[str, object]:
    """As `core.bundle_settings.bundle_sections` makes them, of the tiny study's settings."""
    return {
        "read_headers": read_config(REPO / "config")["read_headers"]["settings"],
        "make_shards": SHARD_SETTINGS,
        "list_images": {"views": ["CC", "MLO"], "require_pixel_spacing": False},
        "train_holistic": {
            "crop": "centre",
            "mm_per_px": None,
            "input_px": json.loads(HOLISTIC)["fit"]["input_px"],
        },
        "train_attention": {"input_px": json.loads(ATTENTION)["fit"]["input_px"]},
        "locate_coa": json.loads(LOCATE),
        "crop_rois": json.loads(ROIS),
        "score_attention": json.loads(SCORE_ATTENTION),
        "compute": json.loads(COMPUTE),
    }


def score_fold_0(study: TinyStudy, results: Path, out: Path) -> Path:
    """scores/exams.parquet of the exams that fold 0 tests."""
    score_exams.main(
        ["--exams", str(study.cohort("exams.parquet")), "--images", str(study.cohort("images.parquet"))]
        + ["--holistic", str(results / "holistic/fold0/images.parquet")]
        + ["--attention", str(results / "attention/fold0/images.parquet")]
        + ["--settings", '{"aggregation": "sum", "folds": [0]}', "--out", str(out)]
    )
    return out


def calibration(network: str) -> dict[str, object]:
    """A row of evaluation.json: probability = 1 / (1 + exp(-score)) where half of the exams have a cancer."""
    fitted = {
        "slope": 1.0,
        "intercept": 0.0,
        "scores": [0.0],
        "levels": [0.5],
        "n_positive": 5,
        "n_negative": 5,
    }
    return {
        "model": network, "endpoint": "screen_detected_or_interval", "n_positive": 5, "n_negative": 5,
        "prevalence": 0.5, "logit_shift": 0.0, "calibrator_of_all_folds": fitted,
    }  # fmt: skip


def bundle_of(study: TinyStudy, results: Path, folder: Path) -> Path:
    """The bundle of fold 0, in folder/bundle."""
    scores = score_fold_0(study, results, folder / "scores.parquet")
    rows = [calibration(network) for network in ("holistic", "attention", "ensemble")]
    (folder / "evaluation.json").write_text(json.dumps({"calibration": rows, "prior": "negative"}))
    cards = [folder / name for name in ("model_card.md", "data_card.md")]
    for card in cards:
        card.write_text("# A card\n")
    describe_cohort.main(
        ["--images", str(study.cohort("images.parquet")), "--indexes", str(study.root / "index.parquet")]
        + ["--shards", str(study.shards), "--seed", "1", "--settings", '{"sample_images": 1000}']
        + ["--fingerprint", str(folder / "fingerprint.json")]
    )
    settings = {"study": "tiny", "synthetic": True, "sections": sections()}
    make_bundle.main(
        ["--results", str(results), "--members", "fold0", "--scores", str(scores), "--key", KEY]
        + ["--evaluation", str(folder / "evaluation.json"), "--cards", *map(str, cards)]
        + ["--fingerprint", str(folder / "fingerprint.json")]
        + ["--settings", json.dumps(settings), "--bundle", str(folder / "bundle")]
    )
    return folder / "bundle"
