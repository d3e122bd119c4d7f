"""Does a small site gain by starting from another site's bundle? On SYNTHETIC cohorts, the second site of 90 exams.

`make bench-adapt` prints a table and writes bench/adapt.json. The first site (bench/adapt_first.yaml, 500 exams) is
trained once. For each seed a second site (bench/adapt.yaml: other women, another key, other matrices, fainter lesions)
is trained four ways on the same exams and folds: from random weights; from the bundle, all layers; from the bundle, the
head alone; and not at all (the bundle's networks as they are, fold k scored by member k).
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from common import about_this_run
from scipy import stats

from mammo_steps.core.files import write_json

REPO = Path(__file__).resolve().parents[1]
NETWORKS = ("holistic", "attention", "ensemble")
FIRST = Path("results/adapt_first")


def fits(epochs: tuple[int, int], learning_rate: float) -> dict[str, Any]:
    """Epochs of the holistic and the attention model."""
    names = ("train_holistic", "train_attention")
    return {
        name: {"fit": {"epochs": n, "learning_rate": learning_rate}}
        for name, n in zip(names, epochs, strict=True)
    }


# name -> config over bench/adapt.yaml
WAYS: dict[str, dict[str, Any]] = {
    "scratch": fits((16, 10), 1e-3),
    "all": {"start_from": {"layers": "all"}, **fits((6, 5), 3e-4)},
    "head": {"start_from": {"layers": "head"}, **fits((6, 5), 1e-2)},
    "as_it_is": {"start_from": {"layers": "head"}, **fits((1, 1), 1e-12)},
}


def run(target: str, configs: list[Path], folder: Path) -> float:
    """Seconds that the workflow took for one target."""
    started = time.monotonic()
    subprocess.run(
        [
            sys.executable,
            "-m",
            "snakemake",
            target,
            "--cores",
            "2",
            "--quiet",
            "all",
            "--directory",
            str(folder),
        ]
        + ["--snakefile", str(REPO / "workflow/Snakefile"), "--configfile", *map(str, configs)],
        check=True,
    )
    return time.monotonic() - started


def second_site(way: str, seed: int, folder: Path) -> Path:
    """The config file of a study; all but the first way of a seed use that one's cohort and shards."""
    study, cohort = f"adapt_{seed}_{way}", f"results/adapt_{seed}_scratch"
    config: dict[str, Any] = {
        "study": study,
        "seed": seed,
        "public_id_key": f"public key of second site {seed}",
    }
    if way != "scratch":
        made = f"{cohort}/demo"
        config |= {"make_demo_cohort": None, "shards_from": cohort, "archive": f"{made}/archive"}
        config["labels"] = f"{made}/labels.csv"
    more = WAYS[way]
    if "start_from" in more:
        more = more | {
            "start_from": {"bundle": str(FIRST / "bundle"), "overlap": "none", **more["start_from"]}
        }
    path = folder / f"{study}.yaml"
    path.write_text(yaml.safe_dump(config | more))
    return path


def aucs(results: Path) -> dict[str, Any]:
    """End point (a), all exams; folds pooled (with interval), and their mean."""
    table = pd.read_csv(results / "report/auc.csv")
    table = table[(table.endpoint == "screen_detected") & (table.protocol == "all")].set_index(
        ["pooling", "model"]
    )
    found: dict[str, Any] = {}
    for name in NETWORKS:
        row = table.loc[("pooled", name)]
        found[name] = [round(float(row[key]), 4) for key in ("auc", "ci_low", "ci_high")]
        found[f"{name}_fold_mean"] = round(float(table.loc[("fold_mean", name)].auc), 4)
    return found | {"n_positive": int(row.n_positive), "n_negative": int(row.n_negative)}


def interval(values: list[float]) -> list[float]:
    """Mean over seeds and its 95 % t interval."""
    mean, half = np.mean(values), stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return [round(float(value), 4) for value in (mean, mean - half, mean + half)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--folder", type=Path, default=REPO, help="where results/ lies")
    parser.add_argument(
        "--keep", action="store_true", help="leave the results, and use those of the first site"
    )
    args = parser.parse_args()

    folder = args.folder.resolve()
    demo = REPO / "config/demo.yaml"
    first = folder / "adapt_first.yaml"
    first.write_text(yaml.safe_dump({"study": FIRST.name}))
    run(str(FIRST / "bundle"), [demo, REPO / "bench/adapt_first.yaml", first], folder)
    rows = []
    for seed in args.seeds:
        for way in WAYS:
            config = second_site(way, seed, folder)
            results = Path(f"results/adapt_{seed}_{way}")
            took = run(f"{results}/report/auc.csv", [demo, REPO / "bench/adapt.yaml", config], folder)
            rows.append({"seed": seed, "way": way, **aucs(folder / results), "wall_s": round(took)})
            print(json.dumps(rows[-1]), flush=True)
            config.unlink()
        for way in reversed(WAYS) if not args.keep else ():
            shutil.rmtree(folder / f"results/adapt_{seed}_{way}")
    summary: dict[str, Any] = {
        "what": "SYNTHETIC second site; AUC per exam, screen-detected vs the rest, out of fold; mean, 95 % over seeds",
        "first_site": aucs(folder / FIRST),
    }
    by_way = {way: [row for row in rows if row["way"] == way] for way in WAYS}
    for name in NETWORKS:
        for way, found in by_way.items():
            summary[f"{name}_{way}"] = interval([row[name][0] for row in found])
        for way in ("all", "head", "as_it_is"):
            gains = [a[name][0] - b[name][0] for a, b in zip(by_way[way], by_way["scratch"], strict=True)]
            summary[f"{name}_{way}_minus_scratch"] = interval(gains)
    if not args.keep:
        shutil.rmtree(folder / FIRST)
    first.unlink()
    write_json(REPO / "bench/adapt.json", {**summary, "studies": rows, **about_this_run()})
    print(pd.DataFrame(rows)[["seed", "way", *NETWORKS, "wall_s"]].to_string(index=False))
    print(json.dumps(summary, indent=2))


if __name__ == "__main__":
    main()
