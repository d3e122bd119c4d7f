"""What happens to jobs in a queue, done to a study: each time the same comes out, to the byte.

Most tests ask for the weights of the training that they disturb, and two for the AUCs that the whole study has of it;
all ask for the AUCs with `WHOLE=1 make test-slurm`, which takes twice as long.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster import Cluster
from conftest import AUC, CONFIGS, GOAL, ended, snakemake

pytestmark = pytest.mark.slurm


def jobs(*states: str) -> dict[str, str]:
    """Number -> rule and wildcards of the jobs in the queue, in these states or in any."""
    chosen = ["-t", ",".join(states)] if states else []
    told = subprocess.run(
        ["squeue", "-h", "-o", "%i|%k", *chosen], capture_output=True, text=True, check=True
    ).stdout
    return dict(line.split("|", 1) for line in told.splitlines())


def wait_for(found: Callable[[], object], what: str, seconds: float = 400) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if there := found():
            return there
        time.sleep(0.2)
    raise AssertionError(f"no {what} within {seconds} s")


def training(folder: Path) -> str:
    """The number of a training that has begun, and has a checkpoint."""
    wait_for(lambda: list(folder.glob("results/demo/.resume/train_holistic/fold*/state.pt")), "checkpoint")
    begun = {path.parent.name for path in folder.glob("results/demo/.resume/train_holistic/fold*/state.pt")}
    running = jobs("RUNNING")
    return next(
        number
        for number, what in running.items()
        if "train_holistic" in what and any(f in what for f in begun)
    )


def check(folder: Path, undisturbed: Path, *wanted: str) -> None:
    for file in wanted or GOAL:
        assert (folder / file).read_bytes() == (undisturbed / file).read_bytes()
    assert not jobs("RUNNING", "PENDING")


def test_a_cancelled_training_goes_on(cluster: Cluster, study: Path, undisturbed: Path) -> None:
    run = snakemake(study, AUC)
    number = training(study)
    subprocess.run(["scancel", number], check=True)
    told = ended(run, study)
    assert "Trying to restart" in told
    records = [json.loads(path.read_text()) for path in study.glob("results/demo/holistic/fold*/run.json")]
    assert sum(record["resumed"] for record in records) == 1
    [again] = [record["fold"] for record in records if record["resumed"]]
    log = (study / f"results/demo/logs/train_holistic/fold{again}.log").read_text()
    assert log.count("positive images") == 2 and log.count("goes on after step") == 1  # of both attempts
    check(study, undisturbed, AUC)


def test_a_training_that_hangs_until_its_time_is_up(cluster: Cluster, study: Path, undisturbed: Path) -> None:
    run = snakemake(study, *GOAL, "--set-resources", "train_holistic:runtime=1")
    number = training(study)
    stopped = process_of(study, f"train_holistic/{fold_of(number)}")
    os.kill(stopped, signal.SIGSTOP)
    told = ended(run, study)
    assert "TIMEOUT" in told
    check(study, undisturbed)


def fold_of(number: str) -> str:
    return "fold0" if "fold0" in jobs()[number] else "fold1"


def process_of(study: Path, words: str) -> int:
    """The training itself, not the shell and the Snakemake around it."""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (path / "cmdline").read_bytes().decode().split("\0")
            here = (path / "cwd").readlink() == study
            if here and "mammo_steps.train_holistic" in command and any(words in word for word in command):
                return int(path.name)
    raise AssertionError(f"no process of {words}")


def test_a_node_that_dies(cluster: Cluster, study: Path, undisturbed: Path) -> None:
    run = snakemake(study, *GOAL, "--slurm-no-requeue")
    number = training(study)
    told = subprocess.run(
        ["squeue", "-h", "-j", number, "-o", "%N"], capture_output=True, text=True, check=True
    )
    node = told.stdout.strip()
    cluster.kill_node(node)
    try:
        assert "NODE_FAIL" in ended(run, study)
    finally:
        cluster.start_node(node)
    check(study, undisturbed)
    wait_for(cluster.is_idle, "idle node")


def test_a_controller_that_is_restarted(cluster: Cluster, study: Path, undisturbed: Path) -> None:
    run = snakemake(study, *GOAL)
    training(study)
    cluster.kill_controller()
    time.sleep(10)
    cluster.start_controller()
    ended(run, study)
    check(study, undisturbed)


def test_ctrl_c_ends_the_jobs_and_the_next_run_goes_on(
    cluster: Cluster, study: Path, undisturbed: Path
) -> None:
    run = snakemake(study, *GOAL)
    training(study)
    run.send_signal(signal.SIGINT)
    assert run.wait(120) != 0
    wait_for(lambda: not jobs("RUNNING", "PENDING"), "end of the jobs", 120)
    ended(snakemake(study, *GOAL), study)
    check(study, undisturbed)


def test_a_killed_snakemake_whose_jobs_live_on(cluster: Cluster, study: Path, undisturbed: Path) -> None:
    """The user unlocks and begins again while the old jobs still run: nothing of theirs comes through."""
    run = snakemake(study, AUC)
    training(study)
    run.kill()
    run.wait()
    orphans = set(jobs("RUNNING"))
    assert orphans
    ended(snakemake(study, "--unlock", profile=False), study)
    again = snakemake(study, AUC)
    wait_for(lambda: set(jobs("RUNNING")) - orphans, "second job")
    ended(again, study)
    wait_for(lambda: not set(jobs("RUNNING")) & orphans, "end of the orphans")
    check(study, undisturbed, AUC)


def test_a_killed_runs_jobs_that_begin_when_a_later_run_has_done_their_work(
    cluster: Cluster, study: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """They wait in the queue until then, and were submitted with other settings."""
    (tmp_path / "other.yaml").write_text("train_holistic: {fit: {learning_rate: 0.5}}")
    run = snakemake(study, *GOAL, configs=(*CONFIGS, str(tmp_path / "other.yaml")))
    wait_for(lambda: len(jobs("RUNNING")) == 2, "second training")
    left = set(jobs("RUNNING"))
    run.kill()
    run.wait()
    for number in left:
        subprocess.run(["scontrol", "requeuehold", number], check=True)
    ended(snakemake(study, "--unlock", profile=False), study)
    ended(snakemake(study, *GOAL), study)
    weights = {path: path.read_bytes() for path in study.glob("results/demo/holistic/*/model.safetensors")}
    assert len(weights) == 2
    for number in left:
        subprocess.run(["scontrol", "release", number], check=True)
    wait_for(lambda: not jobs("RUNNING", "PENDING"), "end of the jobs that were left over", 300)
    said = "".join(path.read_text() for n in left for path in study.glob(f"logs/slurm/*/*/{n}.log"))
    assert said.count("was made by a later run") >= 2
    assert all(path.read_bytes() == content for path, content in weights.items())
    check(study, undisturbed)


def test_a_full_disk(cluster: Cluster, study: Path, undisturbed: Path, tmp_path: Path) -> None:
    """Results on a file system with almost no room: the run fails and says so; with room it goes on."""
    results = study / "results"
    kept = tmp_path / "kept"
    results.rename(kept)
    results.mkdir()
    block = 4096
    size = sum(-(-path.stat().st_size // block) + 1 for path in kept.rglob("*")) * block
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size // 1024 + 300}k", "tmpfs", str(results)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr}")
    try:
        shutil.copytree(kept, results, dirs_exist_ok=True)
        run = snakemake(study, *GOAL, "--retries", "0")
        assert run.wait(1500) != 0
        logs = "".join(path.read_text(errors="replace") for path in study.glob("results/demo/logs/**/*.log"))
        assert "No space left on device" in logs + (study / "run.txt").read_text()
        subprocess.run(["mount", "-o", "remount,size=500m", str(results)], check=True)
        ended(snakemake(study, *GOAL), study)
        check(study, undisturbed)
    finally:
        subprocess.run(["umount", "-l", str(results)], check=True)


def test_two_snakemakes_on_one_study(cluster: Cluster, study: Path, undisturbed: Path) -> None:
    first = snakemake(study, *GOAL)
    number = training(study)
    held = process_of(study, f"train_holistic/{fold_of(number)}")
    os.kill(held, signal.SIGSTOP)  # (else it may be done before the second one looks)
    second = subprocess.run(
        ["python", "-m", "snakemake", "--profile", "slurm", *GOAL, "--configfile", *CONFIGS],
        cwd=study,
        capture_output=True,
        text=True,
        check=False,
    )
    os.kill(held, signal.SIGCONT)
    assert second.returncode != 0
    assert "cannot be locked" in second.stdout + second.stderr
    ended(first, study)
    check(study, undisturbed)
