import base64
import hashlib
import json
import re

import pytest
from html_tags import Tags
from reported_study import FLOW, HOSTILE, SCORING, SECTIONS, evaluated, page_of
from scored_study import exam_rows

from mammo_steps.core.files import write_json
from mammo_steps.core.page import as_json, as_script, inline_svg
from mammo_steps.core.page_words import number, p_value, percent
from mammo_steps.core.run_charts import time_unit
from mammo_steps.report import excluded_by_outcome, flow_boxes, flow_steps, scoring_words, triage_rows

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 10 9">'
    '<defs><path id="m1" d="M0 0"/></defs>'
    '<g clip-path="url(#m1)"><use xlink:href="#m1"/></g></svg>'
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return evaluated(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def page(folder):
    return page_of(folder)


def body_of(page):
    """The page without its charts and scripts."""
    page = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    return re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)


def section(page, name):
    return re.search(rf'<section id="{name}">(.*?)</section>', page, re.DOTALL)[1]


def test_the_page_is_well_formed_and_needs_nothing_from_outside(page):
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert not tags.met & {"link", "iframe", "object"}
    assert all(reference.startswith(("#", "data:image/")) for reference in tags.references)
    assert not re.findall(r'(?:src|href)="https?://', page)
    assert len(tags.ids) == len(set(tags.ids))
    assert {r[1:] for r in tags.references if r.startswith("#")} <= set(tags.ids)
    assert re.findall(r'<section id="(\w+)">', page) == list(SECTIONS)
    assert [r[1:] for r in tags.references if r[1:] in SECTIONS] == list(SECTIONS)  # the contents


def test_only_the_pages_own_scripts_may_run(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src &#39;none&#39;") or policy.startswith("default-src 'none'")
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"sha256-{digest}" in policy.replace("&#43;", "+")
    assert "unsafe-eval" not in policy and "script-src 'unsafe" not in policy


def test_everything_from_files_is_escaped(page):
    assert HOSTILE not in page
    assert body_of(page).count("&lt;script&gt;") >= 4
    assert "a &lt;study&gt;" in page


def test_the_banner_says_synthetic_only_where_the_data_are(folder, page):
    assert "SYNTHETIC DATA." in page and "<title>SYNTHETIC" in page
    assert "SYNTHETIC" not in body_of(page_of(folder, synthetic=False))


def test_a_partial_page_says_which_folds_stand_behind_it(folder, page):
    assert "PARTIAL" not in body_of(page)
    partial = body_of(page_of(folder, partial={"folds": [0, 2], "of": 5}))
    assert "<title>SYNTHETIC \N{EN DASH} PARTIAL" in partial
    assert "Folds 0, 2 of 5 alone. That was asked for" in partial


def test_table_1_gives_interval_n_and_the_papers_figure(folder, page):
    told = json.loads((folder / "evaluation.json").read_text())
    row = re.search(r'<th scope="row">Ensemble</th>(.*?)</tr>', section(page, "table1"), re.DOTALL)[1]
    lines = [line.split(",") for line in (folder / "auc.csv").read_text().splitlines()]
    (ours,) = [
        line for line in lines if line[:5] == ["ensemble", "screen_detected", "exam", "sampled", "pooled"]
    ]
    assert f">{float(ours[5]):.3f}</b>" in row
    row = re.sub(r"<[^>]+>", "", row)
    assert f"{float(ours[6]):.3f} \N{EN DASH} {float(ours[7]):.3f}" in row
    assert f"n {ours[9]} / {ours[10]}" in row
    assert all(f"paper {auc}" in row for auc in ("0.940", "0.891", "0.737"))
    assert "no weights" in re.search(r'<th scope="row">Adapted pretrained</th>(.*?)</tr>', page, re.DOTALL)[1]
    assert "Adapted pretrained: no weights: the published files are not in the config" in page
    assert '<th scope="row">Rival &amp; Co*</th>' in page
    assert "learned from women of this cohort is not known" in page
    assert told["counts"]["n_exams"] == 80


def test_every_part_of_the_evaluation_has_its_section(folder, page):
    told = json.loads((folder / "evaluation.json").read_text())
    raw = [row for row in told["operating_points"] if row["scale"] == "raw"]
    assert section(page, "operating").count('<th scope="row"') == len(raw)
    assert section(page, "subgroups").count("</tr>") == len(told["subgroups"]) + 1
    kinds = sum(len(row.get("kinds", [None])) for row in told["calibration"])
    assert section(page, "calibration").count('<th scope="row"') == kinds
    first = next(row for row in told["triage"] if row["model"] == "holistic")["table"]
    assert f'<td class="n">{round(first["n_below"][-1])}</td>' not in section(
        page, "triage"
    )  # never all of them
    assert section(page, "triage").count('<th scope="rowgroup"') == 4  # three networks and the outside model
    assert "1.00 hours of training" in section(page, "provenance")
    assert "requirements.lock, sha256" in section(page, "provenance")
    assert "were lost" not in page and "10 exams left out" in section(page, "cohort")
    assert '<td class="n">1,234</td>' in page
    assert "test images had an empty saliency map" in page
    assert "&lt; 0.001" in page


def test_every_chart_stands_there_as_a_picture_and_as_a_specification(folder, page):
    n_figures = len(json.loads((folder / "figures" / "figures.json").read_text())) + 1  # and the cost
    specs = re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    assert len(specs) == re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL).count("<svg") == n_figures
    assert all(json.loads(spec)["usermeta"]["series"] is not None for spec in specs)
    assert all("<" not in spec for spec in specs)


