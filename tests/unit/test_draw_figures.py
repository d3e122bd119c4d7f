import html
import json
import re
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import pytest
from docutils.core import publish_parts
from jinja2 import Template
from reported_study import draw, evaluated
from scored_study import exam_rows

from mammo_steps.core.album import SECTIONS, Album
from mammo_steps.core.chart import INK, chart, nothing, svg
from mammo_steps.core.group_names import group_label
from mammo_steps.core.result_charts import calibration_chart, intervals_chart
from mammo_steps.core.run_charts import training_chart


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = evaluated(tmp_path_factory.mktemp("figures"))
    draw(folder, folder / "out")
    return folder


def entries_of(folder):
    return json.loads((folder / "out" / "figures.json").read_text())


def spec_of(folder, name):
    return json.loads((folder / "out" / f"{name}.vl.json").read_text())


def rows_of(spec, mark):
    """Data of the first layer of this mark that has a series."""
    found = [
        layer["data"]["values"]
        for layer in spec["layer"]
        if layer["mark"]["type"] == mark and "series" in layer["data"]["values"][0]
    ]
    return found[0] if found else []


def test_the_list_of_figures_names_every_picture_once_with_a_caption_and_each_has_its_specification(drawn):
    entries = entries_of(drawn)
    files = [entry["file"] for entry in entries]
    specs = [file.replace(".svg", ".vl.json") for file in files]
    assert sorted([*files, *specs, "captions.rst", "figures.json"]) == sorted(
        path.name for path in (drawn / "out").iterdir()
    )
    groups = [entry["group"] for entry in entries]
    assert {group: groups.count(group) for group in groups} == {
        "roc": 6,
        "folds": 3,
        "operating_points": 3,
        "calibration": 2,
        "subgroups": 3,
        "triage": 2,
        "scores": 3,
        "training": 2,
        "localisation": 1,
    }
    assert all(entry["title"] and entry["caption"] for entry in entries)


def test_charts_are_svg_with_text_as_text_in_the_exchangeable_ink(drawn):
    for path in (drawn / "out").glob("*.svg"):
        ET.fromstring(path.read_text())
    text = (drawn / "out" / "roc_screen_detected.svg").read_text()
    assert ">sensitivity</text>" in text and "Ensemble 0." in text
    assert f'fill="{INK}"' in text


def caption_of(folder, figure):
    """As Snakemake's report fills it in, with Jinja and docutils."""
    template = Template((folder / "out" / "captions.rst").read_text())
    snakemake = SimpleNamespace(wildcards=SimpleNamespace(figure=figure))
    return publish_parts(template.render(snakemake=snakemake), writer="html")["body"]


def test_snakemakes_report_finds_the_same_captions(drawn):
    for entry in entries_of(drawn):
        found = html.unescape(caption_of(drawn, entry["file"].removesuffix(".svg")))
        assert entry["caption"] in re.sub(r"<[^>]+>|\s+", " ", found).replace("  ", " "), entry["file"]
    assert {entry["section"] for entry in entries_of(drawn)} == set(SECTIONS.values())


def test_captions_of_synthetic_data_say_so_and_so_does_every_chart(drawn):
    assert "Synthetic data." in caption_of(drawn, "roc_interval")
    for path in (drawn / "out").glob("*.svg"):
        assert ">synthetic data</text>" in path.read_text(), path.name


def test_charts_of_women_bear_no_such_mark_and_captions_may_hold_any_character(tmp_path):
    album = Album(tmp_path / "out", mark="")
    album.add("roc", "one", nothing("empty"), "One", "a *b* `c` d_ |e| {{ f }} 95 %")
    album.write_list()
    assert "synthetic" not in (tmp_path / "out" / "one.svg").read_text()
    assert "<p>a *b* `c` d_ |e| (( f )) 95 %</p>" in caption_of(tmp_path, "one")


