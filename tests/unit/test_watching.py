"""What a training tells while it runs."""

import logging
import resource
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from bright import CPU, SETTINGS, Bright, bright_task, run
from tensorboardX.proto.event_pb2 import Event

from mammo_steps.core.history import Epoch, EpochCost
from mammo_steps.core.training import fit
from mammo_steps.core.watching import Watch, warn_of_few

COST = EpochCost(10.0, 1.0, 25.0, 900.0, 0.01)


def events_in(folder: Path) -> Iterator[Event]:
    """Of all files in the order of their names; a record is its length, its checksum, itself, its checksum."""
    for file in sorted(folder.glob("events.out.tfevents.*")):
        content, at = file.read_bytes(), 0
        while at < len(content):
            (length,) = struct.unpack_from("<Q", content, at)
            yield Event.FromString(content[at + 12 : at + 12 + length])
            at += 16 + length


def curves(folder: Path) -> dict[str, list[int]]:
    """Name -> its steps."""
    found: dict[str, list[int]] = {}
    for event in events_in(folder):
        for value in event.summary.value:
            found.setdefault(value.tag, []).append(event.step)
    return found


def test_event_files_hold_every_step_and_every_epoch(tmp_path: Path) -> None:
    fit(Bright(), bright_task(tmp_path), SETTINGS, CPU, replace(run(), events=tmp_path / "events"))
    found = curves(tmp_path / "events")
    assert found["step/loss"] == found["step/learning_rate"] == list(range(1, 13))
    assert found["epoch/validation_auc"] == found["epoch/train_loss"] == [4, 8, 12]
    assert {"step/images_per_s", "epoch/images_per_s", "epoch/peak_memory_mb"} <= set(found)


def test_a_training_that_starts_anew_removes_the_events_of_its_forerunner(tmp_path: Path) -> None:
    task, events = bright_task(tmp_path), tmp_path / "events"
    events.mkdir()
    (events / "events.out.tfevents.1.host").write_bytes(b"old")
    (events / "notes.txt").write_text("of a user")
    Watch(task, SETTINGS, 12, 0, events).close()
    assert not (events / "events.out.tfevents.1.host").exists() and (events / "notes.txt").exists()


def test_a_training_that_goes_on_takes_back_what_was_told_of_lost_steps(tmp_path: Path) -> None:
    task, events = bright_task(tmp_path), tmp_path / "events"
    with closing(Watch(task, SETTINGS, 12, 0, events)) as watch:
        for number in range(1, 7):
            watch.step(number, 0.5, 0.1, 10)
    with closing(Watch(task, SETTINGS, 12, 4, events)) as watch:
        watch.step(5, 0.5, 0.1, 10)
    told = list(events_in(events))
    starts = [event.step for event in told if event.session_log.status == event.session_log.START]
    assert starts == [1, 5]  # readers drop what lies at or after a start's step


def test_a_full_disk_ends_the_training_it_does_not_wait_for_ever(tmp_path: Path) -> None:
    watch = Watch(bright_task(tmp_path), SETTINGS, 12, 0, tmp_path / "events")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            for number in range(1, 2000):
                watch.step(number, 0.5, 0.1, 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_job_tells_speed_and_time_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    now = [1000.0]
    monkeypatch.setattr("mammo_steps.core.watching.time.monotonic", lambda: now[0])
    with closing(Watch(bright_task(tmp_path), SETTINGS, 3600 + 40, 40, None)) as watch:
        watch.bar.disable = True
        for number in range(41, 141):
            now[0] += 1.0
            watch.step(number, 0.25, 0.1, 16.4)
    lines = [r.getMessage() for r in caplog.records if "step" in r.getMessage()]
    assert len(lines) == 3  # every 30 s
    assert lines[0] == "fold 0: step 71 of 3640, loss 0.2500; 16 images/s, 0:59:29 left"


def test_a_validation_auc_below_chance_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(Watch(bright_task(tmp_path), SETTINGS, 12, 0, None)) as watch:
        watch.epoch(Epoch(0, 8, 8, 0.1, 0.6, 0.7, 0.5), COST)
        watch.epoch(Epoch(1, 8, 8, 0.1, 0.6, 0.7, None), COST)
        assert "worse than chance" not in caplog.text
        watch.epoch(Epoch(2, 8, 8, 0.1, 0.6, 0.7, 0.49), COST)
    assert "fold 0 epoch 3: the validation AUC is 0.490, worse than chance" in caplog.text


def test_too_few_positives_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    task = bright_task(tmp_path)
    warn_of_few(task, SETTINGS)
    assert "fold 0: 8 positive images for the 4 batches of an epoch" in caplog.text
    assert "fold 0: 4 positive validation images" in caplog.text


def test_enough_positives_are_nothing_to_tell(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    task = bright_task(tmp_path)
    many = tuple(f"p{i:02d}" for i in range(40))
    enough = replace(
        task,
        pool=replace(task.pool, positives=many),
        targets={**task.targets, **dict.fromkeys("vwxyz", 1)},
        validation=["v", "w", "x", "y", "z"],
    )
    warn_of_few(enough, SETTINGS)
    assert caplog.text == ""