def test_tables_have_names_for_their_files(page):
    names = re.findall(r'<table[^>]* data-name="([^"]+)"', page)
    assert len(names) == body_of(page).count("<table") == len(set(names))


@pytest.mark.parametrize("what", ["readers", "interval", "lesions", "one_positive"])
def test_a_cohort_without_them_has_its_page_too(tmp_path, what):
    exams = exam_rows()
    for place, exam in enumerate(exams):
        if what == "readers":
            exam |= {"reader_1": None, "reader_2": None, "two_readers": None}
        if what == "interval" and exam["outcome"] == "interval":
            exam["outcome"] = "normal"
        if what == "one_positive":
            exam["outcome"] = "screen_detected" if place == 0 else "normal"
    page = page_of(evaluated(tmp_path, exams, lesions=what != "lesions"))
    said = {
        "readers": "No reader read exams of both classes",
        "interval": "Why some figures are not estimable",
        "lesions": "No lesions are known in this cohort",
        "one_positive": "not estimable",
    }
    assert said[what] in page
    assert "nan" not in re.sub(r"<[^>]*>", " ", body_of(page)).lower().split()


@pytest.mark.parametrize("by_exam", [True, False])
def test_a_test_without_limits_by_draws_of_women_falls_back_on_delongs_or_says_so(tmp_path, by_exam):
    evaluated(tmp_path)
    told = json.loads((tmp_path / "evaluation.json").read_text())
    nothing = {"se": None, "z": None, "p": None, "low": None, "high": None}
    known = {"se": 0.01, "z": 2.0, "p": 0.0004, "low": 0.001, "high": 0.04}
    test = next(test for test in told["tests"] if (test["first"], test["second"]) == ("ensemble", "holistic"))
    test |= {"clustered_bootstrap": nothing, "delong": known if by_exam else nothing}
    write_json(tmp_path / "evaluation.json", told)
    row = re.search("Ensemble \N{MINUS SIGN} holistic model</th>(.*?)</tr>", page_of(tmp_path), re.DOTALL)[1]
    assert ("0.001 to 0.040" in row, row.count("not estimable")) == ((True, 0) if by_exam else (False, 2))
    assert ("DeLong\N{RIGHT SINGLE QUOTATION MARK}s alone" in row) == by_exam