def test_the_same_inputs_give_the_same_bytes(drawn):
    draw(drawn, drawn / "again")
    for path in sorted((drawn / "out").iterdir()):
        assert (drawn / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_zoomed_curves_end_at_a_specificity_of_0_9_and_hold_the_readers_recall(drawn):
    spec = spec_of(drawn, "roc_screen_detected_zoom")
    band, curves, recalled = (rows_of(spec, mark) for mark in ("area", "line", "rule"))
    assert band and all(row["x"] <= 0.1 for row in band)
    by_series = {}
    for row in curves:
        by_series.setdefault(row["series"], []).append(row["x"])
    assert all(
        sum(x > 0.1 for x in points) <= 1 for points in by_series.values()
    )  # the one where the line leaves
    recalls = {row["series"]: row for row in recalled}
    told = json.loads((drawn / "evaluation.json").read_text())["operating_points"]
    reader = next(
        row["of_reader"]
        for row in told
        if (row["endpoint"], row["reader"]) == ("screen_detected", "reader_1")
    )
    found = next(row for name, row in recalls.items() if name.startswith("Reader 1"))
    assert (found["y"], found["x"]) == (reader["sensitivity"], pytest.approx(1 - reader["specificity"]))
    assert (found["low"], found["high"]) == tuple(reader["sensitivity_ci"])


def test_a_series_can_be_hidden_by_its_name_and_the_page_is_told_names_and_colours(drawn):
    spec = spec_of(drawn, "subgroups_screen_detected")
    series = [one["name"] for one in spec["usermeta"]["series"]]
    assert "Ensemble" in series and "Rival & Co" in series
    (hidden,) = [one["value"] for one in spec["params"] if one["name"] == "hidden"]
    assert hidden == [name for name in series if name != "Ensemble"]
    assert len({one["colour"] for one in spec["usermeta"]["series"]}) == len(series)


def test_without_interval_cancers_readers_or_lesions_the_charts_say_what_is_missing(tmp_path):
    exams = exam_rows(outcomes=("screen_detected", "benign", "normal", "normal"))
    for exam in exams:
        exam |= {"reader_1": None, "reader_2": None, "two_readers": None}
    evaluated(tmp_path, exams, lesions=False)
    draw(tmp_path, tmp_path / "out")
    for name in (
        "roc_interval",
        "subgroups_interval",
        "triage_interval_above",
    ):
        assert "not estimable" in (tmp_path / "out" / f"{name}.svg").read_text(), name
    assert "not estimable" in (tmp_path / "out" / "folds_interval.svg").read_text()
    assert not {"localisation", "operating_points"} & {entry["group"] for entry in entries_of(tmp_path)}


def test_one_positive_is_drawn_without_a_band(tmp_path):
    exams = exam_rows()
    for number, exam in enumerate(exams):
        exam["outcome"] = "screen_detected" if number == 0 else "normal"
    evaluated(tmp_path, exams)
    draw(tmp_path, tmp_path / "out")
    spec = spec_of(tmp_path, "roc_screen_detected")
    assert rows_of(spec, "line") and not rows_of(spec, "area")


def test_rare_cancers_are_calibrated_on_a_scale_that_shows_them():
    row = {"series": "m", "observed": 0.0, "low": 0.0, "high": 0.01, "n": 500, "n_positive": 0}
    rare, common = (
        calibration_chart([row | {"mean_predicted": p}], {"m": "#000000"})["layer"][0]["encoding"]["x"][
            "scale"
        ]
        for p in (0.001, 0.2)
    )
    assert (rare["type"], common) == ("symlog", {"domain": [0, 1]})


def test_groups_are_called_by_their_words():
    assert group_label({"by": "age_years", "group": "50-54", "small": False}) == "age 50-54"
    assert (
        group_label({"by": "lesion_type", "group": "mass_with_specks", "small": True})
        == "mass with specks \N{DAGGER}"
    )
    assert group_label({"by": "vendor", "group": "unknown", "small": False}) == "vendor unknown"


def test_an_empty_chart_says_why():
    assert "nobody read" in svg(nothing("nobody read"))
    assert chart({}, {"a": "#000000"}, ["a"])["params"] == [{"name": "hidden", "value": ["a"]}]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 10, 16, 300])
def test_epochs_are_whole_and_none_is_named_twice(n):
    history = [
        {"epoch": e, "train_loss": 50.5, "validation_loss": 50.5, "validation_auc": 50.5, "kept": e == n}
        for e in range(1, n + 1)
    ]
    drawn = svg(training_chart({"one": history}))
    below = re.findall(r'transform="translate\([\d.]+,16\)"[^>]* opacity="1">(\d+)<', drawn)
    assert len(below) % 2 == 0 and len(below) >= 2  # two panels
    assert len(set(below)) == len(below) // 2


def test_a_pictures_legend_names_what_it_shows(drawn):
    names = [one["name"] for one in spec_of(drawn, "subgroups_screen_detected")["usermeta"]["series"]]
    picture = (drawn / "out" / "subgroups_screen_detected.svg").read_text()
    assert [name for name in names if f">{html.escape(name)}<" in picture] == ["Ensemble"]


def test_every_line_of_a_forest_plot_has_its_name():
    order = [f"group {number}" for number in range(18)]
    rows = [
        {"label": label, "series": name, "value": 0.7, "low": 0.6, "high": 0.8, "n": "5 / 9"}
        for label in order
        for name in ("Ensemble", "Other")
    ]
    series = {"Ensemble": "#000000", "Other": "#ff0000"}
    drawn = svg(intervals_chart(rows, order, series, {"title": "AUC"}, 0.5, ["Other"]))
    seen = [
        text.text
        for text in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")
        if text.get("opacity") != "0"
    ]
    assert [text for text in seen if text in order] == order
