"""The command as users type it, with a site's own lines in the profile."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from cluster import Cluster
from conftest import AUC, CONFIGS, checkout, ended, snakemake

pytestmark = pytest.mark.slurm
PARTITIONS = """
partitions:
  gpu: {max_runtime: 10080, max_gpu: 2, max_threads: 8, max_mem_mb: 32000}
  cpu: {max_runtime: 480, max_threads: 8, max_mem_mb: 32000}
"""


def merged(into: dict[str, object], over: dict[str, object]) -> dict[str, object]:
    for key, value in over.items():
        inner = into.get(key)
        into[key] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return into


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A fresh checkout with config/local.yaml, partitions by GPU, and status checks in shorter intervals."""
    folder = checkout(tmp_path / "site")
    local: dict[str, object] = {}
    for name in CONFIGS:
        merged(local, yaml.safe_load((folder / name).read_text()))
    (folder / "config/local.yaml").write_text(yaml.safe_dump(local))
    profile = folder / "workflow/profiles/slurm/profile.yaml"
    text = profile.read_text()
    for before, after in (
        ("# slurm-partition-config: partitions.yaml", "slurm-partition-config: partitions.yaml"),
        ("status-checks: 20", "status-checks: 9"),
    ):
        assert before in text
        text = text.replace(before, after)
    profile.write_text(text)
    (folder / "workflow/profiles/slurm/partitions.yaml").write_text(PARTITIONS)
    return folder


def test_the_bare_command(cluster: Cluster, site: Path, undisturbed: Path) -> None:
    typed = ["snakemake", "--profile", "slurm", "all"]
    done = subprocess.run(typed, cwd=site, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    assert (site / AUC).read_bytes() == (undisturbed / AUC).read_bytes()
    found = json.loads((site / "results/demo/nodes/cpu.json").read_text())
    assert found["slurm_node"] in cluster.nodes and found["partition"] == "cpu"
    logs = site / "logs/slurm"
    assert len(list((logs / "group_shards_make_shards").glob("*.log"))) == 1  # for both shards
    assert not (logs / "rule_list_images").exists()  # a small step, run here
    again = subprocess.run([*typed, "-n"], cwd=site, capture_output=True, text=True, check=True)
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_training_gets_the_gpu_that_it_asks_for(cluster: Cluster, site: Path) -> None:
    """The GPUs are none, so the config says that torch computes on the CPU."""
    asked = ["--set-resources", "train_holistic:gpu=1", "train_holistic:gpu_model=fake"]
    ended(snakemake(site, "results/demo/holistic/fold0/model.safetensors", *asked, configs=()), site)
    log = next((site / "logs/slurm/rule_train_holistic/fold0").glob("*.log")).stem
    job = subprocess.run(["scontrol", "show", "job", log], capture_output=True, text=True, check=True).stdout
    assert "Partition=gpu" in job and "gres:gpu:fake:1" in job
