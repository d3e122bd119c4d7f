"""A study from exam scores to its page: evaluated, drawn and reported as the workflow does it."""

import json
from pathlib import Path

import scored_study
from scored_study import exam_rows, write_study

from mammo_steps import draw_figures, report
from mammo_steps.core.files import write_json, write_text
from mammo_steps.core.tables import write_rows

# ids of the report's sections, in order
SECTIONS = (
    *(
        "cohort",
        "table1",
        "roc",
        "folds",
        "tests",
        "operating",
        "calibration",
        "triage",
        "subgroups",
        "scores",
    ),
    *("localisation", "gallery", "training", "crop", "limits", "cost", "provenance"),
)

HOSTILE = "<script>alert('x')</script>"
OUTSIDE = {"name": "rival", "title": "Rival & Co", "trained_on": HOSTILE, "overlap": "unknown"}
FLOW = {
    "steps": [
        {"step": "files in the archive", "files": 1234},
        {"step": "usable", "images": 400, "exams": 100, "women": 90},
        {"step": "of a woman", "images": 400, "exams": 100, "women": 90},
        {"step": f"labelled {HOSTILE}", "images": 360, "exams": 90, "women": 80},
        {"step": "complete", "images": 360, "exams": 90, "women": 80},
    ],
    "excluded": [
        {"level": "exam", "reason": "no_label", "outcome": None, "n": 7},
        {"level": "exam", "reason": "incomplete_exam", "outcome": "normal", "n": 2},
        {"level": "exam", "reason": "incomplete_exam", "outcome": "screen_detected", "n": 1},
    ],
    "notes": [HOSTILE],
}
SCORING = {
    **{"members": 1, "holistic_flip": False, "attention_flip": False},
    **{"coas_per_image": 1, "roi_pooling": "max"},
}
HISTORY = "epoch,n_positive,n_negative,learning_rate,train_loss,validation_loss,validation_auc,kept"


def evaluated(folder: Path, exams: list[dict] | None = None, lesions: bool = True) -> Path:
    """Tables of the step evaluate for these exams (default: 80 of 40 women) and an outside model."""
    exams = exam_rows() if exams is None else exams
    write_study(folder, exams)
    scored = [{"model": "rival", "exam_id": exam["exam_id"], "score": exam["holistic"]} for exam in exams]
    write_rows(folder / "outside.parquet", "outside_scores", scored)
    settings = {**scored_study.SETTINGS, "outside": [OUTSIDE]}
    extra = ("--key", scored_study.KEY) if lesions else ()
    scored_study.run(folder, folder, settings, extra, outside=folder / "outside.parquet")
    return folder


def histories(folder: Path) -> dict[str, list[str]]:
    files: dict[str, list[str]] = {}
    for model in ("holistic", "attention"):
        for fold in (0, 1):
            lines = [f"1,4,8,0.001,0.7,0.69,{'' if fold else 0.5},0", "2,4,8,0.0001,0.5,0.6,0.7,1"]
            path = folder / model / f"fold{fold}" / "history.csv"
            write_text(path, "\n".join([HISTORY, *lines]) + "\n")
            files.setdefault(model, []).append(str(path))
    return files


def draw(folder: Path, out: Path) -> Path:
    files = histories(folder)
    draw_figures.main(
        [
            *("--scores", str(folder / "exams.parquet"), "--auc", str(folder / "auc.csv")),
            *("--evaluation", str(folder / "evaluation.json")),
            *("--localisation", str(folder / "localisation.csv")),
            *("--holistic-histories", *files["holistic"], "--attention-histories", *files["attention"]),
            *("--figures", str(out)),
        ]
    )
    return out


def page_of(folder: Path, **settings: object) -> str:
    """The page, drawn before if it is not yet. settings: other than a synthetic whole study's."""
    if not (folder / "figures").exists():
        draw(folder, folder / "figures")
    write_json(folder / "flow.json", FLOW)
    if not (folder / "gallery").exists():
        write_json(folder / "gallery" / "gallery.json", [])
    runs = []
    for fold in (0, 1):
        runs.append(folder / f"run{fold}.json")
        run = {
            "model": "holistic",
            "fold": fold,
            "seed": 1,
            "wall_s": 1800.0,
            "torch": "2.11.0",
            "python": "3.11.7",
        }
        write_json(runs[-1], run)
    given = {"study": "a <study>", "synthetic": True, "partial": None, "scoring": SCORING} | settings
    report.main(
        [
            *("--flow", str(folder / "flow.json"), "--auc", str(folder / "auc.csv")),
            *("--evaluation", str(folder / "evaluation.json")),
            *("--localisation", str(folder / "localisation.csv")),
            *("--crop-audit", str(folder / "crop_audit.csv"), "--figures", str(folder / "figures")),
            *("--gallery", str(folder / "gallery")),
            *("--runs", *map(str, runs), "--results", str(folder), "--settings", json.dumps(given)),
            *("--report", str(folder / "report.html")),
        ]
    )
    return (folder / "report.html").read_text(encoding="utf-8")
