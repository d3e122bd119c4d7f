"""Look at a machine that jobs run on: is all there that the study wants?

One short job for each kind of machine, CPU and GPU. It ends with an error where a study would come to grief hours
later: a folder that this machine does not see, a package that is missing, a GPU that was given to the job and that
torch cannot use. It says, and goes on, where a package has another version than requirements.lock.
"""

import argparse
import importlib.metadata
import logging
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mammo_steps.core.artefacts import write_artefact
from mammo_steps.core.files import indented
from mammo_steps.core.steps import start_step

log = logging.getLogger("check_node")

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
NEEDED = ("numpy", "opencv-python-headless", "pyarrow", "safetensors", "torch", "torchvision")
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)
KINDS = ("cpu", "gpu")


def version_of(package: str) -> str | None:
    """None if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def other_versions(lock: str) -> dict[str, tuple[str, str]]:
    """Package -> (installed, locked) where they differ; packages that are not installed are left out.

    A lock for several versions of Python has several versions of a package: any of them will do.
    """
    locked: dict[str, list[str]] = {}
    for name, version in PIN.findall(lock):
        locked.setdefault(name, []).append(version)
    installed = {name: version_of(name) for name in locked}
    return {
        name: (found, " or ".join(locked[name]))
        for name, found in installed.items()
        if found is not None and found not in locked[name]
    }


def memory_mb() -> int:
    """Of the machine, not of the job."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20


def driver() -> str | None:
    """Of the NVIDIA GPUs; None without nvidia-smi."""
    if shutil.which("nvidia-smi") is None:
        return None
    told = subprocess.run(
        ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.split("\n")[0].strip() or None


def gpus() -> dict[str, Any]:
    """What torch sees, and what it was built for."""
    import torch  # here: it takes seconds, and a CPU node needs none of it

    found = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    return {
        "gpus": [gpu.name for gpu in found],
        "gpu_memory_mb": [gpu.total_memory // 2**20 for gpu in found],
        "driver": driver(),
        "torch_cuda": torch.version.cuda,
    }


def check_gpu(facts: dict[str, Any], device: str, given: str | None) -> None:
    """ValueError if the study wants a GPU, or the job was given one, and torch has none.

    device  as the config has it: auto, cuda, cpu
    given   CUDA_VISIBLE_DEVICES of the job
    """
    if facts["gpus"] or device == "cpu":
        return
    if device == "cuda" or given:
        raise ValueError(
            f"{platform.node()}: torch sees no GPU (it is built for CUDA {facts['torch_cuda']}, driver "
            f"{facts['driver']}, CUDA_VISIBLE_DEVICES={given}). Wanted one: choose another partition, or a driver for "
            "that CUDA; compute.device: cpu trains on the CPU, which takes weeks at full size"
        )
    log.warning("there is no GPU on %s: the study runs on its CPU", platform.node())


def check_folders(folders: Sequence[Path]) -> None:
    """FileNotFoundError if one is not seen from here."""
    for folder in folders:
        if not folder.exists():
            raise FileNotFoundError(
                f"{platform.node()} does not see {folder}: it has to lie on a file system that all nodes share, "
                "under the same path"
            )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], required=True, help="as in the config")
    parser.add_argument("--folders", type=Path, nargs="*", default=[], help="that it has to see")
    parser.add_argument("--facts", type=Path, required=True, help="written: what was found")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    check_folders(args.folders)
    missing = [name for name in NEEDED if version_of(name) is None]
    if missing:
        raise ValueError(
            f"{platform.node()}: {', '.join(missing)} not installed for {platform.python_version()}: jobs have to "
            "find the environment that requirements.lock describes (README, SLURM)"
        )
    differing = other_versions(LOCK.read_text(encoding="utf-8"))
    for name, (installed, locked) in differing.items():
        log.warning("%s is %s, requirements.lock has %s: results may differ", name, installed, locked)
    facts = {
        "kind": args.kind,
        "node": platform.node(),
        "slurm_node": os.environ.get("SLURMD_NODENAME"),
        "partition": os.environ.get("SLURM_JOB_PARTITION"),
        "cpus_of_job": len(os.sched_getaffinity(0)),
        "memory_mb": memory_mb(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version_of(name) for name in NEEDED},
        "other_than_locked": differing,
    }
    if args.kind == "gpu":
        facts |= gpus()
        check_gpu(facts, args.device, os.environ.get("CUDA_VISIBLE_DEVICES"))
    write_artefact(args.facts, indented(facts))
    log.info("%s", ", ".join(f"{name} {value}" for name, value in facts.items() if name != "versions"))


if __name__ == "__main__":
    main()
