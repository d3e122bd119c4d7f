"""How time and memory of the steps that hold the cohort's tables grow with the number of images.

`make bench-tables` makes tables (SYNTHETIC: four images per exam, two exams per woman, 0.5 % screen-detected and 0.16 %
interval cancers as in the paper, ten folds, 400 images per shard) of 40,000 and of 400,000 images, runs the steps on
them as the workflow does, prints a table and writes bench/tables.json. Each number is of a whole run of the step.

    fold_tables   what trainings and locate_coa keep of the cohort: the rows of one fold's images, without PyTorch
    crop_rois     of a shard without images: what it reads of the cohort's tables
    mb_per_million_images, base_mb   the straight line through the two sizes; between and beyond them it is a guess
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import about_this_run, print_table
from headers import run_step

from mammo_steps.core.cohort import PLACE_COLUMNS
from mammo_steps.core.columns import TABLES
from mammo_steps.core.crop_audit import CropAudit
from mammo_steps.core.files import write_json
from mammo_steps.core.geometry import InputCut
from mammo_steps.core.ids import Pseudonyms
from mammo_steps.core.recipe import Recipe
from mammo_steps.core.study import read_config
from mammo_steps.core.tables import RowGroupWriter, read_table, recipe_of, write_table
from mammo_steps.core.windowing import shard_recipe

REPO = Path(__file__).resolve().parents[1]
SIZES = (40_000, 400_000)
IMAGES_PER_SHARD, N_FOLDS, NEGATIVE_EXAMS, SEED = 400, 10, 20_000, 1
KEY = "a key for benchmarks only"
SLOTS = (("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO"))
CONFIG = read_config(REPO / "config")
RECIPE = shard_recipe(CONFIG["make_shards"]["settings"])
HOLISTIC_PX = (1200, 976)  # (H, W)


class MadeStudy:
    """Index, shards' tables and labels of `n` images; then, step by step, what the workflow makes of them."""

    def __init__(self, folder: Path, n: int) -> None:
        self.folder, self.n_exams = folder, n // 4
        self.cost: dict[str, dict[str, float]] = {}

    def make_inputs(self) -> None:
        names, generator = Pseudonyms(KEY), np.random.default_rng(SEED)
        exams = [f"exam{number:07d}" for number in range(self.n_exams)]
        women = [f"woman{number // 2:07d}" for number in range(self.n_exams)]
        outcomes = generator.choice(
            ["screen_detected", "interval", "benign", "normal"], self.n_exams, p=[0.005, 0.0016, 0.03, 0.9634]
        )
        scores = [f"reader_{n}_{side}" for n in (1, 2) for side in ("left", "right")]
        with (self.folder / "labels.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["patient_id", "exam_id", "outcome", "cancer_laterality", *scores])
            for woman, exam, outcome in zip(women, exams, outcomes, strict=True):
                side = "L" if outcome in ("screen_detected", "interval") else ""
                writer.writerow([woman, exam, outcome, side, *generator.integers(1, 6, 4)])
        self._write_index([names.exam(exam) for exam in exams], [names.patient(woman) for woman in women])

    def _write_index(self, exams: list[str], women: list[str]) -> None:
        n, names = 4 * len(exams), Pseudonyms(KEY)
        image_ids = [names.image(str(number)) for number in range(n)]
        shards = [f"bench-{number // IMAGES_PER_SHARD:03d}" for number in range(n)]
        same = {
            "height_px": 3328, "width_px": 2560, "photometric": "MONOCHROME2", "bits_stored": 12,
            "transfer_syntax": "1.2.840.10008.1.2.4.70", "vendor": "siemens", "model": "inspiration",
            "intent": "presentation", "window": "linear", "n_windows": 1, "pixel_spacing_mm": 0.085,
            "implant": False, "age_years": 60, "file_bytes": 6_800_000,
        }  # fmt: skip
        columns: dict[str, Any] = {name: [same.get(name)] * n for name in TABLES["index"]}
        columns |= {
            "file_id": [names.file(str(number)) for number in range(n)],
            "image_id": image_ids,
            "patient_id": [woman for woman in women for _ in SLOTS],
            "exam_id": [exam for exam in exams for _ in SLOTS],
            "laterality": [side for _ in exams for side, _ in SLOTS],
            "view": [view for _ in exams for _, view in SLOTS],
            "exam_year": [2010 + number // 4 % 2 for number in range(n)],
            "exam_day": [1000 + 730 * (number // 4 % 2) for number in range(n)],
            "shard": shards,
        }
        write_table(self.folder / "index.parquet", "index", columns)
        for first in range(0, n, IMAGES_PER_SHARD):
            self._write_shard(shards[first], sorted(image_ids[first : first + IMAGES_PER_SHARD]))

    def _write_shard(self, shard: str, image_ids: list[str]) -> None:
        n, n_tiles = len(image_ids), 7 * 5
        same = {
            "recipe": RECIPE.hash, "height_px": 3328, "width_px": 2560, "breast_area_px": 3_000_000,
            "breast_row": 1700.5, "breast_col": 700.5, "flipped": False, "orientation_conflict": False,
            "intensity": "window", "voi": json.dumps({"centre": 2000, "width": 3000}),
            "holistic_height_px": HOLISTIC_PX[0], "holistic_width_px": HOLISTIC_PX[1], "enlarged": False,
            "tile_side_px": 512, "tile_row_groups": list(range(n_tiles)), "tile_values": [0] * n_tiles,
        }  # fmt: skip
        columns: dict[str, Any] = {name: [same.get(name)] * n for name in TABLES["shard_images"]}
        columns |= {"image_id": image_ids, "holistic_row_group": list(range(n))}
        write_table(self.folder / f"shards/{shard}/images.parquet", "shard_images", columns, RECIPE)

    def _run(self, step: str, **flags: Any) -> None:
        arguments = []
        for flag, value in flags.items():
            values = value if isinstance(value, list) else [value]
            values = [json.dumps(v) if isinstance(v, dict) else str(v) for v in values]
            arguments += [f"--{flag.replace('_', '-')}", *values]
        self.cost[step] = run_step(step, *arguments)

    def list_and_split(self) -> None:
        folder = self.folder
        self._run(
            "list_images", indexes=folder / "index.parquet", shards=folder / "shards",
            labels=folder / "labels.csv", dataset="own_archive", key=KEY, settings=CONFIG["list_images"],
            windows=CONFIG["outcome_windows"], images=folder / "images.parquet",
            labels_out=folder / "labels.parquet", excluded=folder / "excluded.parquet",
            flow=folder / "flow.json",
        )  # fmt: skip
        self._run(
            "split_folds", images=folder / "images.parquet", labels=folder / "labels.parquet",
            settings=CONFIG["split_folds"] | {"folds": N_FOLDS}, seed=SEED,
            exams=folder / "exams.parquet", roles=folder / "roles.parquet",
        )  # fmt: skip

    def make_scores(self) -> None:
        """Both models' scores of each fold: test and validation women, positives, and the drawn negatives."""
        wanted = ["image_id", "patient_id", "exam_id", "laterality", "view", "target"]
        images = read_table(self.folder / "images.parquet", "images", wanted).select(wanted).to_pandas()
        roles = read_table(self.folder / "roles.parquet", "roles").to_pandas()
        generator = np.random.default_rng(SEED)
        recipe = recipe_of(self.folder / "images.parquet").recipe
        holistic = recipe.then("train_holistic", {}).then("locate_coa", {})
        for fold in range(N_FOLDS):
            rows = images.merge(roles[roles["fold"] == fold], on="patient_id")
            negative = rows.loc[(rows["role"] == "train") & (rows["target"] == 0), "exam_id"].unique()
            left_out = negative[NEGATIVE_EXAMS:]
            rows = rows[~rows["exam_id"].isin(left_out)]
            margin = generator.standard_normal(len(rows)) + 2 * (rows["target"] == 1)
            self._write_scores("holistic", fold, rows.assign(margin=margin), holistic)
            later = holistic.then("crop_rois", {}).then("train_attention", {})
            scored = rows[rows["role"] != "train"].assign(margin=margin)
            self._write_scores("attention", fold, scored, later)

    def _write_scores(self, model: str, fold: int, rows: Any, recipe: Recipe) -> None:
        kind = f"{model}_scores"
        place = {
            "coa_row": 1500.0, "coa_col": 600.0, "coa_fallback": False, "top_outside_breast": 0.01,
            "top_spread_px": 200.0,
        }  # fmt: skip
        columns: dict[str, Any] = {
            name: rows[name] if name in rows else [place.get(name, [])] * len(rows) for name in TABLES[kind]
        }
        write_table(self.folder / f"{model}/{fold}.parquet", kind, columns, recipe)

    def score_and_evaluate(self) -> None:
        folder = self.folder
        tables = {
            m: [folder / f"{m}/{fold}.parquet" for fold in range(N_FOLDS)] for m in ("holistic", "attention")
        }
        self._run(
            "score_exams", exams=folder / "exams.parquet", images=folder / "images.parquet", **tables,
            members=1, settings=CONFIG["score_exams"], out=folder / "scores.parquet",
        )  # fmt: skip
        cut = {"side_px": 976, "crop": "centre", "mm_per_px": None}
        self._write_audited(InputCut(**cut))
        settings = CONFIG["evaluate"] | {
            "audit_per_size": 1, "synthetic": True, "published_ran": False, "outside": [],
            "input": cut, "roi": {"side_px": 976, "mm_per_px": None},
        }  # fmt: skip
        self._run(
            "evaluate", scores=folder / "scores.parquet", images=folder / "images.parquet",
            shards=folder / "shards", coas=tables["holistic"], seed=SEED, settings=settings,
            auc=folder / "auc.csv", table1=folder / "table1.md", evaluation=folder / "evaluation.json",
            localisation=folder / "localisation.csv", crop_audit=folder / "crop_audit.csv",
        )  # fmt: skip

    def _write_audited(self, cut: InputCut) -> None:
        """The holistic image of the one image that evaluate looks at, in its shard."""
        wanted = ["image_id", "shard", "holistic_row_group"]
        rows = read_table(self.folder / "images.parquet", "images", wanted).to_pylist()
        sizes = [(3328, 2560)] * len(rows)
        (chosen,) = CropAudit(cut, 1).chosen([row["image_id"] for row in rows], sizes, SEED)
        image = next(row for row in rows if row["image_id"] == chosen)
        picture = np.zeros(HOLISTIC_PX, np.uint8)
        picture[200:1000, :400] = 200
        path = self.folder / f"shards/{image['shard']}/holistic.parquet"
        with RowGroupWriter(path, "holistic", "zstd", RECIPE) as writer:
            for number in range(image["holistic_row_group"] + 1):
                pixels = picture.tobytes() if number == image["holistic_row_group"] else b""
                writer.append(
                    {"image_id": chosen, "height_px": HOLISTIC_PX[0], "width_px": HOLISTIC_PX[1], "bits": 8,
                     "pixels": pixels}
                )  # fmt: skip

    def crop_nothing(self) -> None:
        empty = self.folder / "shards/none-000"
        write_table(
            empty / "images.parquet", "shard_images", {name: [] for name in TABLES["shard_images"]}, RECIPE
        )
        with RowGroupWriter(empty / "tiles.parquet", "tiles", "none", RECIPE):
            pass
        self._run(
            "crop_rois", coas=self.folder / "holistic/0.parquet", images=self.folder / "images.parquet",
            shard_images=empty / "images.parquet", tiles=empty / "tiles.parquet",
            settings=CONFIG["crop_rois"], rois=self.folder / "rois.parquet",
        )  # fmt: skip

    def hold_fold(self) -> None:
        columns = ["exam_id", "target", "laterality", "view", "breast_area_px", "breast_col", *PLACE_COLUMNS]
        program = f"""
from pathlib import Path
from mammo_steps.core.cohort import fold_images, pool_of, targets_of, validation_of
from mammo_steps.core.geometry import InputCut
from mammo_steps.core.image_store import holistic_places
from mammo_steps.core.steps import start_logging
start_logging()
folder = Path({str(self.folder)!r})
rows = fold_images(folder / "images.parquet", folder / "roles.parquet", 0, {columns!r})
kept = [targets_of(rows), pool_of(rows), validation_of(rows)]
places = holistic_places(rows, folder / "shards", InputCut(976, "centre", None))
"""
        self.cost["fold_tables"] = run_program(program)


def run_program(program: str) -> dict[str, float]:
    """What a program that begins with start_logging() says it cost."""
    # by way of a shell, or its peak would start at this process's own
    shell = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", program]
    done = subprocess.run(shell, capture_output=True, text=True, check=True)
    cost: dict[str, float] = json.loads(done.stderr.rsplit("cost: ", 1)[1])
    return cost


def measured(folder: Path, n: int) -> dict[str, dict[str, float]]:
    """Step -> its wall time in s and peak memory in MB, on n images."""
    study = MadeStudy(folder, n)
    study.make_inputs()
    study.list_and_split()
    study.make_scores()
    study.score_and_evaluate()
    study.crop_nothing()
    study.hold_fold()
    return study.cost


def straight_lines(costs: list[dict[str, dict[str, float]]], sizes: list[int]) -> dict[str, float]:
    """Per step: what it takes at each size, and the straight line through the first and the last."""
    lines: dict[str, float] = {}
    for step in costs[0]:
        for n, cost in zip(sizes, costs, strict=True):
            lines[f"{step}.{n}.wall_s"] = round(cost[step]["wall_s"], 1)
            lines[f"{step}.{n}.peak_mb"] = cost[step]["peak_mb"]
        for name, unit in (("peak_mb", "mb"), ("wall_s", "s")):
            first, last = costs[0][step][name], costs[-1][step][name]
            slope = (last - first) / (sizes[-1] - sizes[0])
            lines[f"{step}.{unit}_per_million_images"] = round(1e6 * slope)
            lines[f"{step}.base_{unit}"] = round(first - slope * sizes[0], 1)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=SIZES, help="sizes, for a quick run")
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"), help="written")
    args = parser.parse_args()
    costs = []
    for n in args.images:
        with tempfile.TemporaryDirectory(prefix="bench-tables-") as name:
            costs.append(measured(Path(name), n))
    result: dict[str, Any] = {"what": "SYNTHETIC tables, one process", "n_images": list(args.images)}
    result |= straight_lines(costs, list(args.images))
    result |= about_this_run()
    print_table(result)
    write_json(args.json, result)


if __name__ == "__main__":
    main()
