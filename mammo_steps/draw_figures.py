"""Draw the report's charts, from ROC curves to localisation.

Each is written twice: as SVG, and as the Vega-Lite specification (`.vl.json`) that the page brings to life and that
the Vega editor opens. figures.json says their order, titles and captions, captions.rst the captions to
`snakemake --report`.
"""

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mammo_steps.core import result_charts, run_charts
from mammo_steps.core.album import Album, mark_of
from mammo_steps.core.artefacts import artefact_folder
from mammo_steps.core.chart import axis, colours_of
from mammo_steps.core.damage import working_on
from mammo_steps.core.exam_models import NETWORKS, READERS, Model
from mammo_steps.core.group_names import group_label
from mammo_steps.core.localisation import LOCATOR_NAMES
from mammo_steps.core.number_text import read_csv, read_json
from mammo_steps.core.roc_chart import roc_chart
from mammo_steps.core.steps import start_step
from mammo_steps.core.table1 import ENDPOINT_NAMES
from mammo_steps.core.tables import read_table
from mammo_steps.core.terms import Endpoint, Role

log = logging.getLogger("draw_figures")

AUC_WORDS = ("model", "endpoint", "unit", "protocol", "pooling", "ci_method")
_PERCENT = {"format": "%"}


class Results:
    """Evaluation.json and auc.csv, by end point."""

    def __init__(self, aucs: Sequence[Mapping[str, Any]], told: Mapping[str, Any]) -> None:
        self.told = told
        self.models = [Model(**model) for model in told["models"]]
        self.names = {model.key: model.name for model in self.models}
        self.colours = colours_of(list(self.names))
        self._pooled = {
            (row["model"], row["endpoint"]): row
            for row in aucs
            if (row["protocol"], row["pooling"]) == ("all", "pooled")
        }

    def of(self, part: str, endpoint: str) -> list[dict[str, Any]]:
        return [row for row in self.told[part] if row["endpoint"] == endpoint]

    def series(self, models: Sequence[str]) -> dict[str, str]:
        """Name -> colour of these models, in the order of the tables."""
        return {self.names[key]: self.colours[key] for key in self.names if key in models}

    def with_auc(self, endpoint: str) -> dict[str, str]:
        """Model -> name and AUC."""
        found = {}
        for key, name in self.names.items():
            auc = self._pooled[key, endpoint]["auc"]
            found[key] = name if auc is None else f"{name} {auc:.3f}"
        return found

    def fold_rows(self, endpoint: str) -> list[dict[str, Any]]:
        folds = {
            row["model"]: dict(zip(row["folds"], row["auc"], strict=True))
            for row in self.of("fold_aucs", endpoint)
        }
        return [
            {**self._pooled[model.key, endpoint], "label": model.name, "folds": folds[model.key]}
            for model in self.models
            if not model.not_run
        ]


def add_roc(album: Album, results: Results) -> None:
    """All of the curves, then the part where screening lives."""
    for endpoint in Endpoint:
        name, curves = ENDPOINT_NAMES[endpoint], results.of("roc", endpoint)
        recalls = {row["reader"]: row["of_reader"] for row in results.of("operating_points", endpoint)}
        points = [{"model": reader, **recalls[reader]} for reader in READERS if reader in recalls]
        for zoomed, where in ((False, ""), (True, "_zoom")):
            about = ", specificity above 0.9" if zoomed else ""
            album.add(
                "roc",
                f"roc_{endpoint}{where}",
                roc_chart(curves, results.with_auc(endpoint), results.colours, points, zoomed),
                f"{name}{about}",
                f"ROC curves{about}, {name}: all exams, folds pooled; numbers are AUCs. Shaded: pointwise "
                "95 % bands of the networks. Small points: levels of the readers' scores; diamonds: their "
                "recall, with 95 % intervals.",
            )


