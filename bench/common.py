"""What every benchmark records of the machine and the code, and how it prints."""

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from mammo_steps.core import phantom
from mammo_steps.core.run_record import commit

Grey = np.ndarray[tuple[int, int], np.dtype[np.uint16]]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def about_this_run() -> dict[str, Any]:
    """Hardware, versions, date and commit."""
    packages = (
        "numpy",
        "pyarrow",
        "opencv-python-headless",
        "imagecodecs",
        "pydicom",
        "torch",
        "torchvision",
    )
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{f"version.{name}": version(name) for name in packages if _is_installed(name)},
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
    }


def synthetic_mammogram(shape: tuple[int, int], seed: int) -> Grey:
    """Grey levels (H, W) of a left MLO view: 12 bit, breast on zeros, 1/f texture, noise."""
    rng = np.random.default_rng(seed)
    build = phantom.draw_build(rng)
    outline = phantom.draw_outline(rng, shape, "MLO", build)
    image = phantom.tissue(rng, outline, build.density)
    return phantom.digitise(rng, image, image, outline.mask())


def print_table(result: Mapping[str, Any]) -> None:
    width = max(map(len, result))
    for name, value in result.items():
        print(f"{name:<{width}}  {value}")
