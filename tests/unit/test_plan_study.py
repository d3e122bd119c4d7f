import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from mammo_steps import plan_study
from mammo_steps.core.plan_tables import AtHand, count, duration, markdown, size_text
from mammo_steps.core.rule_cost import RuleCost
from mammo_steps.plan_study import main

REPO = Path(__file__).resolve().parents[2]
PAGE = (REPO / "docs/sizing.md").read_text()
# a command line of docs/sizing.md and, in a block below it, what it prints
EXAMPLES = re.findall(
    r"^    python -m mammo_steps\.plan_study ([^\n]*)\n\n```\n(.*?)```$", PAGE, re.MULTILINE | re.DOTALL
)


@pytest.fixture(autouse=True)
def _as_shipped(tmp_path, monkeypatch):
    """The repository's own config, without what a site has beside it."""
    for name in ("config/config.yaml", "workflow/schemas/config.schema.yaml"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text((REPO / name).read_text())
    monkeypatch.setattr(plan_study, "REPO", tmp_path)


def printed(capsys, *arguments):
    main(arguments)
    return capsys.readouterr().out


def row_of(text, rule):
    """Cells of the first table row of a rule."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {rule} "))
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_the_page_has_three_worked_examples():
    assert [shlex.split(line)[1] for line, _ in EXAMPLES] == ["10000", "150000", "1000000"]


@pytest.mark.parametrize(("line", "block"), EXAMPLES, ids=[line.split()[1] for line, _ in EXAMPLES])
def test_the_tables_of_the_page_are_what_the_program_prints(line, block, capsys):
    assert printed(capsys, *shlex.split(line)) == block, "put what the program prints into docs/sizing.md"


def test_a_config_file_goes_over_the_sites_own(capsys):
    text = printed(capsys, "--configfile", str(REPO / "config/demo.yaml"), "--cores", "2", "--gpus", "0")
    assert text.startswith("Study `demo`: 150 exams, 600 images, 2 shards, 3 folds")
    assert row_of(text, "train_holistic")[-1] == "cpu"
    assert "this kind of GPU" not in text


def test_flags_try_out_other_sizes(capsys):
    text = printed(capsys, "--exams", "8,000", "--folds", "5")
    assert "8,000 exams, 32,000 images, 80 shards, 5 folds" in text
    assert row_of(text, "crop_rois")[1] == "400"
    assert "chunks: 1, shards: 80" in text
    assert "40,000 images" in printed(capsys, "--images", "40000")


def test_shards_that_do_not_suffice_are_told(tmp_path, capsys):
    own = {"intakes": [{"name": "a", "archive": "nowhere", "chunks": 1, "shards": 40}]}
    (tmp_path / "config/local.yaml").write_text(yaml.safe_dump(own))
    assert "20,000 images, 40 shards" in printed(capsys)
    assert "The config's 40 shards hold 20,000 images at most" in printed(capsys, "--exams", "10000")


def test_a_rate_of_ones_own_is_said_to_be_given(tmp_path, capsys):
    (tmp_path / "config/local.yaml").write_text("plan: {training_images_per_s: 60}\n")
    assert "training 60 (given), scoring 17.9 (derived)" in printed(capsys, "--exams", "10000")


def test_a_machine_that_is_too_small_is_told_what_is_wanted(capsys):
    text = printed(capsys, "--exams", "10000", "--gpus", "0", "--cores", "16")
    assert "train_holistic wants 8 cores and 1 GPU(s); there are 16 cores and 0 GPU(s)" in text


def test_the_wall_time_counts_rounds_of_jobs():
    cost = RuleCost("any", 10, 60.0, 4, 500.0, 1, 0)
    assert AtHand(3, 16, 100).at_once(cost) == 3
    assert AtHand(9, 16, 100).at_once(cost) == 4  # cores
    assert AtHand(9, 16, 2).at_once(cost) == 2  # jobs
    assert AtHand(0, 16, 100).at_once(replace(cost, gpus=0)) == 4


def test_wrong_input_ends_with_a_message(tmp_path, capsys):
    def message(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        return f"{stopped.value} {capsys.readouterr().err}"

    (tmp_path / "list.yaml").write_text("- 1\n")
    (tmp_path / "bad.yaml").write_text("a: [\n")
    (tmp_path / "key.yaml").write_text("plan: {gpus: 3}\n")
    assert "give --exams or --images" in message()
    assert "gone.yaml cannot be read: No such file" in message("--configfile", str(tmp_path / "gone.yaml"))
    assert "bad.yaml is no YAML" in message("--configfile", str(tmp_path / "bad.yaml"))
    assert "holds no config keys" in message("--configfile", str(tmp_path / "list.yaml"))
    assert "no config key `plan.gpus` (meant: gpu?)" in message("--configfile", str(tmp_path / "key.yaml"))
    assert "0 is too small, wanted 1 or more" in message("--exams", "0")
    assert "1 is too small, wanted 2 or more" in message("--exams", "9", "--folds", "1")
    assert "wanted a whole number, got many" in message("--exams", "many")
    assert "folds is 50, more than the 10 exams" in message("--exams", "10", "--folds", "50")
    assert "10 images are fewer than 20 exams" in message("--exams", "20", "--images", "10")


def test_numbers_are_written_for_people():
    assert (count(1234.2), count(3.0000000001)) == ("1,235", "3")
    assert [duration(s) for s in (3.2, 119, 121, 7201, 172_800)] == [
        "4 s",
        "119 s",
        "3 min",
        "2.0 h",
        "2.0 days",
    ]
    assert [size_text(n) for n in (1500, 2.5e6, 7.34e12)] == ["2 kB", "2.5 MB", "7.3 TB"]
    table = markdown(("a", "b"), [("x", "10"), ("yy", "9")])
    assert table == "| a  |  b |\n|----|---:|\n| x  | 10 |\n| yy |  9 |"
