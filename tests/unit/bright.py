"""A task that a network of four numbers can learn: bright images are positive."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from mammo_steps.core.augment import AugmentSettings
from mammo_steps.core.compute import Compute, Job
from mammo_steps.core.fit_settings import FitSettings
from mammo_steps.core.image_store import ImageStore, Place
from mammo_steps.core.interruption import Interruption
from mammo_steps.core.sampling import training_pool
from mammo_steps.core.tables import RowGroupWriter
from mammo_steps.core.task import Run, Task

CPU = Compute("cpu", 1, "fp32", 4, "never", False)
SETTINGS = FitSettings(8, 3, 4, 1.0, 100, 0.5, "constant", 0.0, 0.0, None, AugmentSettings([], 0, 0, 0.0))


def run() -> Run:
    return Run(Job(1, 1, 10), Interruption())


class Bright(nn.Module):
    """Learns a weight for an image's mean brightness."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.line(x.mean(dim=(1, 2, 3))[:, None])


def bright_task(tmp_path: Path) -> Task:
    """Bright images are positive, dark ones negative; n8 to n11 and p8 to p11 validate."""
    ids = sorted([f"p{i:02d}" for i in range(12)] + [f"n{i:02d}" for i in range(12)])
    rng = np.random.default_rng(0)
    with RowGroupWriter(tmp_path / "h.parquet", "holistic", "lz4") as writer:
        for i in ids:
            grey = rng.integers(0, 60, (8, 8)).astype(np.uint8) + np.uint8(150 if i[0] == "p" else 20)
            writer.append({"image_id": i, "height_px": 8, "width_px": 8, "bits": 8, "pixels": grey.tobytes()})
    targets = {i: int(i[0] == "p") for i in ids}
    train = [i for i in ids if int(i[1:]) < 8]
    pool = training_pool({"image_id": i, "exam_id": i, "target": targets[i], "shard": "h"} for i in train)
    store = ImageStore({i: Place(tmp_path / "h.parquet", n, 0, 0) for n, i in enumerate(ids)})
    return Task(store, targets, pool, [i for i in ids if i not in train], seed=1, fold=0)
