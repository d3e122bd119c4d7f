import json
import re

import pytest
from reported_study import FLOW, HOSTILE, evaluated
from scored_study import exam_rows

from mammo_steps.core.damage import DamagedError
from mammo_steps.core.files import write_json
from mammo_steps.write_cards import counts, main, spread

RUN = {"model": "holistic", "fold": 0, "seed": 1, "wall_s": 1800.0, "torch": "2.11.0", "backbone": "resnet10"}
SETTINGS = {"study": "a study", "dataset": "own_archive", "synthetic": True, "partial": None}


def cards(folder, exams=None, **settings):
    evaluated(folder, exams)
    write_json(folder / "flow.json", FLOW)
    write_json(folder / "run.json", {**RUN, "input_px": 128, "python": "3.11.7"})
    return written(folder, **settings)


def written(folder, **settings):
    main(
        [
            *("--flow", str(folder / "flow.json"), "--images", str(folder / "images.parquet")),
            *("--auc", str(folder / "auc.csv"), "--evaluation", str(folder / "evaluation.json")),
            *("--localisation", str(folder / "localisation.csv"), "--runs", str(folder / "run.json")),
            *("--results", str(folder), "--settings", json.dumps(SETTINGS | settings)),
            *("--model-card", str(folder / "m.md"), "--data-card", str(folder / "d.md")),
        ]
    )
    return (folder / "m.md").read_text(), (folder / "d.md").read_text()


def tables_of(card):
    """Tables of a card, as lists of rows of cells."""
    return [
        [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines()]
        for block in re.findall(r"(?:^\|.*\n?)+", card, re.MULTILINE)
    ]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cards")
    return folder, *cards(folder)


def test_every_table_has_as_many_cells_in_each_row_and_stands_after_an_empty_line(both):
    for card in both[1:]:
        assert all(len({len(row) for row in table}) == 1 for table in tables_of(card))
        assert len(tables_of(card)) >= 4
        lines = card.splitlines()
        starts = [
            i for i, line in enumerate(lines) if line.startswith("|") and not lines[i - 1].startswith("|")
        ]
        assert all(lines[i - 1] == "" for i in starts)


def test_the_model_card_gives_use_performance_subgroups_limits_and_cost(both):
    folder, card, _ = both
    for title in (
        "Meant for",
        "Learned from, and measured on",
        "How well",
        "Subgroups",
        "Limits",
        "What it took",
    ):
        assert title in card
    line = next(
        x
        for x in (folder / "auc.csv").read_text().splitlines()
        if x.startswith("ensemble,screen_detected,exam,all,pooled")
    )
    auc, low, high = (f"{float(x):.3f}" for x in line.split(",")[5:8])
    assert f"| Ensemble | (a) screen-detected vs the rest | {auc} | {low} \N{EN DASH} {high} |" in card
    assert "0.50 hours of training" in card and "no medical device" in card
    assert "requirements.lock, sha256" in card


def test_the_data_card_gives_the_cohort_and_who_was_left_out(both):
    card = both[2]
    assert "Screening mammograms of 40 women: 80 evaluated exams; 160 images" in card
    assert "| exam | incomplete exam | screen-detected | 1 |" in card
    assert "| 256 x 128 | 160 |" in card and "| not known | 80 |" in card
    assert "No image states its pixel spacing." in card
    assert f"- {HOSTILE}" in card  # a note, as it is: Markdown is text


def test_synthetic_and_partial_are_said_only_where_they_are(both, tmp_path):
    assert all("**SYNTHETIC DATA.**" in card and "PARTIAL" not in card for card in both[1:])
    model, data = cards(tmp_path, synthetic=False, partial={"folds": [0], "of": 2})
    assert "SYNTHETIC" not in model + data
    assert (
        "**PARTIAL.** Fold 0 of 2 alone." in model
        and "**PARTIAL.** Fold 0 of 2 alone." in data
        and "those of folds 0 alone" in data
    )


def test_a_cohort_without_readers_or_interval_cancers_has_its_cards(tmp_path):
    exams = exam_rows(outcomes=("screen_detected", "benign", "normal", "normal"))
    for exam in exams:
        exam |= {"reader_1": None, "reader_2": None, "two_readers": None}
    model, data = cards(tmp_path, exams)
    assert "readers' operating points" not in model
    assert "Exams read by reader 1: 0" in data
    assert "nan" not in (model + data).lower().split()


def test_a_file_that_lacks_something_is_named(tmp_path):
    cards(tmp_path)
    evaluation = json.loads((tmp_path / "evaluation.json").read_text())
    del evaluation["subgroups"]
    write_json(tmp_path / "evaluation.json", evaluation)
    with pytest.raises(DamagedError, match=r"evaluation.json.*it holds no 'subgroups'"):
        written(tmp_path)


def test_rare_values_are_summed_up_and_quantiles_leave_out_what_is_not_known():
    found = counts([f"v{i:02d}" for i in range(14)] + ["v00", None])
    assert found[0] == ("v00", 2) and found[-1] == ("3 others", 3) and len(found) == 13
    assert spread([None, 1.0, 3.0]) == {
        "least": 1.0,
        "p5": 1.1,
        "median": 2.0,
        "p95": 2.9,
        "most": 3.0,
        "n": 2,
    }
    assert spread([None]) is None