def add_folds(album: Album, results: Results) -> None:
    for endpoint in Endpoint:
        name = ENDPOINT_NAMES[endpoint]
        album.add(
            "folds",
            f"folds_{endpoint}",
            result_charts.folds_chart(results.fold_rows(endpoint), results.colours),
            name,
            f"AUC of every fold (dots) and of all exams pooled (diamond, bar: 95 % interval), {name}.",
        )


def add_operating_points(album: Album, results: Results) -> None:
    """How much more or less of the cancers a model finds at a reader's specificity; scores as they are."""
    readers = {
        "reader_1": "reader 1",
        "reader_2": "reader 2",
        "either": "either reader",
        "both": "both readers",
    }
    for endpoint in Endpoint:
        name = ENDPOINT_NAMES[endpoint]
        found = [row for row in results.of("operating_points", endpoint) if row["scale"] == "raw"]
        if not found:
            continue
        rows = []
        for row in found:
            at = row["sensitivity_at_its_specificity"]
            rows.append(
                {
                    "label": readers[row["reader"]],
                    "series": results.names[row["model"]],
                    **{"value": at["difference"], "low": at["low"], "high": at["high"]},
                    "n": f"{row['n_positive']} / {row['n_negative']}",
                }
            )
        series = results.series([row["model"] for row in found])
        order = [label for label in readers.values() if any(row["label"] == label for row in rows)]
        album.add(
            "operating_points",
            f"operating_points_{endpoint}",
            result_charts.intervals_chart(
                rows, order, series, {"title": "sensitivity less the reader's", "axis": _PERCENT}, 0.0
            ),
            name,
            f"Sensitivity of each model at the specificity of a reader's recall, less the reader's own, {name}. "
            "Right of the dotted line the model finds more. Bars: 95 % intervals over draws of women.",
        )


def add_calibration(album: Album, results: Results) -> None:
    for endpoint in Endpoint:
        found = [row for row in results.of("calibration", endpoint) if "kinds" in row]
        rows = [
            {"series": results.names[row["model"]], **bin_}
            for row in found
            for kind in row["kinds"]
            if kind["kind"] == "logistic"
            for bin_ in kind["reliability"]
        ]
        if results.of("calibration", endpoint):
            name = ENDPOINT_NAMES[endpoint]
            album.add(
                "calibration",
                f"calibration_{endpoint}",
                result_charts.calibration_chart(rows, results.series([row["model"] for row in found])),
                name,
                f"Share of exams with cancer against the mean calibrated probability, by groups of exams, {name}. "
                "Bars: 95 % intervals. On the dotted line both agree.",
            )


def add_subgroups(album: Album, results: Results) -> None:
    """Forest plots; the ensemble is shown at first."""
    for endpoint in Endpoint:
        every = results.of("subgroups", endpoint)
        found = [row for row in every if row["auc"] is not None]
        without = [group_label(row) for row in every if row["auc"] is None and row["model"] == "ensemble"]
        lacking = f" Not here, all of one kind: {', '.join(without)}." if without else ""
        rows = [
            {
                "label": group_label(row),
                "series": results.names[row["model"]],
                **{"value": row["auc"], "low": row["ci_low"], "high": row["ci_high"]},
                "n": f"{row['n_positive']} / {row['n_negative']}",
            }
            for row in found
        ]
        series = results.series([row["model"] for row in found])
        name, own = ENDPOINT_NAMES[endpoint], results.names["ensemble"]
        hidden = [model for model in series if model != own]
        # single views have no score but the holistic model's
        alone = {row["label"] for row in rows} - {row["label"] for row in rows if row["series"] == own}
        album.add(
            "subgroups",
            f"subgroups_{endpoint}",
            result_charts.intervals_chart(
                [row for row in rows if row["label"] not in alone],
                list(dict.fromkeys(row["label"] for row in rows if row["label"] not in alone)),
                series,
                {"title": "AUC"},
                0.5,
                hidden,
            ),
            name,
            f"AUC of the {own.lower()} within groups of exams, with 95 % intervals, {name}. "
            "Groups by what only cancers have (kind, lesion) are its cancers against all negative exams. "
            f"At the right: positive / negative exams with a score of the {own.lower()}.{lacking}",
        )


