"""What tables and pages say of the bundle that networks started from."""

import re
from pathlib import Path

import pytest
from reported_study import page_of
from scored_study import SETTINGS, exam_rows, run, write_study

from mammo_steps.core.files import write_json
from mammo_steps.core.start_note import start_of

LEARNED = {
    "study": "far_away",
    "bundle": "b1",
    "synthetic": False,
    "key_tag": "t",
    "women": ["d"],
    "n_women": 1234,
}
EARLIER = LEARNED | {"study": "older", "bundle": "b0", "n_women": 56}
START = {"bundle": "b1", "member": "fold0", "layers": "all", "overlap": "unknown", "learned_from": [LEARNED]}


def text_of(**changes: object) -> str:
    found = start_of([{"start": START | changes}])
    assert found is not None
    return str(found["text"])


def test_without_a_bundle_nothing_is_said() -> None:
    assert start_of([]) is None and start_of([{"seed": 1}, {"seed": 1}]) is None


def test_every_study_behind_the_networks_is_named_with_its_women() -> None:
    said = text_of(learned_from=[LEARNED, EARLIER])
    assert (
        "1,234 women of study far_away (bundle b1), and before from 56 women of study older (bundle b0)."
        in said
    )


@pytest.mark.parametrize(
    ("overlap", "words"),
    [
        ("unknown", "is not known: AUCs may be too high"),
        ("none", "is what the authors of this study state"),
        ("left_out", "These women are left out of this cohort"),
    ],
)
def test_the_overlap_is_said_as_far_as_it_is_known(overlap: str, words: str) -> None:
    assert words in text_of(overlap=overlap)


def test_networks_of_different_starts_are_refused() -> None:
    with pytest.raises(
        ValueError, match="different weights: bundle b1 all unknown, no bundle. Run train_holistic"
    ):
        start_of([{"start": START}, {"seed": 1}])
    with pytest.raises(ValueError, match="bundle b1 all unknown, bundle b1 head unknown"):
        start_of([{"start": START}, {"start": START | {"layers": "head"}}])


def test_tables_and_page_mark_the_studys_own_networks(tmp_path: Path) -> None:
    write_study(tmp_path, exam_rows())
    write_json(tmp_path / "start.json", {"start": START})
    run(
        tmp_path,
        tmp_path,
        SETTINGS,
        ("--runs", str(tmp_path / "start.json"), "--key", "a public key of a test"),
    )
    table = (tmp_path / "table1.md").read_text()
    assert re.findall(r"^\| ([^|*]+)\* \|", table, re.MULTILINE) == [
        "Holistic model",
        "Attention model",
        "Ensemble",
    ]
    assert (
        "- Ensemble: training went on from networks that had learned from 1,234 women of study far_away"
        in table
    )
    page = page_of(tmp_path)
    assert page.count("training went on from networks that had learned from 1,234 women") >= 2
    assert "whether women of this cohort are among them" in page
