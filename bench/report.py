"""How long does the report of 150,000 exams take, how large is it, how fast does it open?

`make bench-report` makes scores (SYNTHETIC: as bench/evaluate.py, ten folds, five outside models), evaluates them,
draws the charts and writes the page as the workflow's steps do, prints a table and writes bench/report.json. The rule:
statistics, charts and page in less than 120 s, a page of less than 15 MB, open in less than 3 s. It is opened from disk
by Chromium, where there is one: until the page is loaded, until all its charts answer to the pointer after a scroll
through it, and for how long at most it answers to nothing meanwhile. On a busy machine (load_average) the seconds of
the processor count.
"""

import json
import os
import resource
import shutil
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from common import about_this_run, print_table
from evaluate import RULES, SEED, SETTINGS, made_exams, made_facts, timed

from mammo_steps import draw_figures, report
from mammo_steps.core.exam_aucs import comparisons
from mammo_steps.core.exam_models import OWN_COLUMNS
from mammo_steps.core.exam_scores import Exams
from mammo_steps.core.exam_statistics import statistics_part
from mammo_steps.core.files import write_json, write_text
from mammo_steps.core.localisation import COLUMNS
from mammo_steps.core.number_text import csv_text, json_text
from mammo_steps.core.tables import write_table
from mammo_steps.evaluate import AUC_COLUMNS, auc_rows, exam_part

REPO = Path(__file__).resolve().parents[1]
N_EXAMS, N_FOLDS, N_EPOCHS = 150_000, 10, 30
LONGEST_TASK = """window.longestTask = 0; new PerformanceObserver((list) => list.getEntries().forEach((one) => {
window.longestTask = Math.max(window.longestTask, one.duration); })).observe({ type: "longtask", buffered: true });"""
LOCATORS = ("coa", "random_in_breast", "breast_centroid", "untrained_coa")


def write_scores(folder: Path, exams: Exams) -> None:
    columns: dict[str, Any] = {name: exams.scores[name] for name in OWN_COLUMNS}
    columns |= {"patient_id": [f"w{number:06d}" for number in exams.woman], "exam_id": exams.exam_id}
    write_table(
        folder / "exams.parquet", "exam_scores", columns | {"outcome": exams.outcome, "fold": exams.fold}
    )


def write_evaluation(folder: Path, exams: Exams) -> None:
    """What the step evaluate would: AUCs and evaluation.json; a localisation of some images."""
    found = comparisons(exams, RULES, SEED)
    rows = auc_rows(found, exams.models)
    told = {
        "synthetic": True,
        "start": None,
        **exam_part(exams, found, rows),
        **statistics_part(found, SETTINGS, made_facts(N_EXAMS), SEED),
        "prior_otherwise": [],
        "coa": {"n_images": 4 * N_EXAMS, "n_fallback": 3, "mean_top_outside_breast": 0.05, "folds": []},
    }
    write_text(folder / "auc.csv", csv_text(AUC_COLUMNS, map(asdict, rows)))
    write_text(folder / "evaluation.json", json_text(told))
    hits = [
        (one, "test", kind, 783, 400.0, 0.5, 0.46, 0.54, 0.3) for kind in ("all", "mass") for one in LOCATORS
    ]
    lines = [",".join(COLUMNS), *(",".join(map(str, hit)) for hit in hits)]
    write_text(folder / "localisation.csv", "\n".join(lines) + "\n")
    header = "height_px,width_px,n_images,breast_share_outside,lesion_share_outside,n_measured,n_lesions"
    write_text(folder / "crop_audit.csv", f"{header}\n2340,940,600000,0.4,0.1,200,20\n")


