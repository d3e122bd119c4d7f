"""Two writers of one artefact: the later one's result stays, whole, whoever ends first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mammo_steps.core import artefacts
from mammo_steps.core.artefacts import (
    LaterWriterError,
    artefact_folder,
    begin,
    check_left_over,
    made_by_this_run,
    next_run_utc,
    note_run,
    write_artefact,
)
from mammo_steps.core.files import write_text
from mammo_steps.core.manifest import manifest_path, read_manifest

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, in which a step has begun."""
    monkeypatch.chdir(tmp_path)
    begin("split_folds", {})
    return tmp_path


def test_a_process_that_began_earlier_does_not_write_over_a_later_ones_result(
    here: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    earlier = artefacts._this_process
    begin("split_folds", {})
    write_artefact(Path("a.txt"), "later")
    before = manifest_path(Path("a.txt")).read_bytes()
    monkeypatch.setattr(artefacts, "_this_process", earlier)
    monkeypatch.delenv(artefacts.UNDER_SNAKEMAKE, raising=False)
    with pytest.raises(LaterWriterError) as ended:
        write_artefact(Path("a.txt"), "earlier")
    assert ended.value.code == 1 and "a.txt was written by a process that began later" in caplog.text
    assert Path("a.txt").read_text() == "later" and manifest_path(Path("a.txt")).read_bytes() == before
    assert sorted(path.name for path in here.iterdir()) == [".a.txt.manifest.json", "a.txt"]
    with pytest.raises(LaterWriterError), artefact_folder(Path("a.txt")):
        raise AssertionError("not begun")
    # Snakemake would remove the result of a job that failed
    monkeypatch.setenv(artefacts.UNDER_SNAKEMAKE, "1")
    with pytest.raises(LaterWriterError) as ended:
        write_artefact(Path("a.txt"), "earlier")
    assert ended.value.code == 0


def test_of_two_runs_the_later_one_counts_whatever_the_clocks_of_their_nodes_say(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The killed run's job runs on a node whose clock is ten minutes ahead."""
    monkeypatch.setattr(artefacts, "utc_now", lambda: "2026-01-01T12:10:00Z")
    monkeypatch.setenv(artefacts.UNDER_SNAKEMAKE, "2026-01-01T10:00:00Z")
    begin("split_folds", {})
    killed_runs_job = artefacts._this_process
    write_artefact(Path("a.txt"), "of the killed run")
    monkeypatch.setattr(artefacts, "utc_now", lambda: "2026-01-01T12:01:00Z")
    monkeypatch.setenv(artefacts.UNDER_SNAKEMAKE, "2026-01-01T12:00:00Z")
    begin("split_folds", {})
    write_artefact(Path("a.txt"), "of the later run")
    monkeypatch.setattr(artefacts, "_this_process", killed_runs_job)
    with pytest.raises(LaterWriterError):
        write_artefact(Path("a.txt"), "of the killed run")
    assert Path("a.txt").read_text() == "of the later run"


def later_and_earlier(monkeypatch: pytest.MonkeyPatch) -> tuple[artefacts.Origin | None, ...]:
    """Processes of a run, and of one that was killed before it began."""
    made = []
    for began in ("2026-01-01T12:00:00Z", "2026-01-01T10:00:00Z"):
        monkeypatch.setenv(artefacts.UNDER_SNAKEMAKE, began)
        begin("split_folds", {})
        made.append(artefacts._this_process)
    return tuple(made)


def test_a_left_over_process_puts_no_more_files_into_a_folder_that_a_later_run_writes(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later, earlier = later_and_earlier(monkeypatch)
    with pytest.raises(LaterWriterError, match="lists was written by a process that began later"):  # noqa: SIM117
        with artefact_folder(Path("lists")):
            write_text(Path("lists/a.csv"), "earlier")
            monkeypatch.setattr(artefacts, "_this_process", later)
            with artefact_folder(Path("lists")):
                write_text(Path("lists/a.csv"), "later")
                write_text(Path("lists/b.csv"), "later")
                monkeypatch.setattr(artefacts, "_this_process", earlier)
                with pytest.raises(LaterWriterError):
                    write_text(Path("lists/b.csv"), "earlier")
                monkeypatch.setattr(artefacts, "_this_process", later)
            monkeypatch.setattr(artefacts, "_this_process", earlier)
    assert [path.read_text() for path in sorted(Path("lists").iterdir())] == ["later", "later"]
    manifest = read_manifest(Path("lists"))
    assert manifest is not None and manifest["run_began_utc"] == "2026-01-01T12:00:00Z"
    assert sorted(path.name for path in here.iterdir()) == [".lists.manifest.json", "lists"]


def test_a_job_left_in_the_queue_ends_while_a_later_run_writes_its_folder(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later, _ = later_and_earlier(monkeypatch)
    monkeypatch.setattr(artefacts, "_this_process", later)
    with artefact_folder(Path("lists")):
        with pytest.raises(LaterWriterError, match="lists was made by a later run"):
            check_left_over([Path("lists")])
        Path("lists").mkdir()


def test_the_claim_of_a_killed_process_holds_up_no_later_one(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later, _ = later_and_earlier(monkeypatch)
    with pytest.raises(KeyboardInterrupt), artefact_folder(Path("lists")):
        raise KeyboardInterrupt
    assert Path(".lists.writer.json").exists()
    monkeypatch.setattr(artefacts, "_this_process", later)
    with artefact_folder(Path("lists")):
        write_text(Path("lists/a.csv"), "later")
    assert not Path(".lists.writer.json").exists()


def test_a_job_left_in_the_queue_ends_before_a_later_runs_results_are_removed_for_its_sake(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(artefacts.UNDER_SNAKEMAKE, "2026-01-01T12:00:00Z")
    begin("split_folds", {})
    write_artefact(Path("a.txt"), "later")
    check_left_over([Path("a.txt"), Path("b.txt")])
    monkeypatch.setenv(artefacts.UNDER_SNAKEMAKE, "2026-01-01T10:00:00Z")
    with pytest.raises(LaterWriterError, match="a.txt was made by a later run") as ended:
        check_left_over([Path("b.txt"), Path("a.txt")])
    assert ended.value.code == 0
    Path("a.txt").unlink()  # by a user, or for the sake of the job that makes it
    check_left_over([Path("a.txt")])


def test_a_later_process_writes_over_an_earlier_ones_result(here: Path) -> None:
    write_artefact(Path("a.txt"), "earlier")
    begin("split_folds", {})
    write_artefact(Path("a.txt"), "later")
    assert Path("a.txt").read_text() == "later"


def test_a_result_that_was_deleted_is_no_reason_to_stop(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = artefacts._this_process
    begin("split_folds", {})
    write_artefact(Path("a.txt"), "later")
    Path("a.txt").unlink()
    monkeypatch.setattr(artefacts, "_this_process", earlier)
    write_artefact(Path("a.txt"), "earlier")
    assert Path("a.txt").read_text() == "earlier"


ORPHAN = """
import sys, time
from pathlib import Path
from mammo_steps.core.artefacts import artefact, begin
begin("split_folds", {})
print("begun", flush=True)
with artefact(Path("a.txt")) as scratch:
    scratch.write_text(sys.argv[1])
    sys.stdin.readline()
"""


def test_of_two_processes_the_one_that_began_later_wins_whoever_ends_first(tmp_path: Path) -> None:
    def started(text: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", ORPHAN, text],
            cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(REPO)},
        )  # fmt: skip
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        return process

    orphan, later = started("orphan"), started("later")
    assert later.communicate("\n")[1] == "" and later.returncode == 0
    assert "began later" in orphan.communicate("\n")[1] and orphan.returncode == 1
    assert (tmp_path / "a.txt").read_text() == "later"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.txt.manifest.json", "a.txt"]


def test_a_run_is_later_than_those_before_it_though_their_clock_was_ahead(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = Path("results/demo")
    for ahead in ("2999-01-01T12:00:00.000000Z", None, None):
        began = ahead or next_run_utc(results)
        note_run(results, began)
        monkeypatch.setenv(artefacts.UNDER_SNAKEMAKE, began)
        begin("split_folds", {})
        if not ahead:
            assert not made_by_this_run([Path("a.txt")])
        check_left_over([Path("a.txt")])
        write_artefact(Path("a.txt"), began)
        assert Path("a.txt").read_text() == began and made_by_this_run([Path("a.txt")])
    assert began == "2999-01-01T12:00:00.000002Z"


@pytest.mark.parametrize("damaged", ["", "yesterday", "2020-01-01T12:00:00.000000Z"])
def test_a_run_begins_now_if_none_was_later(here: Path, damaged: str) -> None:
    note_run(here, damaged)
    before = artefacts.utc_now()
    assert before <= next_run_utc(here) <= artefacts.utc_now()
    assert before <= next_run_utc(here / "no study yet") <= artefacts.utc_now()


@pytest.mark.parametrize("claim", ["{}", "[]", '"x"', '{"began_utc": 3}', "no JSON"])
def test_a_damaged_claim_holds_nobody_up(here: Path, claim: str) -> None:
    Path(".lists.writer.json").write_text(claim)
    with artefact_folder(Path("lists")):
        write_text(Path("lists/a.csv"), "whole")
    assert not Path(".lists.writer.json").exists()
