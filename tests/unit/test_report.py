import json
import re
from dataclasses import asdict

import pytest
from html_tags import Tags

from mammo_steps.core.exam_models import PUBLISHED, table_models
from mammo_steps.core.files import write_json, write_text
from mammo_steps.core.localisation import COLUMNS
from mammo_steps.core.page import inline_svg, number, p_value, percent
from mammo_steps.core.plots import INK, PAPER
from mammo_steps.report import excluded_by_outcome, flow_steps, main, provenance

HOSTILE = "<script>alert('x')</script>"
OUTSIDE = {"name": "rival", "title": "Rival & Co", "trained_on": HOSTILE, "overlap": "unknown"}
TABLE = table_models([OUTSIDE], published_ran=False)
MODELS = [model.key for model in TABLE]
ENDPOINTS = ("screen_detected", "screen_detected_or_interval", "interval")
SVG = (
    '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" '
    'xmlns:xlink="http://www.w3.org/1999/xlink" '
    'width="10pt" height="9pt" viewBox="0 0 10 9"><defs><path id="m1" d="M0 0"/></defs>'
    f'<rect style="fill: {PAPER}"/>'
    f'<g clip-path="url(#m1)"><use xlink:href="#m1" style="stroke: {INK}"/></g></svg>'
)
FLOW = {
    "steps": [
        {"step": "files in the archive", "files": 1234},
        {"step": "usable", "images": 400, "exams": 100, "women": 90},
        {"step": f"labelled {HOSTILE}", "images": 360, "exams": 90, "women": 80},
    ],
    "excluded": [
        {"level": "exam", "reason": "no_label", "outcome": None, "n": 7},
        {"level": "exam", "reason": "incomplete_exam", "outcome": "normal", "n": 2},
        {"level": "exam", "reason": "incomplete_exam", "outcome": "screen_detected", "n": 1},
    ],
    "notes": [HOSTILE],
}


def auc_lines(estimable):
    lines = ["model,endpoint,unit,protocol,pooling,auc,ci_low,ci_high,ci_method,n_positive,n_negative"]
    for endpoint in ENDPOINTS:
        for protocol in ("all", "sampled"):
            for pooling in ("pooled", "fold_mean"):
                for model in MODELS:
                    gone = endpoint == "interval" and not estimable
                    values = (
                        ",,,not_run,0,0"
                        if model in PUBLISHED
                        else (
                            ",,,not_estimable,0,81"
                            if gone
                            else "0.876543,0.800000,0.930000,delong_logit,9,1081"
                        )
                    )
                    lines.append(f"{model},{endpoint},exam,{protocol},{pooling},{values}")
    return lines


def evaluation(estimable):
    outcomes = {"normal": 70, "benign": 10, "screen_detected": 9, "interval": 1, "prior": 0, "unknown": 0}
    result = {"se": 0.01, "z": 2.0, "p": 0.0004, "low": 0.001, "high": 0.04}
    gone = {
        "model": "holistic",
        "endpoint": "interval",
        "protocol": "all",
        "pooling": "pooled",
        "why": HOSTILE,
    }
    test = {"endpoint": "screen_detected", "first": "ensemble", "second": "holistic", "delta": 0.02}
    return {
        "counts": {
            "n_exams": 90,
            "n_women": 80,
            "exams_by_outcome": outcomes,
            "women_by_outcome": outcomes,
        },
        "models": [asdict(model) for model in TABLE],
        "not_estimable": [] if estimable else [gone],
        "tests": [
            {**test, "n_positive": 9, "n_negative": 81, "delong": result, "clustered_bootstrap": result}
        ],
        "prior_otherwise": [],
        "fold_aucs": [
            {"model": "holistic", "endpoint": "screen_detected", "folds": [0, 1], "auc": [0.8, None]}
        ],
        "coa": {"n_images": 360, "n_fallback": 3, "mean_top_outside_breast": 0.125},
    }


def write_inputs(folder, estimable=True):
    write_json(folder / "flow.json", FLOW)
    write_text(folder / "auc.csv", "\n".join(auc_lines(estimable)) + "\n")
    write_json(folder / "evaluation.json", evaluation(estimable))
    hits = ["coa,test,all,8,6.0,0.75,0.4,0.93,0.3", "random_in_breast,test,all,8,2.0,0.25,0.07,0.6,0.3"]
    write_text(
        folder / "localisation.csv", "\n".join([",".join(COLUMNS), *(hits if estimable else [])]) + "\n"
    )
    header = "height_px,width_px,n_images,breast_share_outside,lesion_share_outside,n_measured,n_lesions"
    write_text(folder / "crop_audit.csv", f"{header}\n2340,940,4000,0.412345,,20,0\n")
    entries = [
        {"group": "roc", "file": "roc_a.svg", "title": "(a)", "caption": "curves"},
        {"group": "folds", "file": "folds_a.svg", "title": "(a)", "caption": "dots"},
        {"group": "figure1", "file": "figure1_1.png", "title": HOSTILE, "caption": 'a "quoted" caption'},
    ]
    write_json(folder / "figures" / "figures.json", entries)
    write_text(folder / "figures" / "roc_a.svg", SVG)
    write_text(folder / "figures" / "folds_a.svg", SVG)
    (folder / "figures" / "figure1_1.png").write_bytes(b"\x89PNG")
    for fold in (0, 1):
        run = {
            "model": "holistic",
            "fold": fold,
            "settings": {"epochs": 3},
            "wall_s": 1800.0,
            "torch": "2.11.0",
        }
        write_json(folder / f"run{fold}.json", run)


