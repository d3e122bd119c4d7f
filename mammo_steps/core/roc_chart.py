"""The ROC curves of one end point: networks with their bands, readers as points."""

from collections.abc import Mapping, Sequence
from typing import Any

from mammo_steps.core.chart import GREY, SHOWN, WIDTH_PX, Rows, Spec, axis, chart, nothing, series_colour

_READERS = {"reader_1": "circle", "reader_2": "square", "two_readers": "triangle-up"}
_POINTS = 160  # of a curve in a page
_ZOOM = 0.1  # false positive rates up to here


def _thinned(values: Sequence[float], step: int) -> list[tuple[int, float]]:
    last = len(values) - 1
    return [(i, value) for i, value in enumerate(values) if i % step == 0 or i == last]


def _curve_rows(curve: Mapping[str, Any], series: str, zoomed: bool) -> list[dict[str, Any]]:
    """What a curve, or a reader's points, puts into the chart."""
    if zoomed:
        inside = (
            sum(1 for x in curve["fpr"] if x <= _ZOOM) + 1
        )  # one beyond, so that the line leaves the chart
        curve = {**curve, "fpr": curve["fpr"][:inside], "tpr": curve["tpr"][:inside]}
    step = 1 if curve["model"] in _READERS else max(1, len(curve["fpr"]) // _POINTS)
    return [
        {"series": series, "x": x, "y": curve["tpr"][i], "order": i} for i, x in _thinned(curve["fpr"], step)
    ]


def roc_chart(
    curves: Rows, names: Mapping[str, str], colours: Mapping[str, str], points: Rows, zoomed: bool = False
) -> Spec:
    """Networks as curves with their bands, readers as points of their levels, their recall with its intervals.

    curves  rows of evaluation.json's `roc`; names: model -> text of the legend
    points  a row per reader: model, sensitivity, specificity, each with (low, high) beside it as `_ci`
    zoomed  false positive rates up to 0.1
    """
    if not curves:
        return nothing("not estimable")
    series = {names[curve["model"]]: colours[curve["model"]] for curve in curves}
    tooltip = [
        {"field": "series", "title": "model"},
        axis("y", "sensitivity", format=".3f"),
        axis("specificity", "specificity", format=".3f"),
    ]
    lines = [
        r for c in curves if c["model"] not in _READERS for r in _curve_rows(c, names[c["model"]], zoomed)
    ]
    read = [r for c in curves if c["model"] in _READERS for r in _curve_rows(c, names[c["model"]], zoomed)]
    band = [
        {"series": names[curve["model"]], "x": x, "low": low, "high": high}
        for curve in curves
        if curve["band"]
        for x, low, high in zip(*(curve["band"][key] for key in ("fpr", "low", "high")), strict=True)
        if not zoomed or x <= _ZOOM
    ]
    recall = [
        {
            "series": names[point["model"]],
            "x": 1 - point["specificity"],
            "y": point["sensitivity"],
            "specificity": point["specificity"],
            "left": 1 - point["specificity_ci"][1],
            "right": 1 - point["specificity_ci"][0],
            "low": point["sensitivity_ci"][0],
            "high": point["sensitivity_ci"][1],
        }
        for point in points
        if point["model"] in names
    ]
    limit = _ZOOM if zoomed else 1.0
    x = axis(
        "x",
        "1 \N{MINUS SIGN} specificity",
        scale={"domain": [0, limit], "nice": False},
    )
    y = axis("y", "sensitivity", scale={"domain": [0, 1]})
    colour = {"color": series_colour(series)}
    at = {"x": x, "y": y, **colour}
    clip = {"clip": True}
    layers: list[Spec] = [
        {
            "data": {"values": [{"x": 0, "y": 0}, {"x": 1, "y": 1}]},
            "mark": {"type": "line", "color": GREY, "strokeDash": [2, 3], "strokeWidth": 1, **clip},
            "encoding": {"x": x, "y": y},
        },
        {
            "data": {"values": band},
            "transform": [SHOWN],
            "mark": {"type": "area", "opacity": 0.1, **clip},
            "encoding": {"x": x, "y": axis("low", "sensitivity"), "y2": {"field": "high"}, **colour},
        },
        {
            "data": {"values": lines},
            "transform": [SHOWN],
            "mark": {"type": "line", "strokeWidth": 1.8, **clip},
            "encoding": {**at, "order": {"field": "order"}},
        },
        {
            "data": {"values": read},
            "transform": [SHOWN],
            "mark": {
                "type": "line",
                "strokeWidth": 0.7,
                "point": {"filled": True, "size": 26},
                **clip,
            },
            "encoding": {**at, "order": {"field": "order"}},
        },
        {
            "data": {"values": recall},
            "transform": [SHOWN],
            "mark": {"type": "rule", "strokeWidth": 1.4, **clip},
            "encoding": {"x": x, "y": axis("low", "sensitivity"), "y2": {"field": "high"}, **colour},
        },
        {
            "data": {"values": recall},
            "transform": [SHOWN],
            "mark": {"type": "rule", "strokeWidth": 1.4, **clip},
            "encoding": {"y": y, "x": axis("left", x["title"]), "x2": {"field": "right"}, **colour},
        },
        {
            "data": {"values": recall},
            "transform": [SHOWN],
            "mark": {"type": "point", "filled": True, "size": 75, "shape": "diamond", "opacity": 1, **clip},
            "encoding": {**at, "tooltip": tooltip},
        },
        {  # (what the pointer finds: a line knows one of its points only)
            "data": {"values": lines + read},
            "transform": [SHOWN, {"calculate": "1 - datum.x", "as": "specificity"}],
            "mark": {"type": "point", "filled": True, "size": 90, "opacity": 0, **clip},
            "encoding": {**at, "tooltip": tooltip},
        },
    ]
    return chart({"width": WIDTH_PX, "height": WIDTH_PX, "layer": layers}, series)