def add_triage(album: Album, results: Results) -> None:
    """What lies below a limit, as the limit rises."""
    parts = {
        "screen_detected_below": ("Screen-detected cancers below the limit", "screen-detected cancers below"),
        "interval_above": ("Interval cancers above the limit", "interval cancers above"),
    }
    tables = {row["model"]: row["table"] for row in results.told["triage"]}
    series = results.series(list(tables))
    for part, (title, words) in parts.items():
        rows = []
        for model, table in tables.items():
            total = max(table[part], default=0)
            rows += [
                {"series": results.names[model], "x": share, "y": n / total}
                for share, n in zip(table["share_below"], table[part], strict=True)
                if total
            ]
        album.add(
            "triage",
            f"triage_{part}",
            result_charts.lines_chart(
                rows,
                series,
                axis("x", "share of exams below the limit", axis=_PERCENT),
                axis("y", words, axis=_PERCENT),
            ),
            title,
            f"{title}, as a share of them, against the share of exams below it, when exams are sorted by score.",
        )


def add_scores(album: Album, path: Path, results: Results) -> None:
    """Exam scores of every network by outcome."""
    table = read_table(path, "exam_scores", ["outcome", *NETWORKS])
    outcomes = np.array(table["outcome"].to_pylist())
    for network in NETWORKS:
        name = results.names[network]
        album.add(
            "scores",
            f"scores_{network}",
            run_charts.scores_chart(table[network].to_numpy(), outcomes, "exam score"),
            name,
            f"Out-of-fold exam scores of the {name.lower()} by outcome; each to its own height.",
        )


def add_training(album: Album, model: str, name: str, files: Sequence[Path]) -> None:
    """Training curves of all folds of one model; a file's folder names its fold."""
    histories = {file.parent.name: read_csv(file, ()) for file in sorted(files, key=_by_number)}
    album.add(
        "training",
        f"training_{model}",
        run_charts.training_chart(histories),
        name,
        f"{name}: loss and validation AUC per epoch, one line per network; a dot marks the kept epoch.",
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
            "localisation",
            run_charts.localisation_chart(rows, LOCATOR_NAMES),
            "Does the ROI hold the lesion?",
            "Share of the test women's positive images whose ROI holds a malignant lesion's centre, with "
            "95 % intervals, against three baselines with ROIs of the same size.",
        )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=Path, required=True, help="scores/exams.parquet")
    parser.add_argument("--auc", type=Path, required=True, help="report/auc.csv")
    parser.add_argument("--evaluation", type=Path, required=True, help="report/evaluation.json")
    parser.add_argument("--localisation", type=Path, required=True, help="report/localisation.csv")
    parser.add_argument("--holistic-histories", type=Path, nargs="+", required=True, metavar="CSV")
    parser.add_argument("--attention-histories", type=Path, nargs="+", required=True, metavar="CSV")
    parser.add_argument("--figures", type=Path, required=True, help="folder written: figures, what they are")
    args = parser.parse_args(argv)
    start_step(__spec__, args)
    with working_on(args.auc, args.evaluation):
        draw(args)


def draw(args: argparse.Namespace) -> None:
    results = Results(read_csv(args.auc, AUC_WORDS), read_json(args.evaluation))
    album = Album(args.figures, mark_of(results.told))
    with artefact_folder(args.figures):
        for add in (add_roc, add_folds, add_operating_points, add_calibration, add_subgroups, add_triage):
            add(album, results)
        add_scores(album, args.scores, results)
        for model, files in (("holistic", args.holistic_histories), ("attention", args.attention_histories)):
            with working_on(*files):
                add_training(album, model, results.names[model], files)
        with working_on(args.localisation):
            add_localisation(album, args.localisation)
        album.write_list()
    log.info("%d figures written to %s", len(album.entries), args.figures)


if __name__ == "__main__":
    main()
