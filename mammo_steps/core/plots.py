"""Plain charts of the report: ROC curves, spread over folds, scores by outcome, training, localisation.

Colours are Okabe and Ito's, told apart with any colour vision, and readable on white and on black. Text and
axes have one ink and the ground one paper colour, so that a page can exchange them where it is dark. Every
chart is about as wide as a phone, and the same bytes for the same numbers.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mammo_steps.core.files import replacing
from mammo_steps.core.terms import Outcome

INK, PAPER = "#1b1b1b", "#fefefe"
COLOURS = {
    "holistic": "#0072B2",
    "attention": "#E69F00",
    "ensemble": "#009E73",
    "wu2019": "#56B4E9",
    "wu2019_adapted": "#7A5195",
    "reader_1": "#CC79A7",
    "reader_2": "#D55E00",
    "one_reader": "#CC79A7",
    "two_readers": "#808080",
}
OUTCOME_COLOURS = {
    Outcome.SCREEN_DETECTED: "#D55E00",
    Outcome.INTERVAL: "#E69F00",
    Outcome.PRIOR: "#CC79A7",
    Outcome.BENIGN: "#009E73",
    Outcome.NORMAL: "#0072B2",
}
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9.0,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "savefig.facecolor": PAPER,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "grid.color": "#888888",
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "mammo_steps",
}
_WIDTH_IN = 3.8


def new_figure(height_in: float, width_in: float = _WIDTH_IN) -> Figure:
    """An empty figure in the report's style; draw and save it inside `style()`."""
    return Figure(figsize=(width_in, height_in), layout="constrained")


def style() -> Any:
    """Context in which figures are made and saved."""
    return mpl.rc_context(STYLE)


def save(figure: Figure, path: Path) -> None:
    """Write SVG (on paper) or PNG (see-through), without date or version, so that bytes repeat."""
    is_svg = path.suffix == ".svg"
    metadata = {"Date": None, "Creator": None} if is_svg else {"Software": None}
    ground = PAPER if is_svg else "none"
    with replacing(path) as scratch:
        figure.savefig(scratch, format=path.suffix[1:], metadata=metadata, dpi=120, facecolor=ground)


