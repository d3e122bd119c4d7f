"""Draw the report's figures: ROC curves, spread over folds, scores, training, localisation, Figure 1.

Writes SVG and PNG files and, last, figures.json: their order, titles and captions.
"""

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mammo_steps.core import plots
from mammo_steps.core.artefacts import artefact_folder
from mammo_steps.core.exam_models import NETWORKS, Model
from mammo_steps.core.exam_pictures import by_exam, exam_figure, read_pictures
from mammo_steps.core.files import write_json
from mammo_steps.core.localisation import LOCATOR_NAMES
from mammo_steps.core.number_text import read_csv, read_json
from mammo_steps.core.steps import start_step
from mammo_steps.core.table1 import ENDPOINT_NAMES
from mammo_steps.core.tables import read_table
from mammo_steps.core.terms import Endpoint, Role

log = logging.getLogger("draw_figures")


class Album:
    """Figures written to a folder, and what to say about them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: list[dict[str, str]] = []

    def add(self, group: str, file: str, figure: Figure, title: str, caption: str) -> None:
        """group: where the report puts it; caption: what is to be seen, also for those who cannot see it."""
        plots.save(figure, self.folder / file)
        self.entries.append({"group": group, "file": file, "title": title, "caption": caption})


def add_aucs(
    album: Album, aucs: Sequence[Mapping[str, Any]], evaluation: Mapping[str, Any], models: Sequence[Model]
) -> None:
    """ROC curves and spread over folds, one figure each per end point."""
    colours = plots.colours_of([model.key for model in models])
    pooled = {
        (row["model"], row["endpoint"]): row
        for row in aucs
        if (row["protocol"], row["pooling"]) == ("all", "pooled")
    }
    folds = {(row["model"], row["endpoint"]): row["auc"] for row in evaluation["fold_aucs"]}
    for endpoint in Endpoint:
        labels = {}
        for model in models:
            auc = pooled[model.key, endpoint]["auc"]
            labels[model.key] = model.name if auc is None else f"{model.name} {auc:.3f}"
        curves = [curve for curve in evaluation["roc"] if curve["endpoint"] == endpoint]
        name = ENDPOINT_NAMES[endpoint]
        album.add(
            "roc",
            f"roc_{endpoint}.svg",
            plots.roc_figure(curves, labels, colours),
            name,
            f"ROC curves, {name}: all exams, folds pooled; numbers are AUCs.",
        )
        rows = [
            {**pooled[model.key, endpoint], "label": model.name, "folds": folds[model.key, endpoint]}
            for model in models
            if not model.not_run
        ]
        album.add(
            "folds",
            f"folds_{endpoint}.svg",
            plots.folds_figure(rows, colours),
            name,
            f"AUC of every fold (dots) and of all exams pooled (diamond, bar: 95 % interval), {name}.",
        )


def add_scores(album: Album, path: Path, names: Mapping[str, str]) -> None:
    """Exam scores of every network by outcome."""
    table = read_table(path, "exam_scores", ["outcome", *NETWORKS])
    outcomes = np.array(table["outcome"].to_pylist())
    for network in NETWORKS:
        album.add(
            "scores",
            f"scores_{network}.svg",
            plots.scores_figure(table[network].to_numpy(), outcomes, "exam score (sum of margins)"),
            names[network],
            f"Out-of-fold exam scores of the {names[network].lower()} by outcome; each to its own height.",
        )


def add_training(album: Album, model: str, name: str, files: Sequence[Path]) -> None:
    """Training curves of all folds of one model; a file's folder names its fold."""
    histories = {file.parent.name: read_csv(file, ()) for file in sorted(files, key=_by_number)}
    album.add(
        "training",
        f"training_{model}.svg",
        plots.training_figure(histories),
        name,
        f"{name}: loss and validation AUC per epoch, one line per fold; a dot marks the kept epoch.",
    )


def _by_number(file: Path) -> tuple[int, str]:
    """fold10 after fold9."""
    return len(file.parent.name), file.parent.name


def add_localisation(album: Album, path: Path) -> None:
    """Hit rates of test images; nothing without known lesions."""
    rows = read_csv(path, ("locator", "role", "lesion_type"))
    rows = [row for row in rows if row["role"] == Role.TEST]
    if rows:
        album.add(
            "localisation",
            "localisation.svg",
            plots.localisation_figure(rows, LOCATOR_NAMES),
            "Does the ROI hold the lesion?",
            "Share of the test women's positive images whose ROI holds a malignant lesion's centre, with "
            "95 % intervals, against three baselines with ROIs of the same size.",
        )


def add_exams(album: Album, path: Path) -> None:
    """Figure 1 for the exams that explain_exams chose."""
    index, arrays = read_pictures(path)
    for number, entries in enumerate(by_exam(index), start=1):
        first = entries[0]
        outcome = first["outcome"].replace("_", "-")
        album.add(
            "figure1",
            f"figure1_{number}.png",
            exam_figure(entries, arrays),
            f"{outcome}, exam score {first['exam_score']:+.2f}",
            f"A {first['kind']} exam of test fold {first['fold']}, outcome {outcome}: the image as the "
            "network sees it; its saliency map; the pixels with the highest gradient (blue), their centroid, "
            "the COA (cross), and the ROI (box); the ROI itself. The networks never saw this woman.",
        )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=Path, required=True, help="scores/exams.parquet")
    parser.add_argument("--auc", type=Path, required=True, help="report/auc.csv")
    parser.add_argument("--evaluation", type=Path, required=True, help="report/evaluation.json")
    parser.add_argument("--localisation", type=Path, required=True, help="report/localisation.csv")
    parser.add_argument("--maps", type=Path, required=True, help="report/saliency.npz, of explain_exams")
    parser.add_argument("--holistic-histories", type=Path, nargs="+", required=True, metavar="CSV")
    parser.add_argument("--attention-histories", type=Path, nargs="+", required=True, metavar="CSV")
    parser.add_argument("--figures", type=Path, required=True, help="folder written: figures, figures.json")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    album = Album(args.figures)
    words = ("model", "endpoint", "unit", "protocol", "pooling", "ci_method")
    evaluation = read_json(args.evaluation)
    models = [Model(**model) for model in evaluation["models"]]
    names = {model.key: model.name for model in models}
    with artefact_folder(args.figures), plots.style():
        add_aucs(album, read_csv(args.auc, words), evaluation, models)
        add_scores(album, args.scores, names)
        add_training(album, "holistic", names["holistic"], args.holistic_histories)
        add_training(album, "attention", names["attention"], args.attention_histories)
        add_localisation(album, args.localisation)
        add_exams(album, args.maps)
        write_json(args.figures / "figures.json", album.entries)
    log.info("%d figures written to %s", len(album.entries), args.figures)


if __name__ == "__main__":
    main()
