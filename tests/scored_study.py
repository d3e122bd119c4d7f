"""A study that is ready for the step evaluate: scores of made exams, images, a shard, COAs and lesions."""

import csv
import json

import numpy as np

from mammo_steps.core.ids import Pseudonyms
from mammo_steps.core.tables import RowGroupWriter, write_rows
from mammo_steps.evaluate import main

KEY = "a public key of a test"
OUTCOMES = ("screen_detected", "interval", "prior", "benign", "normal", "normal", "normal", "unknown")
SETTINGS = {
    "ci_method": "delong_logit",
    "bootstrap_samples": 50,
    "sampled_negatives": 5000,
    "prior": "negative",
    "synthetic": True,
    "partial": None,
    "published_ran": False,
    "outside": [],
    "input": {"side_px": 64, "crop": "centre", "mm_per_px": None},
    "roi": {"side_px": 64, "mm_per_px": None},
    "audit_per_size": 2,
    "statistics": {
        "reader_recall_from": 1,
        "prevalence": {
            "screen_detected": 0.005,
            "screen_detected_or_interval": 0.007,
            "interval": None,
        },
        "age_band_years": 5,
        "small_group": 10,
    },
}


def exam_rows(n=80, n_folds=2, outcomes=OUTCOMES):
    """n exams of n / 2 women, outcomes in turn; reader 2 reads half of them."""
    generator = np.random.default_rng(0)
    rows = []
    for i in range(n):
        outcome = outcomes[i % len(outcomes)]
        lift = {"screen_detected": 2.0, "interval": 1.0}.get(outcome, 0.0)
        holistic, attention = lift + generator.standard_normal(2)
        reader_1 = float(outcome == "screen_detected") + float(generator.integers(0, 2))
        reader_2 = reader_1 if (i // len(outcomes)) % 2 else None
        rows.append(
            {
                "patient_id": f"p{i % (n // 2):03d}",
                "exam_id": f"e{i:03d}",
                "outcome": outcome,
                "fold": i % (n // 2) // 8 % n_folds,
                "holistic": holistic,
                "attention": attention,
                "ensemble": (holistic + attention) / 2,
                "wu2019": None,
                "wu2019_adapted": None,
                "reader_1": reader_1,
                "reader_2": reader_2,
                "two_readers": None if reader_2 is None else reader_1 + reader_2,
            }
        )
    return rows


def write_study(folder, exams):
    """Scores, and images, one shard and COAs of two images per exam; lesions are at (160, 40) of R."""
    write_rows(folder / "exams.parquet", "exam_scores", exams)
    picture = np.zeros((128, 64), np.uint8)
    picture[20:108, :30] = 200  # a breast at the chest wall
    images, lesions = [], []
    for exam in exams:
        for laterality in ("L", "R"):
            raw = f"{exam['exam_id']}.{laterality}"
            images.append(
                {
                    "image_id": Pseudonyms(KEY).image(raw),
                    "patient_id": exam["patient_id"],
                    "exam_id": exam["exam_id"],
                    "laterality": laterality,
                    "view": "CC",
                    "outcome": exam["outcome"],
                    "role": "test",
                }
            )
            if laterality == "R" and exam["outcome"] in ("screen_detected", "interval"):
                lesions.append((raw, "1", "mass", "1", "160", "40"))
    images.sort(key=lambda image: image["image_id"])
    with RowGroupWriter(folder / "shards" / "s-000" / "holistic.parquet", "holistic", "zstd") as writer:
        for image in images:
            writer.append(
                {
                    "image_id": image["image_id"],
                    "height_px": 128,
                    "width_px": 64,
                    "bits": 8,
                    "pixels": picture.tobytes(),
                }
            )
    of_image = {
        "shard": "s-000",
        "height_px": 256,
        "width_px": 128,
        "photometric": "MONOCHROME2",
        "bits_stored": 12,
        "transfer_syntax": "1.2.840.10008.1.2.1",
        "vendor": "other",
        "breast_area_px": 88 * 30 * 4,
        "breast_row": 127.5,
        "breast_col": 29.5,
        "flipped": False,
        "holistic_height_px": 128,
        "holistic_width_px": 64,
    }
    found = [
        {
            **{
                name: image[name]
                for name in ("image_id", "patient_id", "exam_id", "laterality", "view", "role")
            },
            "fold": 0,
            "margin": 0.0,
            "coa_row": 150.0,
            "coa_col": 50.0,
            "coa_fallback": number == 0,
            "further_coa_rows": [],
            "further_coa_cols": [],
            "top_outside_breast": 0.25,
            "top_spread_px": 1.0,
        }
        for number, image in enumerate(images)
    ]
    write_rows(folder / "coas.parquet", "holistic_scores", found)
    for number, image in enumerate(images):
        del image["role"]
        image.update(of_image, holistic_row_group=number)
    write_rows(folder / "images.parquet", "images", images)
    with (folder / "lesions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image_id", "lesion_id", "lesion_type", "malignant", "row", "col"])
        writer.writerows(lesions)


def run(folder, out, settings=SETTINGS, extra=("--key", KEY), scores="exams.parquet", outside=None):
    lesions = ["--lesions", str(folder / "lesions.csv"), *extra] if extra else []
    files = {
        "--auc": "auc.csv",
        "--table1": "table1.md",
        "--evaluation": "evaluation.json",
        "--localisation": "localisation.csv",
        "--crop-audit": "crop_audit.csv",
    }
    main(
        [
            *("--scores", str(folder / scores), "--images", str(folder / "images.parquet")),
            *("--shards", str(folder / "shards"), "--coas", str(folder / "coas.parquet")),
            *("--untrained-coas", str(folder / "coas.parquet"), "--seed", "1"),
            *("--settings", json.dumps(settings), *lesions),
            *(("--outside", str(folder / outside)) if outside else ()),
            *(part for flag, name in files.items() for part in (flag, str(out / name))),
        ]
    )
