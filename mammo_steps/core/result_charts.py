"""Charts of how well exams were told apart: folds, intervals (forest plots), calibration, lines (triage)."""

from collections.abc import Mapping, Sequence

from mammo_steps.core.chart import (
    GREY,
    SHOWN,
    WIDTH_PX,
    Rows,
    Spec,
    axis,
    chart,
    labels,
    line_at,
    nothing,
    series_colour,
)

_BAR: Spec = {"type": "rule", "strokeWidth": 2.2}
_FORM = ".3f"
_RARE = 0.05  # mean probability of the exams that look best
_HALF = WIDTH_PX - 110  # beside words


def folds_chart(rows: Rows, colours: Mapping[str, str]) -> Spec:
    """AUC of each fold (dots), of all exams pooled (diamond) and its interval (bar), one line per model.

    rows  model, label, folds (fold -> AUC or None), auc, ci_low, ci_high (None where not estimable)
    """
    if not rows:
        return nothing("no model was run")
    series = {row["label"]: colours[row["model"]] for row in rows}
    dots = [
        {"series": row["label"], "fold": fold, "auc": value}
        for row in rows
        for fold, value in row["folds"].items()
        if value is not None
    ]
    known = [
        {"series": row["label"], **{k: row[k] for k in ("auc", "ci_low", "ci_high")}}
        for row in rows
        if row["auc"] is not None
    ]
    gone = [{"series": row["label"], "text": "not estimable"} for row in rows if row["auc"] is None]
    y = labels("series", list(series))
    colour = {"color": series_colour(series, legend=False)}
    about = [{"field": "series", "title": "model"}]
    scale = {"zero": False, "nice": True}
    layers: list[Spec] = [
        line_at(0.5, "x"),
        {
            "data": {"values": dots},
            "mark": {"type": "circle", "size": 34, "opacity": 0.5, "yOffset": -6},
            "encoding": {
                "x": axis("auc", "AUC", scale=scale),
                "y": y,
                **colour,
                "tooltip": [*about, axis("fold", "fold"), axis("auc", "AUC", format=_FORM)],
            },
        },
        {
            "data": {"values": known},
            "mark": {**_BAR, "yOffset": 5},
            "encoding": {
                "x": axis("ci_low", "AUC", scale=scale),
                "x2": {"field": "ci_high"},
                "y": y,
                **colour,
            },
        },
        {
            "data": {"values": known},
            "mark": {
                "type": "point",
                "shape": "diamond",
                "filled": True,
                "size": 70,
                "opacity": 1,
                "yOffset": 5,
            },
            "encoding": {
                "x": axis("auc", "AUC", scale=scale),
                "y": y,
                **colour,
                "tooltip": [
                    *about,
                    axis("auc", "AUC, pooled", format=_FORM),
                    axis("ci_low", "from", format=_FORM),
                    axis("ci_high", "to", format=_FORM),
                ],
            },
        },
        {
            "data": {"values": gone},
            "mark": {"type": "text", "align": "left", "x": 4},
            "encoding": {"y": y, "text": {"field": "text"}},
        },
    ]
    return chart({"width": _HALF, "height": {"step": 32}, "layer": layers}, {})


def intervals_chart(
    rows: Rows,
    order: Sequence[str],
    series: Mapping[str, str],
    x: Spec,
    reference: float | None,
    hidden: Sequence[str] = (),
) -> Spec:
    """A point with its interval per row and series, one line of the chart per label: a forest plot.

    rows       label, series, value, low, high (None where there is none), n (words)
    order      the labels from above; reference: where a dotted line stands
    """
    if not rows:
        return nothing("not estimable")
    y = labels("label", order)
    offset = {"yOffset": {"field": "series", "sort": list(series)}} if len(series) > 1 else {}
    colour = {"color": series_colour(series, hidden=hidden)}
    domain = {"scale": {"zero": False, "nice": True}}
    field = {"type": "quantitative", **domain, **x}
    layers: list[Spec] = [] if reference is None else [line_at(reference, "x")]
    layers += [
        {
            "data": {"values": [row for row in rows if row["low"] is not None]},
            "transform": [SHOWN],
            "mark": {"type": "rule", "strokeWidth": 1.8},
            "encoding": {"x": {**field, "field": "low"}, "x2": {"field": "high"}, "y": y, **offset, **colour},
        },
        {
            "data": {"values": list(rows)},
            "transform": [SHOWN],
            "mark": {"type": "point", "shape": "diamond", "filled": True, "size": 52, "opacity": 1},
            "encoding": {
                "x": {**field, "field": "value"},
                "y": y,
                **offset,
                **colour,
                "tooltip": [
                    {"field": "label", "title": "of"},
                    {"field": "series", "title": "model"},
                    axis("value", "value", format=_FORM),
                    axis("low", "from", format=_FORM),
                    axis("high", "to", format=_FORM),
                    {"field": "n", "title": "n"},
                ],
            },
        },
    ]
    at_first = [name for name in series if name not in hidden]
    if hidden and len(at_first) == 1:  # beside each line its number of exams
        layers.append(
            {
                "data": {"values": [row for row in rows if row["series"] == at_first[0]]},
                "mark": {"type": "text", "align": "left", "fontSize": 10},
                "encoding": {"x": {"value": _HALF + 6}, "y": y, "text": {"field": "n"}},
            }
        )
    step = max(17, 9 * (len(series) - len(hidden)) + 6)
    size = {"step": step, "for": "position"} if offset else {"step": step}
    return chart({"width": _HALF, "height": size, "layer": layers}, series, hidden)


