"""Checkpoints: whose they are, which fit, and who may write them."""

import json
import logging
import resource
from pathlib import Path

import pytest
import torch

from mammo_steps.core.artefacts import UNDER_SNAKEMAKE
from mammo_steps.core.checkpoint import Checkpoints, LockLostError, stamps

KEY = {"seed": 1, "compute": {"device": "cpu"}}
STATE = {"weights": torch.arange(3.0), "history": [{"loss": 0.5, "auc": None}]}


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    Checkpoints.taken(tmp_path / "fold0", KEY).save(STATE)
    found = Checkpoints.taken(tmp_path / "fold0", KEY).load()
    assert found is not None and torch.equal(found["weights"], STATE["weights"])
    assert found["history"] == STATE["history"]


def test_without_a_checkpoint_there_is_nothing_to_go_on_from(tmp_path: Path) -> None:
    assert Checkpoints.taken(tmp_path, KEY).load() is None


def test_a_checkpoint_of_another_training_is_discarded_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    Checkpoints.taken(tmp_path, KEY).save(STATE)
    assert Checkpoints.taken(tmp_path, {**KEY, "seed": 2, "torch": "3"}).load() is None
    assert "is of another training (seed, torch differ): it starts anew" in caplog.text


@pytest.mark.parametrize("damage", ["empty", "torn", "text", "flipped", "other"])
def test_a_damaged_checkpoint_is_discarded_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    caplog.set_level(logging.WARNING)
    taken = Checkpoints.taken(tmp_path, KEY)
    taken.save(STATE)
    whole = taken.file.read_bytes()
    flipped = bytearray(whole)
    flipped[whole.index(b"weights") + 2] ^= 0xFF
    spoilt = {
        "empty": b"", "torn": whole[: len(whole) // 2], "text": b"not a checkpoint", "flipped": bytes(flipped)
    }  # fmt: skip
    if damage == "other":
        torch.save([1, 2], taken.file)
    else:
        taken.file.write_bytes(spoilt[damage])
    assert taken.load() is None
    assert "is damaged" in caplog.text


def test_a_flipped_byte_in_a_tensor_is_found(tmp_path: Path) -> None:
    taken = Checkpoints.taken(tmp_path, KEY)
    taken.save({"weights": torch.full((1000,), 1.2345)})
    content = bytearray(taken.file.read_bytes())
    content[content.index(torch.tensor(1.2345).numpy().tobytes()) + 400] ^= 1
    taken.file.write_bytes(bytes(content))
    assert taken.load() is None


def test_a_disk_that_refuses_is_told_by_its_own_error_and_the_last_state_stays(tmp_path: Path) -> None:
    checkpoints = Checkpoints.taken(tmp_path, {})
    checkpoints.save({"step": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            checkpoints.save({"step": 2, "weights": torch.zeros(1_000_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert checkpoints.load() == {"step": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock.json", "state.pt"]


def test_who_lost_the_lock_writes_nothing_any_more(tmp_path: Path) -> None:
    first = Checkpoints.taken(tmp_path, KEY)
    first.save(STATE)
    second = Checkpoints.taken(tmp_path, KEY)
    before = first.file.read_bytes()
    for attempt in (lambda: first.save({"weights": torch.zeros(3)}), first.check_lock, first.remove):
        with pytest.raises(
            LockLostError, match="the same training was started again. This run writes nothing"
        ):
            attempt()
    assert second.file.read_bytes() == before and not list(tmp_path.glob(".*"))
    second.save(STATE)


def test_a_job_of_a_killed_run_that_begins_late_takes_nothing_from_a_later_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(UNDER_SNAKEMAKE, "2026-01-01T12:00:00Z")
    held = Checkpoints.taken(tmp_path, KEY)
    monkeypatch.setenv(UNDER_SNAKEMAKE, "2026-01-01T10:00:00Z")
    with pytest.raises(LockLostError, match="is held for a later run"):
        Checkpoints.taken(tmp_path, KEY)
    held.save(STATE)
    monkeypatch.setenv(UNDER_SNAKEMAKE, "2026-01-01T12:00:00Z")  # submitted again by the same run
    Checkpoints.taken(tmp_path, KEY).save(STATE)


def test_a_damaged_lock_is_nobodys(tmp_path: Path) -> None:
    held = Checkpoints.taken(tmp_path, KEY)
    held.lock.write_text("{")
    with pytest.raises(LockLostError, match="nobody"):
        held.check_lock()
    Checkpoints.taken(tmp_path, KEY).save(STATE)


def test_the_lock_names_host_and_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    taken = Checkpoints.taken(tmp_path, KEY)
    lock = json.loads(taken.lock.read_text())
    assert lock["job"] == "4711" and lock["host"] and lock["token"] == taken.token


def test_success_leaves_nothing_behind(tmp_path: Path) -> None:
    taken = Checkpoints.taken(tmp_path / "fold0", KEY)
    taken.save(STATE)
    (taken.folder / ".123.state.pt").write_bytes(b"of a run that was killed while it wrote")
    taken.remove()
    assert not taken.folder.exists()


def test_a_stamp_changes_with_the_content(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"1")
    large.write_bytes(bytes(9 * 2**20))
    before = stamps([small, large])
    small.write_bytes(b"2")
    large.write_bytes(bytes(9 * 2**20 + 1))
    after = stamps([small, large])
    assert before.keys() == after.keys() and all(before[path] != after[path] for path in before)
