"""What a costly run ran on and what it cost: run.json. Nothing of it stands in a file that is compared."""

import platform
import resource
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

_STARTED = time.time()


def commit() -> str | None:
    """The checkout's commit, `-dirty` if files differ from it; None outside a checkout."""
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip() or None


def versions() -> dict[str, str]:
    """Of the libraries that decide how a computation rounds."""
    return {"torch": version("torch"), "torchvision": version("torchvision")}


def elapsed_s() -> float:
    """Since the process imported this module."""
    return time.time() - _STARTED


def run_record(device: torch.device, earlier_s: float = 0.0) -> dict[str, Any]:
    """Time, memory, versions and the machine; all of this process, but for `earlier_s` of time that went before it."""
    on_gpu = device.type == "cuda"
    # (CPUs with other vector instructions round otherwise)
    name = torch.cuda.get_device_name(device) if on_gpu else f"CPU, {torch.backends.cpu.get_cpu_capability()}"
    return {
        "started_utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(_STARTED)),
        "wall_s": round(earlier_s + elapsed_s(), 1),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "peak_gpu_memory_mb": round(torch.cuda.max_memory_allocated(device) / 2**20) if on_gpu else None,
        "device": name,
        "torch_threads": torch.get_num_threads(),
        "host": platform.node(),
        "python": platform.python_version(),
        **versions(),
        "commit": commit(),
    }