def _empty(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
    axes.set(xticks=[], yticks=[])


_MARKERS = {"reader_1": "o", "reader_2": "s", "two_readers": "^"}
_OTHER_COLOURS = ("#B8A000", "#00868B", "#8B4513", "#555599", "#A0522D", "#2F4F4F")


def colours_of(models: Sequence[str]) -> dict[str, str]:
    """Each model's colour; outside models have those that are left, in their order."""
    others = [model for model in models if model not in COLOURS]
    return COLOURS | {
        model: _OTHER_COLOURS[place % len(_OTHER_COLOURS)] for place, model in enumerate(others)
    }


def roc_figure(
    curves: Sequence[Mapping[str, Any]], labels: Mapping[str, str], colours: Mapping[str, str]
) -> Figure:
    """Curves of one end point: networks as lines, readers as points joined by thin lines.

    curves  model, fpr, tpr each; labels: model -> text of the legend
    """
    figure = new_figure(3.9)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#888888", linewidth=0.8, linestyle=(0, (2, 3)))
    for curve in curves:
        model = curve["model"]
        reader = model in _MARKERS
        axes.plot(
            curve["fpr"],
            curve["tpr"],
            color=colours[model],
            label=labels[model],
            linewidth=0.7 if reader else 1.6,
            marker=_MARKERS.get(model),
            markersize=4.5,
        )
    axes.set(xlim=(-0.01, 1), ylim=(0, 1.01), aspect="equal")
    axes.set(xlabel="1 \N{MINUS SIGN} specificity", ylabel="sensitivity")
    axes.grid(True)
    if curves:
        axes.legend(loc="lower right")
    else:
        _empty(axes, "not estimable")
    return figure


def folds_figure(rows: Sequence[Mapping[str, Any]], colours: Mapping[str, str]) -> Figure:
    """AUC of each fold (dots), of all exams pooled (diamond) and its interval (bar), one line per model.

    rows  model, label, folds (list of AUC or None), auc, ci_low, ci_high (None where not estimable)
    """
    figure = new_figure(0.9 + 0.34 * len(rows))
    axes = figure.subplots()
    for place, row in enumerate(rows):
        colour = colours[row["model"]]
        values = [value for value in row["folds"] if value is not None]
        axes.plot(values, [place + 0.16] * len(values), "o", color=colour, alpha=0.45, markersize=4, mew=0)
        if row["auc"] is None:
            axes.text(0.02, place, "not estimable", va="center", transform=axes.get_yaxis_transform())
            continue
        axes.plot([row["ci_low"], row["ci_high"]], [place - 0.12] * 2, color=colour, linewidth=2.2)
        axes.plot(row["auc"], place - 0.12, "D", color=colour, markersize=5, mew=0)
    axes.axvline(0.5, color="#888888", linewidth=0.8, linestyle=(0, (2, 3)))
    axes.set_yticks(range(len(rows)), [row["label"] for row in rows])
    axes.set(ylim=(len(rows) - 0.5, -0.5), xlabel="AUC")
    axes.set_xlim(right=1.005)
    axes.grid(True, axis="x")
    return figure


def scores_figure(scores: np.ndarray, outcomes: np.ndarray, xlabel: str) -> Figure:
    """Histograms of the exam scores (n,), one per outcome that occurs, each to its own height."""
    present = [outcome for outcome in OUTCOME_COLOURS if (outcomes == outcome).any()]
    figure = new_figure(0.8 + 0.62 * max(1, len(present)))
    axes = figure.subplots(max(1, len(present)), sharex=True, squeeze=False)[:, 0]
    if not present:
        _empty(axes[0], "no exams")
        return figure
    edges = np.histogram_bin_edges(scores, bins=40)
    for ax, outcome in zip(axes, present, strict=True):
        own = scores[outcomes == outcome]
        counts = np.histogram(own, edges)[0]
        ax.stairs(counts / counts.max(), edges, color=OUTCOME_COLOURS[outcome], fill=True, alpha=0.75)
        ax.set(yticks=[], ylim=(0, 1.5))  # room for the words above the bars
        ax.spines["left"].set_visible(False)
        text = f"{outcome.replace('_', '-')}, n {own.size:,}"
        ax.text(0, 1.0, text, transform=ax.transAxes, va="top", fontsize=8.5)
    axes[-1].set_xlabel(xlabel)
    return figure


def training_figure(histories: Mapping[str, Sequence[Mapping[str, float | None]]]) -> Figure:
    """Loss and validation AUC of one model, a line per fold; the dot is the epoch that was kept.

    histories  fold -> rows of its history.csv
    """
    figure = new_figure(4.2)
    above, below = figure.subplots(2, sharex=True)
    for number, history in enumerate(histories.values()):
        epochs = [1 + (row["epoch"] or 0) for row in history]
        shade = mpl.colormaps["viridis"](0.15 + 0.7 * number / max(1, len(histories) - 1))
        above.plot(epochs, _column(history, "train_loss"), color=shade, linewidth=0.9, linestyle=(0, (3, 2)))
        kept = [place for place, row in enumerate(history) if row["kept"]]
        for axes, name in ((above, "validation_loss"), (below, "validation_auc")):
            values = _column(history, name)
            axes.plot(epochs, values, color=shade, linewidth=1.1)
            axes.plot([epochs[k] for k in kept], [values[k] for k in kept], "o", color=shade, markersize=4)
    above.set_ylabel("loss (dashed: training)")
    below.set(xlabel="epoch", ylabel="validation AUC, per image")
    below.xaxis.get_major_locator().set_params(integer=True)
    for axes in (above, below):
        axes.grid(True)
    return figure


def _column(history: Sequence[Mapping[str, float | None]], name: str) -> list[float]:
    return [float("nan") if row[name] is None else float(row[name] or 0) for row in history]


def localisation_figure(rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Figure:
    """Hit rate with its interval per locator, one panel per lesion type.

    rows  of localisation.csv for one role; names: locator -> its label
    """
    types = list(dict.fromkeys(row["lesion_type"] for row in rows))
    figure = new_figure(0.6 + (0.35 + 0.24 * len(names)) * max(1, len(types)))
    panels = figure.subplots(max(1, len(types)), sharex=True, squeeze=False)[:, 0]
    if not rows:
        _empty(panels[0], "no lesions are known")
    for axes, lesion_type in zip(panels, types, strict=False):
        own = [row for row in rows if row["lesion_type"] == lesion_type]
        for place, row in enumerate(own):
            colour = COLOURS["ensemble"] if row["locator"] == "coa" else COLOURS["two_readers"]
            axes.plot([row["ci_low"], row["ci_high"]], [place] * 2, color=colour, linewidth=2)
            axes.plot(row["hit_rate"], place, "D", color=colour, markersize=5, mew=0)
        axes.set_yticks(range(len(own)), [names[row["locator"]] for row in own])
        axes.set(ylim=(len(own) - 0.5, -0.5), xlim=(-0.01, 1.01))
        axes.set_title(f"{lesion_type.replace('_', ' ')}, {own[0]['n_images']} images", fontsize=9)
        axes.grid(True, axis="x")
    if rows:
        panels[-1].set_xlabel("hit rate")
    return figure
