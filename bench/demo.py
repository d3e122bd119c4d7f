"""Does the paper's ordering come out? The whole workflow on five SYNTHETIC cohorts of 1,000 exams.

`make bench-demo` prints a table and writes bench/demo.json. Cohort seeds 1 to 5 under the settings of config/demo.yaml
and bench/demo.yaml; then, as a negative control, seed 1 without lesions in the pixels but with all labels.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import about_this_run
from scipy import stats

from mammo_steps.core.files import write_json

REPO = Path(__file__).resolve().parents[1]
NETWORKS = ("holistic", "attention", "ensemble")
LOCATORS = ("coa", "random_in_breast", "breast_centroid", "untrained_coa")


def run_study(name: str, seed: int, more: list[str]) -> tuple[Path, float]:
    """The study's results folder, and the time the workflow took in seconds."""
    results = Path("results") / name
    shutil.rmtree(REPO / results, ignore_errors=True)
    overlay = [
        *(f"study={name}", f"seed={seed}", f"archive={results}/demo/archive"),
        *(f"labels={results}/demo/labels.csv", f"lesions={results}/demo/lesions.csv"),
    ]
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "snakemake", "all", "--cores", "all", "--quiet", "all"]
        + ["--configfile", "config/demo.yaml", "bench/demo.yaml", *more, "--config", *overlay],
        cwd=REPO,
        check=True,
    )
    return REPO / results, time.monotonic() - started


def outcome_of(results: Path) -> dict[str, Any]:
    """AUCs for (a), hit rates on positive test images, and the largest process of the run."""
    auc = pd.read_csv(results / "report/auc.csv")
    auc = auc[(auc.endpoint == "screen_detected") & (auc.protocol == "all") & (auc.pooling == "pooled")]
    auc = auc.set_index("model")
    found: dict[str, Any] = {name: float(auc.auc[name]) for name in NETWORKS}
    found |= {f"{name}_ci": [float(auc.ci_low[name]), float(auc.ci_high[name])] for name in NETWORKS}
    hits = pd.read_csv(results / "report/localisation.csv")
    for role in ("train", "test"):
        rates = hits[(hits.role == role) & (hits.locator == "coa")].set_index("lesion_type").hit_rate
        found |= {f"coa_hit_{role}_{kind}": float(rate) for kind, rate in rates.items()}
    test = hits[(hits.role == "test") & (hits.lesion_type == "all")].set_index("locator")
    found |= {f"hit_{locator}": float(test.hit_rate[locator]) for locator in LOCATORS}
    found["coa_hit_over_random"] = found["hit_coa"] / found["hit_random_in_breast"]
    found["roi_over_median_breast_area"] = float(test.roi_area_over_median_breast_area["coa"])
    costs = [
        json.loads(line)
        for log in (results / "logs").rglob("*.log")
        for line in re.findall(r"cost: (\{.*\})", log.read_text())
    ]
    found["peak_mb"] = max(cost["peak_mb"] for cost in costs)
    return found


def interval(values: list[float]) -> list[float]:
    """95 % t interval of the mean over seeds."""
    mean, half = np.mean(values), stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return [round(float(mean - half), 4), round(float(mean + half), 4)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    args = parser.parse_args()

    seeds = []
    for seed in args.seeds:
        results, wall_s = run_study(f"bench_demo_{seed}", seed, [])
        seeds.append({"seed": seed, **outcome_of(results), "wall_s": round(wall_s)})
        print(json.dumps(seeds[-1]), flush=True)
        shutil.rmtree(results)  # 2 GB each
    no_lesions, _ = run_study("bench_demo_control", args.seeds[0], ["bench/no_lesions.yaml"])
    control = outcome_of(no_lesions)
    shutil.rmtree(no_lesions)

    summary: dict[str, Any] = {
        "what": "SYNTHETIC cohorts; AUC per exam, screen-detected vs the rest, out of fold"
    }
    for name in NETWORKS:
        summary[f"mean_{name}_auc"] = round(float(np.mean([s[name] for s in seeds])), 4)
    for name in ("attention", "ensemble"):
        gains = [s[name] - s["holistic"] for s in seeds]
        summary[f"mean_{name}_minus_holistic"] = round(float(np.mean(gains)), 4)
        summary[f"{name}_minus_holistic_ci"] = interval(gains)
    summary["control_without_lesions"] = {
        key: control[key] for name in NETWORKS for key in (name, f"{name}_ci")
    }
    write_json(REPO / "bench/demo.json", {**summary, "seeds": seeds, **about_this_run()})
    columns = ["seed", *NETWORKS, *(f"hit_{locator}" for locator in LOCATORS), "wall_s", "peak_mb"]
    print(pd.DataFrame(seeds)[columns].to_string(index=False, float_format="%.3f"))
    print(json.dumps(summary, indent=2))


if __name__ == "__main__":
    main()