def calibration_chart(rows: Rows, series: Mapping[str, str]) -> Spec:
    """Share of cancers against mean probability per bin; on the diagonal both agree.

    rows  series, mean_predicted, observed, low, high, n, n_positive
    """
    if not rows:
        return nothing("not estimable")
    least = min(row["mean_predicted"] for row in rows)
    # cancers are rare: a scale that is logarithmic but for a little at zero, where bins without any lie
    rare = {"type": "symlog", "constant": max(least / 2, 1e-6), "domainMin": 0, "nice": False}
    scale = rare if least < _RARE else {"domain": [0, 1]}
    ticks = {"values": [0, 0.0001, 0.001, 0.01, 0.03, 0.1, 0.3, 1], "format": "~g"} if least < _RARE else {}
    x = axis("mean_predicted", "mean probability of cancer", scale=scale, axis=ticks)
    y = axis("observed", "share with cancer", scale=scale, axis=ticks)
    colour = {"color": series_colour(series)}
    most = max(max(row["mean_predicted"], row["high"]) for row in rows)
    diagonal = [
        {"mean_predicted": v, "observed": v} for v in [0, *(most * 2.0**-k for k in range(14, -1, -1))]
    ]
    layers: list[Spec] = [
        {
            "data": {"values": diagonal},
            "mark": {"type": "line", "color": GREY, "strokeDash": [2, 3], "strokeWidth": 1},
            "encoding": {"x": x, "y": y},
        },
        {
            "data": {"values": list(rows)},
            "transform": [SHOWN],
            "mark": {"type": "rule", "strokeWidth": 1.2},
            "encoding": {"x": x, "y": axis("low", y["title"]), "y2": {"field": "high"}, **colour},
        },
        {
            "data": {"values": list(rows)},
            "transform": [SHOWN],
            "mark": {"type": "point", "filled": True, "size": 48, "opacity": 1},
            "encoding": {
                "x": x,
                "y": y,
                **colour,
                "tooltip": [
                    {"field": "series", "title": "model"},
                    axis("mean_predicted", "probability", format=".4f"),
                    axis("observed", "share with cancer", format=".4f"),
                    axis("n", "exams"),
                    axis("n_positive", "cancers"),
                ],
            },
        },
    ]
    return chart({"width": WIDTH_PX, "height": WIDTH_PX, "layer": layers}, series)


def lines_chart(rows: Rows, series: Mapping[str, str], x: Spec, y: Spec, height_px: int = 230) -> Spec:
    """A line per series through points (x, y), with fields `x` and `y`."""
    if not rows:
        return nothing("not estimable")
    x, y = {**axis("x", ""), **x}, {**axis("y", ""), **y}
    colour = {"color": series_colour(series)}
    about = [
        {"field": "series", "title": "line"},
        {**axis("x", x["title"]), "format": ".4~f"},
        {**axis("y", y["title"]), "format": ".4~f"},
    ]
    layers: list[Spec] = [
        {"mark": {"type": "line", "strokeWidth": 1.7}, "encoding": {"x": x, "y": y, **colour}},
        {
            "mark": {"type": "point", "filled": True, "size": 80, "opacity": 0},
            "encoding": {"x": x, "y": y, **colour, "tooltip": about},
        },
    ]
    body = {"data": {"values": list(rows)}, "transform": [SHOWN], "layer": layers}
    return chart({"width": WIDTH_PX, "height": height_px, **body}, series)