def test_a_chart_has_ids_of_its_own():
    svg = inline_svg(SVG, "roc_a")
    assert 'id="roc_a-m1"' in svg and "url(#roc_a-m1)" in svg and 'xlink:href="#roc_a-m1"' in svg


@pytest.mark.parametrize("part", ["<script>1</script>", '<rect onclick="1"/>', "<foreignObject/>"])
def test_a_chart_that_could_run_something_is_refused(part):
    with pytest.raises(ValueError, match="figure roc_a: not a plain SVG"):
        inline_svg(SVG.replace("</svg>", part + "</svg>"), "roc_a")


def test_a_script_that_could_end_early_is_refused_and_json_cannot_end_its_element():
    with pytest.raises(ValueError, match="holds `</script` or `<!--`"):
        as_script("x = '</SCRIPT>'")
    assert as_json('{"a": "</script>"}') == '{"a": "\\u003c/script>"}'
    assert json.loads(as_json('{"a": "</script>"}')) == {"a": "</script>"}


def test_flow_steps_count_the_exams_lost_and_exclusions_are_summed_by_outcome():
    steps = flow_steps(FLOW)
    assert [step["lost"] for step in steps] == [None, None, 0, 10, 0]
    assert [box["words"] for box in flow_boxes(steps)] == [
        "files in the archive",
        "usable",
        f"labelled {HOSTILE} (before it, 1 check took nothing away)",
        "the cohort: complete",
    ]
    outcomes, rows = excluded_by_outcome(FLOW)
    assert outcomes == ["normal", "screen_detected", None]
    assert [(row["reason"], row["n"], row["total"]) for row in rows] == [
        ("no_label", [0, 0, 7], 7),
        ("incomplete_exam", [2, 1, 0], 3),
    ]


def test_the_page_says_how_an_image_is_scored():
    assert scoring_words(SCORING) == (
        "In each fold one network of each model scored every image of the fold's test women, as it is. "
        "One ROI is cut per image."
    )
    several = {**SCORING, "members": 3, "holistic_flip": True, "coas_per_image": 2, "roi_pooling": "mean"}
    assert scoring_words(several) == (
        "In each fold 3 networks (the mean of their margins counts) of each model scored every image of the fold's "
        "test women, as it is, by the holistic model mirrored as well (the mean counts). "
        "Up to 2 ROIs are cut per image; the mean of their margins counts."
    )


def test_times_are_told_in_minutes_until_a_step_takes_an_hour():
    assert (time_unit([0.2, 0.9]), time_unit([0.2, 1.5])) == (("minutes", 60), ("hours", 1))


def test_triage_rows_are_the_nearest_below_a_share_and_none_twice():
    columns = ("n_below", "screen_detected_below", "interval_above")
    table = {"share_below": [0.0, 0.08, 0.31], **{name: [0.0, 8.0, 31.0] for name in columns}}
    rows = triage_rows([{"model": "m", "table": table}], (0.1, 0.2, 0.3, 0.4))
    assert [(row["share_below"], row["n_below"]) for row in rows] == [(0.08, 8), (0.31, 31)]
    assert {row["unread_missed"] for row in rows} == {None}  # nobody read


def test_numbers_are_set_with_minus_signs_dashes_and_thin_spaces():
    assert (number(-0.0004), number(-0.0, 2), percent(-0.0001)) == (
        "0.000",
        "0.00",
        "0.0\N{NARROW NO-BREAK SPACE}%",
    )
    assert number(-0.0512) == "\N{MINUS SIGN}0.051"
    assert number(None) == percent(None) == p_value(None) == "\N{EN DASH}"
    assert percent(0.5) == "50.0\N{NARROW NO-BREAK SPACE}%"
    assert percent(-0.145) == "\N{MINUS SIGN}14.5\N{NARROW NO-BREAK SPACE}%"
    assert (p_value(0.0005), p_value(0.04)) == ("< 0.001", "0.040")
