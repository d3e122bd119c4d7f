"""A cluster for the whole session, and studies on it."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster, whats_missing

REPO = Path(__file__).resolve().parents[2]
CONFIGS = ("config/demo.yaml", "tests/workflow/tiny.yaml", "tests/slurm/small.yaml")
_RUNS: "list[subprocess.Popen[str]]" = []  # of the test that runs
AUC = "results/demo/report/auc.csv"
_MODELS = [f"results/demo/holistic/fold{fold}/model.safetensors" for fold in range(2)]
GOAL = [AUC] if os.environ.get("WHOLE") else _MODELS  # of a run that something happens to
PARTS = ("config", "mammo_steps", "workflow", "tests/slurm", "tests/workflow")


@pytest.fixture(scope="session")
def started_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    missing = whats_missing()
    if missing:
        pytest.skip(missing)
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(started_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster; whatever a test that failed has left behind is ended."""
    yield started_cluster
    while _RUNS:
        run = _RUNS.pop()
        if run.poll() is None:
            run.kill()
            run.wait()
    subprocess.run(["scancel", "--user=root"], check=False, timeout=60)
    for _ in range(60):
        if not subprocess.run(
            ["squeue", "-h"], capture_output=True, text=True, check=False, timeout=60
        ).stdout:
            return
        time.sleep(1)


def checkout(folder: Path) -> Path:
    """The files of this checkout that a run needs, as a fresh clone has them."""
    for part in PARTS:
        shutil.copytree(
            REPO / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "local.yaml")
        )
    shutil.copy(REPO / "requirements.lock", folder)
    (folder / "slurm").symlink_to("workflow/profiles/slurm")
    return folder


def snakemake(
    folder: Path, *arguments: str, configs: tuple[str, ...] = CONFIGS, profile: bool = True
) -> "subprocess.Popen[str]":
    """`snakemake --profile slurm <arguments>` in a checkout, begun; its output goes to run.txt."""
    where = ["--profile", "slurm", "--slurm-init-seconds-before-status-checks", "9", "--latency-wait", "5"]
    command = [sys.executable, "-m", "snakemake", *(where if profile else ["--cores", "2"]), *arguments]
    command += ["--configfile", *configs] if configs else []
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with (folder / "run.txt").open("a") as told:
        run = subprocess.Popen(
            command,
            cwd=folder,
            stdout=told,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
    _RUNS.append(run)
    return run


def ended(run: "subprocess.Popen[str]", folder: Path, seconds: float = 1500) -> str:
    """What a run printed, once it has ended well; it takes minutes on idle cores, and far longer beside other work."""
    try:
        run.wait(seconds)
    except subprocess.TimeoutExpired:
        queue = subprocess.run(
            ["scontrol", "show", "jobs"], capture_output=True, text=True, check=False
        ).stdout
        lines = (folder / "run.txt").read_text()[-6000:]
        pytest.fail(f"not done after {seconds} s: {lines}\nthe queue:\n{queue[-6000:]}")
    assert run.returncode == 0, (folder / "run.txt").read_text()[-6000:]
    return (folder / "run.txt").read_text()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that ran on this machine without a cluster."""
    folder = checkout(tmp_path_factory.mktemp("undisturbed"))
    ended(snakemake(folder, AUC, profile=False), folder)
    return folder


@pytest.fixture
def study(undisturbed: Path, tmp_path: Path) -> Path:
    """The same study without fold 1 and what comes after it: its trainings are still to be run."""
    shutil.copytree(undisturbed, tmp_path / "study", symlinks=True)
    folder = tmp_path / "study"
    for later in ("holistic/fold1", "attention/fold1", "scores", "report", ".resume"):
        shutil.rmtree(folder / "results/demo" / later, ignore_errors=True)
    (folder / "run.txt").unlink()
    return folder
