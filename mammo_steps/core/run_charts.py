"""Charts of scores, training, localisation and cost."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mammo_steps.core.chart import (
    COLOURS,
    FOLD_COLOURS,
    GREY,
    OUTCOME_COLOURS,
    SHOWN,
    WIDTH_PX,
    Rows,
    Spec,
    axis,
    chart,
    labels,
    nothing,
    series_colour,
)

_BINS = 40
History = Sequence[Mapping[str, float | None]]


def scores_chart(scores: np.ndarray, outcomes: np.ndarray, title: str) -> Spec:
    """Histograms of the exam scores (n,), one per outcome that occurs, each to its own height."""
    present = [outcome for outcome in OUTCOME_COLOURS if (outcomes == outcome).any()]
    if not present:
        return nothing("no exams")
    edges = np.histogram_bin_edges(scores, bins=_BINS)
    rows = []
    names = {}
    for outcome in present:
        own = scores[outcomes == outcome]
        name = f"{outcome.replace('_', '-')}, n {own.size:,}"
        names[name] = OUTCOME_COLOURS[outcome]
        counts = np.histogram(own, edges)[0]
        for place, count in enumerate(counts.tolist()):
            row = {"series": name, "from": edges[place], "to": edges[place + 1], "n": count}
            rows.append({**row, "height": count / counts.max()})
    body = {
        "data": {"values": rows},
        "facet": {
            "row": {
                "field": "series",
                "sort": list(names),
                "header": {
                    "labelAngle": 0,
                    "labelAlign": "left",
                    "labelAnchor": "start",
                    "labelOrient": "top",
                    "labelPadding": 2,
                },
            }
        },
        "spacing": 8,
        "spec": {
            "width": WIDTH_PX,
            "height": 38,
            "mark": {"type": "bar", "opacity": 0.8, "binSpacing": 0},
            "encoding": {
                "x": axis("from", title, scale={"nice": False, "zero": False}),
                "x2": {"field": "to"},
                "y": axis("height", "", axis=None),
                "y2": {"datum": 0},
                "color": series_colour(names, legend=False),
                "tooltip": [
                    {"field": "series", "title": "outcome"},
                    axis("from", "score from", format=".2f"),
                    axis("to", "to", format=".2f"),
                    axis("n", "exams"),
                ],
            },
        },
    }
    return chart(body, {})


def training_chart(histories: Mapping[str, History]) -> Spec:
    """Loss and validation AUC of one model, a line per fold; the dot is the epoch that was kept.

    histories  fold -> rows of its history.csv
    """
    series = {fold: FOLD_COLOURS[place % len(FOLD_COLOURS)] for place, fold in enumerate(histories)}
    rows = [{"series": fold, **row} for fold, history in histories.items() for row in history]
    epochs = [row["epoch"] or 0 for history in histories.values() for row in history]
    # Vega takes tickMinStep for a hint: so many ticks at most that whole epochs are far enough apart
    n_ticks = max(1, min(5, round(max(epochs, default=1) - min(epochs, default=1))))
    ticks = {"tickMinStep": 1, "tickCount": n_ticks, "format": "d"}
    x = axis("epoch", "epoch", axis=ticks, scale={"zero": False, "nice": False})
    colour = {"color": series_colour(series)}
    free = {"scale": {"zero": False}}

    def line(field: str, title: str, **mark: object) -> Spec:
        return {
            "mark": {"type": "line", "strokeWidth": 1.3, **mark},
            "encoding": {"x": x, "y": axis(field, title, **free), **colour},
        }

    def kept(field: str, title: str) -> Spec:
        return {
            "transform": [{"filter": "datum.kept == 1"}],
            "mark": {"type": "point", "filled": True, "size": 46, "opacity": 1},
            "encoding": {"x": x, "y": axis(field, title, **free), **colour},
        }

    def found(field: str, title: str) -> Spec:
        names = {"train_loss": "training loss", "validation_loss": "validation loss"}
        about = [axis(name, text, format=".4f") for name, text in names.items()]
        return {
            "mark": {"type": "point", "size": 80, "opacity": 0, "filled": True},
            "encoding": {
                "x": x,
                "y": axis(field, title, **free),
                **colour,
                "tooltip": [
                    {"field": "series", "title": "network"},
                    axis("epoch", "epoch"),
                    *about,
                    axis("validation_auc", "validation AUC", format=".4f"),
                ],
            },
        }

    loss, auc = "loss (dashed: training)", "validation AUC, per image"
    panels = [
        [
            line("train_loss", loss, strokeDash=[4, 3], strokeWidth=1),
            line("validation_loss", loss),
            kept("validation_loss", loss),
            found("validation_loss", loss),
        ],
        [line("validation_auc", auc), kept("validation_auc", auc), found("validation_auc", auc)],
    ]
    body = {
        "data": {"values": rows},
        "transform": [SHOWN],
        "vconcat": [{"width": WIDTH_PX, "height": 150, "layer": layers} for layers in panels],
        "spacing": 14,
    }
    return chart(body, series)


def localisation_chart(rows: Rows, names: Mapping[str, str]) -> Spec:
    """Hit rate with its interval per locator, one panel per lesion type.

    rows  of localisation.csv for one role; names: locator -> its label
    """
    if not rows:
        return nothing("no lesions are known")
    colours = {name: COLOURS["ensemble"] if key == "coa" else GREY for key, name in names.items()}
    shown = [
        {
            **row,
            "series": names[row["locator"]],
            "panel": f"{row['lesion_type'].replace('_', ' ')}, {row['n_images']} images",
        }
        for row in rows
    ]
    y = labels("series", list(colours))
    colour = {"color": series_colour(colours, legend=False)}
    scale = {"scale": {"domain": [0, 1]}, "axis": {"format": "%"}}
    about = [
        {"field": "series", "title": "ROI from"},
        axis("hit_rate", "hit rate", format=".1%"),
        axis("ci_low", "from", format=".1%"),
        axis("ci_high", "to", format=".1%"),
    ]
    layers = [
        {
            "mark": {"type": "rule", "strokeWidth": 2},
            "encoding": {
                "x": axis("ci_low", "hit rate", **scale),
                "x2": {"field": "ci_high"},
                "y": y,
                **colour,
            },
        },
        {
            "mark": {"type": "point", "shape": "diamond", "filled": True, "size": 60, "opacity": 1},
            "encoding": {"x": axis("hit_rate", "hit rate", **scale), "y": y, **colour, "tooltip": about},
        },
    ]
    body = {
        "data": {"values": shown},
        "facet": {
            "row": {
                "field": "panel",
                "sort": list(dict.fromkeys(row["panel"] for row in shown)),
                "header": {
                    "labelAngle": 0,
                    "labelAlign": "left",
                    "labelAnchor": "start",
                    "labelOrient": "top",
                    "labelPadding": 2,
                },
            }
        },
        "spacing": 10,
        "spec": {"width": WIDTH_PX - 110, "height": {"step": 20}, "layer": layers},
    }
    return chart(body, {})


def time_unit(hours: Iterable[float]) -> tuple[str, int]:
    """What times are told in, and how many of it make an hour."""
    return ("hours", 1) if max(hours, default=1) >= 1 else ("minutes", 60)


def cost_chart(rows: Rows) -> Spec:
    """Time of all jobs of each step, the costly ones above. rows: step, hours, n_jobs."""
    if not rows:
        return nothing("no manifests were found")
    ranked = sorted(rows, key=lambda row: -row["hours"])
    unit, times = time_unit(row["hours"] for row in rows)
    values = [{"step": row["step"], "time": times * row["hours"], "n_jobs": row["n_jobs"]} for row in ranked]
    body = {
        "data": {"values": values},
        "width": WIDTH_PX - 110,
        "height": {"step": 18},
        "mark": {"type": "bar", "color": COLOURS["holistic"], "opacity": 0.85},
        "encoding": {
            "x": axis("time", f"{unit} of all jobs"),
            "y": labels("step", [row["step"] for row in ranked]),
            "tooltip": [{"field": "step"}, axis("time", unit, format=".3~r"), axis("n_jobs", "jobs")],
        },
    }
    return chart(body, {})
