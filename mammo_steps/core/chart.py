"""What the report's charts have in common: colours, type, and how a Vega-Lite chart becomes an SVG.

A chart is a Vega-Lite specification (https://vega.github.io/vega-lite) as a dict, with its data in it. The same one is
drawn here as an SVG file and in the report's page, where it answers to the pointer. Colours are Okabe and Ito's, told
apart with any colour vision, and readable on white and on black. Text and axes have one ink, so that a page can
exchange it where it is dark.

What can be hidden in the page is a `series`: its name stands in the field `series` of the data, and names and colours
in `usermeta` of the specification, for the page's switches.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import vl_convert

from mammo_steps.core.terms import Outcome

Spec = dict[str, Any]
Rows = Sequence[Mapping[str, Any]]

INK, GREY = "#1b1b1b", "#808080"
WIDTH_PX, _LABELS_PX, _LETTER_PX = 330, 210, 6.2
VERSION = "6.4"  # of Vega-Lite
COLOURS = {
    "holistic": "#0072B2",
    "attention": "#E69F00",
    "ensemble": "#009E73",
    "wu2019": "#56B4E9",
    "wu2019_adapted": "#7A5195",
    "reader_1": "#CC79A7",
    "reader_2": "#D55E00",
    "one_reader": "#A6447F",
    "two_readers": GREY,
}
_OTHER_COLOURS = ("#B8A000", "#00868B", "#8B4513", "#555599", "#A0522D", "#2F4F4F")
OUTCOME_COLOURS = {
    Outcome.SCREEN_DETECTED: "#D55E00",
    Outcome.INTERVAL: "#E69F00",
    Outcome.PRIOR: "#CC79A7",
    Outcome.BENIGN: "#009E73",
    Outcome.NORMAL: "#0072B2",
}
FOLD_COLOURS = ("#8A5FBF", "#0072B2", "#21908C", "#5DA000", "#B8A000", "#E69F00", "#D55E00", "#CC79A7")
_CONFIG: Spec = {
    "aria": False,  # the page gives each chart one text
    "background": None,
    "font": "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "domainColor": INK,
        "tickColor": INK,
        "labelColor": INK,
        "titleColor": INK,
        "titleFontWeight": "normal",
        "gridColor": "#888888",
        "gridOpacity": 0.25,
        "labelFontSize": 11,
        "titleFontSize": 12,
        "labelLimit": 260,
        "labelOverlap": True,
        "labelSeparation": 6,
        "tickCount": 5,
    },
    "legend": {
        "title": None,
        "orient": "bottom",
        "columns": 2,
        "columnPadding": 18,
        "labelColor": INK,
        "labelFontSize": 11,
        "labelLimit": 260,
        "symbolOpacity": 1,
        "symbolStrokeWidth": 3,
    },
    "header": {"labelColor": INK, "labelFontSize": 11, "title": None},
    "text": {"fill": INK, "fontSize": 11},
}


def colours_of(models: Sequence[str]) -> dict[str, str]:
    """Each model's colour; outside models have those that are left, in their order."""
    others = [model for model in models if model not in COLOURS]
    return COLOURS | {
        model: _OTHER_COLOURS[place % len(_OTHER_COLOURS)] for place, model in enumerate(others)
    }


def chart(body: Spec, series: Mapping[str, str], hidden: Sequence[str] = ()) -> Spec:
    """A whole specification.

    body    marks or layers with their data; `series_colour` is their colour, `SHOWN` their filter
    series  name -> colour, in the order of the legend; hidden: those that are not shown at first
    """
    if "layer" in body:  # an empty layer would have an infinite extent
        kept = [one for one in body["layer"] if one.get("data", {"values": True})["values"]]
        body = {**body, "layer": kept}
    return {
        "$schema": f"https://vega.github.io/schema/vega-lite/v{VERSION.split('.')[0]}.json",
        "config": _CONFIG,
        "padding": {"left": 6, "top": 6, "right": 12, "bottom": 2},
        "params": [{"name": "hidden", "value": list(hidden)}],
        "usermeta": {"series": [{"name": name, "colour": colour} for name, colour in series.items()]},
        **body,
    }


MARK: Spec = {  # a chart's title, where the data are synthetic or partial: pictures travel without their page
    "anchor": "end",
    "color": "#9A4300",
    "fontSize": 11,
    "fontWeight": "bold",
    "offset": 4,
}
SHOWN: Spec = {"filter": "indexof(hidden, datum.series) < 0"}


def series_colour(series: Mapping[str, str], legend: bool = True, hidden: Sequence[str] = ()) -> Spec:
    """The channel that gives each series its colour. hidden: series that the legend leaves out."""
    found: Spec = {
        "field": "series",
        "type": "nominal",
        "scale": {"domain": list(series), "range": list(series.values())},
    }
    if not legend:
        return found | {"legend": None}
    if hidden:
        found["legend"] = {"values": [name for name in series if name not in hidden]}
    return found


def axis(field: str, title: str, **more: Any) -> Spec:
    """A channel of numbers."""
    return {"field": field, "type": "quantitative", "title": title, **more}


def labels(field: str, order: Sequence[str], **more: Any) -> Spec:
    """A vertical channel of words, in this order, without a line.

    They get room for a wide font: the picture is laid out with one, and read with another.
    """
    room = min(_LABELS_PX, round(_LETTER_PX * max(map(len, order), default=0)))
    return {
        "field": field,
        "type": "nominal",
        "sort": list(order),
        "title": None,
        "axis": {
            "domain": False,
            "ticks": False,
            "grid": False,
            "labelLimit": _LABELS_PX,
            "labelOverlap": False,
            "minExtent": room,
        },
        **more,
    }


def line_at(value: float, channel: str) -> Spec:
    """A dotted line across the chart."""
    return {
        "data": {"values": [{"at": value}]},
        "mark": {"type": "rule", "strokeDash": [2, 3], "color": GREY},
        "encoding": {channel: {"field": "at", "type": "quantitative"}},
    }


def nothing(text: str) -> Spec:
    """A chart that says why it is empty."""
    body = {
        "data": {"values": [{"text": text}]},
        "width": WIDTH_PX,
        "height": 60,
        "mark": "text",
        "encoding": {"text": {"field": "text"}},
    }
    return chart(body, {})


def svg(spec: Spec) -> str:
    """The chart as an SVG file's text; the same bytes for the same chart."""
    text: str = vl_convert.vegalite_to_svg(spec, vl_version=VERSION)
    numbers: dict[str, int] = {}  # ids count up from chart to chart
    return re.sub(
        r"\b(clip|gradient_)(\d+)", lambda m: m[1] + str(numbers.setdefault(m[0], len(numbers))), text
    )


def script() -> str:
    """What draws charts in a page: Vega, Vega-Lite and Vega-Embed, BSD-3, as one script without imports."""
    text: str = vl_convert.javascript_bundle(vl_version=VERSION)  # type: ignore[call-arg]  # its stub is wrong
    return text