def write_trainings(folder: Path) -> tuple[dict[str, list[str]], list[str]]:
    """Histories of both models' folds, and their run.json."""
    generator = np.random.default_rng(SEED)
    histories: dict[str, list[str]] = {"holistic": [], "attention": []}
    runs = []
    for model, files in histories.items():
        for fold in range(N_FOLDS):
            losses = 0.7 * 0.95 ** np.arange(N_EPOCHS) + 0.02 * generator.standard_normal(N_EPOCHS)
            lines = [
                "epoch,n_positive,n_negative,learning_rate,train_loss,validation_loss,validation_auc,kept"
            ]
            lines += [
                f"{i + 1},700,700,0.0001,{x},{x + 0.05},{1 - x / 2},{int(i == 20)}"
                for i, x in enumerate(losses)
            ]
            files.append(str(folder / model / f"fold{fold}" / "history.csv"))
            write_text(Path(files[-1]), "\n".join(lines) + "\n")
            runs.append(str(folder / model / f"fold{fold}" / "run.json"))
            write_json(Path(runs[-1]), {"model": model, "fold": fold, "seed": 1, "wall_s": 36_000.0})
    steps = [{"step": "with a label", "images": 4 * N_EXAMS, "exams": N_EXAMS, "women": N_EXAMS // 2}]
    write_json(folder / "flow.json", {"steps": steps, "excluded": [], "notes": []})
    return histories, runs


def opened(page: Path) -> dict[str, float]:
    """Seconds until the page is loaded, and until all charts are alive; empty without a browser."""
    from playwright.sync_api import Error, sync_playwright

    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except Error:
            return {}
        tab = browser.new_context(offline=True, viewport={"width": 1440, "height": 900}).new_page()
        tab.add_init_script(LONGEST_TASK)
        start = time.perf_counter()
        tab.goto(page.as_uri(), wait_until="load", timeout=300_000)
        loaded = time.perf_counter() - start
        for top in range(0, tab.evaluate("document.documentElement.scrollHeight"), 600):
            tab.evaluate(f"window.scrollTo(0, {top})")
            tab.wait_for_timeout(10)
        while tab.evaluate("!!document.querySelector('figure[data-chart]:not([data-live])')"):
            tab.wait_for_timeout(20)
        alive = time.perf_counter() - start
        longest = tab.evaluate("window.longestTask")
        browser.close()
    return {
        "open.loaded_s": round(loaded, 2),
        "open.all_charts_alive_s": round(alive, 2),
        "open.longest_block_s": round(longest / 1000, 2),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        exams = made_exams(N_EXAMS)
        write_scores(folder, exams)
        busy = time.process_time()
        _, evaluate_s = timed(lambda: write_evaluation(folder, exams))
        evaluate_cpu_s = time.process_time() - busy
        histories, runs = write_trainings(folder)
        own = ["--auc", f"{name}/auc.csv", "--evaluation", f"{name}/evaluation.json"]
        own += ["--localisation", f"{name}/localisation.csv", "--figures", f"{name}/figures"]
        curves = [
            "--holistic-histories",
            *histories["holistic"],
            "--attention-histories",
            *histories["attention"],
        ]
        _, draw_s = timed(lambda: draw_figures.main(["--scores", f"{name}/exams.parquet", *own, *curves]))
        scoring = {"members": 1, "holistic_flip": False, "attention_flip": False}
        scoring |= {"coas_per_image": 1, "roi_pooling": "max"}
        settings = json.dumps({"study": "bench", "synthetic": True, "partial": None, "scoring": scoring})
        write_json(folder / "gallery" / "gallery.json", [])
        rest = [
            "--gallery",
            f"{name}/gallery",
            "--flow",
            f"{name}/flow.json",
            "--crop-audit",
            f"{name}/crop_audit.csv",
            "--results",
            name,
        ]
        rest += ["--settings", settings, "--report", f"{name}/report.html", "--runs", *runs]
        _, report_s = timed(lambda: report.main([*own, *rest]))
        result: dict[str, Any] = {
            "what": "SYNTHETIC scores, one process",
            "n_exams": N_EXAMS,
            "evaluate_s": evaluate_s,
            "evaluate_cpu_s": round(evaluate_cpu_s, 2),
            "draw_figures_s": draw_s,
            "report_s": report_s,
            "figures_mb": round(sum(path.stat().st_size for path in (folder / "figures").iterdir()) / 1e6, 2),
            "report_mb": round((folder / "report.html").stat().st_size / 1e6, 2),
            **opened(folder / "report.html"),
            "load_average": [round(one, 1) for one in os.getloadavg()],
            "peak_mem_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            **about_this_run(),
        }
        print_table(result)
        write_json(REPO / "bench/report.json", result)
        if keep := os.environ.get("KEEP"):
            shutil.copy(folder / "report.html", keep)


if __name__ == "__main__":
    main()
