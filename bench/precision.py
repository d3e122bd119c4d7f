"""Does bf16 move the ROIs? COAs and scores of a trained network's test images in bf16 beside fp32.

`make bench-precision` trains fold 0 of `make bench-demo`'s first SYNTHETIC cohort, runs locate_coa in both
precisions, prints a table and writes bench/precision.json. The rule: bf16 may be the default of
locate_coa.precision if at least 95 % of the pairs of ROIs overlap by an IoU of 0.9 or more, and the AUC per image
moves by 0.002 at most.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import about_this_run, print_table
from sklearn.metrics import roc_auc_score

from mammo_steps.core.files import write_json
from mammo_steps.core.geometry import roi_corner
from mammo_steps.core.steps import start_logging

REPO = Path(__file__).resolve().parents[1]
STUDY = REPO / "results/bench_precision"
FOLD = STUDY / "holistic/fold0"
SIDE_PX = 128  # crop_rois.side_px of config/demo.yaml


def train() -> None:
    name = "results/bench_precision"
    overlay = [f"archive={name}/demo/archive", f"labels={name}/demo/labels.csv", "lesions=null"]
    subprocess.run(
        [sys.executable, "-m", "snakemake", f"{name}/holistic/fold0/model.safetensors", "--cores", "all"]
        + ["--quiet", "all", "--configfile", "config/demo.yaml", "bench/demo.yaml"]
        + ["--config", "study=bench_precision", "seed=1", *overlay],
        cwd=REPO,
        check=True,
    )


def located(precision: str) -> pd.DataFrame:
    """The test images' scores and COAs."""
    out = STUDY / f"coas_{precision}.parquet"
    settings = {
        "top_fraction": 0.01,
        "coas_per_image": 1,
        "batch_size": 16,
        "precision": "as_training",
        "negative_exams": 1,
        "test_time_flip": False,
    }
    compute = {
        **{"device": "auto", "torch_threads": 1, "precision": precision},
        **{"micro_batch": 16, "compile": "never", "sync_batch_norm": False},
    }
    subprocess.run(
        [sys.executable, "-m", "mammo_steps.locate_coa", "--images", str(STUDY / "cohort/images.parquet")]
        + ["--roles", str(STUDY / "cohort/roles.parquet"), "--shards", str(STUDY / "shards")]
        + ["--model", str(FOLD / "model.safetensors"), "--fold", "0", "--seed", "1"]
        + ["--settings", json.dumps(settings), "--compute", json.dumps(compute)]
        + ["--job", '{"gpus": 1, "loader_threads": 1, "checkpoint_minutes": 10}', "--coas", str(out)],
        cwd=REPO,
        check=True,
    )
    table = pd.read_parquet(out)
    return table[table.role == "test"].set_index("image_id").sort_index()


def overlap(one: pd.Series, other: pd.Series, size: tuple[int, int]) -> float:
    """Intersection over union of two ROIs."""
    a, b = (roi_corner(coa.coa_row, coa.coa_col, size, SIDE_PX) for coa in (one, other))
    common = np.prod([max(0, SIDE_PX - abs(x - y)) for x, y in zip(a, b, strict=True)])
    return float(common / (2 * SIDE_PX**2 - common))


def compared(fp32: pd.DataFrame, bf16: pd.DataFrame, images: pd.DataFrame) -> dict[str, Any]:
    images = images.loc[fp32.index]
    sizes = list(zip(images.height_px, images.width_px, strict=True))
    ious = np.array([overlap(fp32.iloc[i], bf16.iloc[i], sizes[i]) for i in range(len(fp32))])
    known = images.target.notna().to_numpy()
    aucs = [roc_auc_score(images.target[known], table.margin[known]) for table in (fp32, bf16)]
    moved_px = np.hypot(fp32.coa_row - bf16.coa_row, fp32.coa_col - bf16.coa_col)
    share, difference = float((ious >= 0.9).mean()), abs(aucs[0] - aucs[1])
    return {
        "n_test_images": len(fp32),
        "share_of_rois_with_iou_over_0.9": share,
        "share_of_rois_with_iou_over_0.5": float((ious >= 0.5).mean()),
        "median_coa_shift_over_roi_side": float(moved_px.median() / SIDE_PX),
        "auc_fp32": aucs[0],
        "auc_bf16": aucs[1],
        "auc_difference": difference,
        "largest_margin_difference": float((fp32.margin - bf16.margin).abs().max()),
        "n_fallback_fp32": int(fp32.coa_fallback.sum()),
        "n_fallback_bf16": int(bf16.coa_fallback.sum()),
        "bf16_may_be_the_default": share >= 0.95 and difference <= 0.002,
    }


def main() -> None:
    start_logging()
    train()
    images = pd.read_parquet(STUDY / "cohort/images.parquet").set_index("image_id")
    found = compared(located("fp32"), located("bf16"), images)
    result = {
        "what": "SYNTHETIC images of 128 px, resnet10",
        **{name: round(v, 5) if isinstance(v, float) else v for name, v in found.items()},
        **about_this_run(),
    }
    print_table(result)
    write_json(REPO / "bench/precision.json", result)


if __name__ == "__main__":
    main()