def page_of(folder, synthetic=True):
    main(
        [
            *("--flow", str(folder / "flow.json"), "--auc", str(folder / "auc.csv")),
            *("--evaluation", str(folder / "evaluation.json")),
            *("--localisation", str(folder / "localisation.csv")),
            *("--crop-audit", str(folder / "crop_audit.csv"), "--figures", str(folder / "figures")),
            *("--runs", str(folder / "run0.json"), str(folder / "run1.json")),
            *(
                "--results",
                str(folder),
                "--settings",
                json.dumps({"study": "a <study>", "synthetic": synthetic}),
            ),
            *("--report", str(folder / "report.html")),
        ]
    )
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_inputs(folder)
    return page_of(folder)


def test_the_page_is_well_formed_and_needs_nothing_from_outside(page):
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert not tags.met & {"script", "link", "iframe", "object"}
    assert all(reference.startswith(("#", "data:image/png;base64,")) for reference in tags.references)
    assert not re.findall(r"https?://(?!www\.w3\.org/)", page)
    assert len(tags.ids) == len(set(tags.ids))
    assert {r[1:] for r in tags.references if r.startswith("#")} <= set(tags.ids)


def test_everything_from_files_is_escaped(page):
    assert HOSTILE not in page
    assert page.count("&lt;script&gt;") == 4
    assert "a &lt;study&gt;" in page
    assert "a &#34;quoted&#34; caption" in page


def test_the_banner_says_synthetic_only_where_the_data_are(page, tmp_path):
    assert "SYNTHETIC DATA." in page
    assert "<title>SYNTHETIC" in page
    write_inputs(tmp_path)
    assert "SYNTHETIC" not in page_of(tmp_path, synthetic=False)


def test_table_1_gives_interval_n_and_the_papers_figure(page):
    row = re.search(r'<th scope="row">Ensemble</th>(.*?)</tr>', page, re.DOTALL)[1]
    for text in (
        "0.877",
        "0.800 \N{EN DASH} 0.930",
        "9 / 1,081",
        "paper 0.940",
        "paper 0.891",
        "paper 0.737",
    ):
        assert text in row
    assert "no weights" in re.search(r'<th scope="row">Adapted pretrained</th>(.*?)</tr>', page, re.DOTALL)[1]
    assert "Adapted pretrained: no weights: the published files are not in the config" in page
    assert (
        '<th scope="row">Rival &amp; Co*</th>' in page
        and "learned from women of this cohort is not known" in page
    )


def test_sections_show_flow_localisation_crop_fallbacks_and_provenance(page):
    assert '<td class="n">1,234</td>' in page
    assert "3 of 360 test images had an empty saliency map" in page
    assert "12.5\N{NARROW NO-BREAK SPACE}% of the top pixels" in page
    assert "41.2\N{NARROW NO-BREAK SPACE}%" in page
    assert "75\N{NARROW NO-BREAK SPACE}%" in page
    assert "2 networks, 1.00 hours" in page
    assert "&lt; 0.001" in page


def test_a_cohort_without_interval_cancers_or_known_lesions_has_its_page_too(tmp_path):
    write_inputs(tmp_path, estimable=False)
    page = page_of(tmp_path)
    assert "not estimable" in page
    assert "Why some figures are not estimable" in page
    assert "No lesions are known in this cohort" in page


def test_a_chart_takes_the_pages_ink_and_ids_of_its_own():
    svg = inline_svg(SVG, "roc_a")
    assert svg.startswith("<svg") and 'width="10pt"' not in svg and 'viewBox="0 0 10 9"' in svg
    assert 'id="roc_a-m1"' in svg and "url(#roc_a-m1)" in svg and 'xlink:href="#roc_a-m1"' in svg
    assert "stroke: currentColor" in svg and "fill: none" in svg


@pytest.mark.parametrize("part", ["<script>1</script>", '<rect onclick="1"/>', "<foreignObject/>"])
def test_a_chart_that_could_run_something_is_refused(part):
    with pytest.raises(ValueError, match="figure roc_a: not a plain SVG"):
        inline_svg(SVG.replace("</svg>", part + "</svg>"), "roc_a")


def test_flow_steps_count_the_exams_lost_and_exclusions_are_summed_by_outcome():
    assert [step["lost"] for step in flow_steps(FLOW)] == [None, None, 10]
    outcomes, rows = excluded_by_outcome(FLOW)
    assert outcomes == ["normal", "screen_detected", None]
    assert [(row["reason"], row["n"], row["total"]) for row in rows] == [
        ("no_label", [0, 0, 7], 7),
        ("incomplete_exam", [2, 1, 0], 3),
    ]


def test_settings_are_shown_once_per_model_and_again_where_a_fold_differs():
    runs = [{"model": "holistic", "fold": fold, "settings": {"epochs": 3 + (fold == 2)}} for fold in range(3)]
    assert list(provenance(runs)["settings"]) == ["holistic", "holistic, fold 2"]


def test_numbers_are_set_with_minus_signs_dashes_and_thin_spaces():
    assert number(-0.0512) == "\N{MINUS SIGN}0.051"
    assert number(None) == percent(None) == p_value(None) == "\N{EN DASH}"
    assert percent(0.5) == "50.0\N{NARROW NO-BREAK SPACE}%"
    assert (p_value(0.0005), p_value(0.04)) == ("< 0.001", "0.040")
