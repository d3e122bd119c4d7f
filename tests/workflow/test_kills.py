"""Trainings in processes of their own, ended from outside at any moment."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_study import COMPUTE, HOLISTIC, TinyStudy

from mammo_steps.core.manifest import is_manifest

EPOCHS = 12
OFTEN = json.dumps({"gpus": 1, "loader_threads": 1, "checkpoint_minutes": 0.002})


def command(study: TinyStudy, out: Path) -> list[str]:
    settings = json.loads(HOLISTIC)
    settings["fit"]["epochs"] = EPOCHS
    settings["fit"]["ema_decay"] = 0.9
    return (
        [sys.executable, "-m", "mammo_steps.train_holistic", "--images", str(study.cohort("images.parquet"))]
        + ["--roles", str(study.cohort("roles.parquet")), "--shards", str(study.shards), "--fold", "0"]
        + ["--seed", "1", "--settings", json.dumps(settings), "--compute", COMPUTE, "--job", OFTEN]
        + ["--model", str(out / "model.safetensors"), "--history", str(out / "history.csv")]
        + [
            "--record",
            str(out / "run.json"),
            "--resume",
            str(out / ".resume"),
            "--events",
            str(out / "events"),
        ]
    )


def start(study: TinyStudy, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(command(study, out), stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def unbroken(tiny_study: TinyStudy, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The folder of a training that nothing interrupted, and how long it took."""
    out = tmp_path_factory.mktemp("unbroken")
    began = time.monotonic()
    process = start(tiny_study, out)
    _, told = process.communicate()
    assert process.returncode == 0, told
    return out, time.monotonic() - began


def assert_same(out: Path, unbroken: Path, scratch: str = "") -> None:
    """scratch  pattern of hidden files that may be left."""
    for name in ("model.safetensors", "history.csv"):
        assert (out / name).read_bytes() == (unbroken / name).read_bytes(), name
    assert not (out / ".resume").exists()
    hidden = [path.name for path in out.iterdir() if path.name.startswith(".") and not is_manifest(path)]
    assert not [name for name in hidden if not scratch or not re.match(scratch, name)], hidden


def await_checkpoint(out: Path, process: subprocess.Popen[str]) -> None:
    while not (out / ".resume/state.pt").exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)


def killed_and_finished(study: TinyStudy, out: Path, n_kills: int, longest_s: float) -> int:
    """Kill n times at random moments, then let it finish; the number of resumptions that run.json tells."""
    chance = random.Random(n_kills)
    n_killed = 0
    while n_killed < n_kills:
        process = start(study, out)
        try:
            process.communicate(timeout=chance.uniform(0.2, longest_s))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            n_killed += 1
            continue
        assert process.returncode == 0
        # done before its time: begin a new one
        for name in ("model.safetensors", "history.csv", "run.json"):
            (out / name).unlink()
    process = start(study, out)
    _, told = process.communicate()
    assert process.returncode == 0, told
    return int(json.loads((out / "run.json").read_text())["resumed"])


def test_a_training_killed_twice_ends_with_the_same_weights(
    tiny_study: TinyStudy, unbroken: tuple[Path, float], tmp_path: Path
) -> None:
    for _ in range(2):
        process = start(tiny_study, tmp_path)
        await_checkpoint(tmp_path, process)
        process.kill()
        process.communicate()
        assert not (tmp_path / "model.safetensors").exists()
    process = start(tiny_study, tmp_path)
    _, told = process.communicate()
    assert process.returncode == 0 and "goes on after step" in told
    assert json.loads((tmp_path / "run.json").read_text())["resumed"] >= 1
    assert_same(tmp_path, unbroken[0])


@pytest.mark.long
@pytest.mark.parametrize("n_kills", [20])
def test_a_training_killed_at_random_moments_ends_with_the_same_weights(
    tiny_study: TinyStudy, unbroken: tuple[Path, float], tmp_path: Path, n_kills: int
) -> None:
    assert killed_and_finished(tiny_study, tmp_path, n_kills, unbroken[1]) >= 0
    # who is killed while he writes leaves a scratch file, which clean_up removes; it never bears the final name
    assert_same(tmp_path, unbroken[0], scratch=r"\.\d+-[0-9a-f]{8}\.")


def test_sigterm_with_ten_seconds_of_grace_loses_nothing(
    tiny_study: TinyStudy, unbroken: tuple[Path, float], tmp_path: Path
) -> None:
    process = start(tiny_study, tmp_path)
    await_checkpoint(tmp_path, process)
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(1)
    os.kill(process.pid, signal.SIGCONT)
    process.terminate()
    began = time.monotonic()
    _, told = process.communicate(timeout=10)  # SLURM's KillWait is 30 s by default
    assert process.returncode == 128 + signal.SIGTERM, told
    assert time.monotonic() - began < 10 and not (tmp_path / "model.safetensors").exists()
    process = start(tiny_study, tmp_path)
    _, told = process.communicate()
    assert process.returncode == 0 and "goes on after step" in told
    assert_same(tmp_path, unbroken[0])
    own_s = json.loads(told.rpartition("cost: ")[2])["wall_s"]
    in_all_s = json.loads((tmp_path / "run.json").read_text())["wall_s"]
    assert in_all_s > own_s + 0.9  # with that of the first one


def test_the_run_that_was_started_first_gives_way(
    tiny_study: TinyStudy, unbroken: tuple[Path, float], tmp_path: Path
) -> None:
    first = start(tiny_study, tmp_path)
    await_checkpoint(tmp_path, first)
    os.kill(first.pid, signal.SIGSTOP)  # a node that hangs, and comes back later
    second = start(tiny_study, tmp_path)
    await_lock_of(tmp_path, second.pid)
    os.kill(first.pid, signal.SIGCONT)
    _, told = first.communicate()
    assert first.returncode == 1 and "This run writes nothing and ends" in told
    _, told = second.communicate()
    assert second.returncode == 0, told
    assert_same(tmp_path, unbroken[0])


def await_lock_of(out: Path, pid: int) -> None:
    while json.loads((out / ".resume/lock.json").read_text())["pid"] != pid:
        time.sleep(0.01)


def test_changed_shards_start_an_interrupted_training_anew(tiny_study: TinyStudy, tmp_path: Path) -> None:
    study = TinyStudy(tmp_path / "study")
    shutil.copytree(tiny_study.root, study.root)
    process = start(study, tmp_path)
    await_checkpoint(tmp_path, process)
    process.terminate()
    process.communicate()
    shard = next(study.shards.glob("*/holistic.parquet"))
    shard.write_bytes(shard.read_bytes() + b"PAR1")
    process = start(study, tmp_path)
    _, told = process.communicate()
    assert "is of another training (inputs differ): it starts anew" in told
