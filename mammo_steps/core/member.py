"""A member is one trained network of one fold: the flags of the steps that train one, and the files they write."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from mammo_steps.core.compute import Compute
from mammo_steps.core.files import write_json, write_text
from mammo_steps.core.network import save_network
from mammo_steps.core.run_record import run_record
from mammo_steps.core.steps import json_object
from mammo_steps.core.training import Epoch, Task, best_epoch, history_csv

log = logging.getLogger(__name__)


# name, type and meaning of each flag; all are required
MEMBER_FLAGS: tuple[tuple[str, Callable[[str], Any], str], ...] = (
    ("--images", Path, "cohort/images.parquet"),
    ("--roles", Path, "cohort/roles.parquet"),
    ("--fold", int, "number of the fold"),
    ("--seed", int, "of every random choice"),
    ("--settings", json_object, "JSON, as in the config"),
    ("--compute", json_object, "JSON, as in the config"),
    ("--job", json_object, "JSON, as in the config"),
    ("--model", Path, "written: weights (safetensors)"),
    ("--history", Path, "written: one line per epoch (CSV)"),
    ("--run", Path, "written: cost and versions (JSON)"),
)


class MemberFiles(NamedTuple):
    """What a member's training writes."""

    model: Path
    history: Path
    run: Path


def log_task(task: Task, compute: Compute) -> None:
    log.info(
        "fold %d: %d positive images, %d exams with negatives, %d validation images, on %s",
        *(task.fold, len(task.pool.positives), len(task.pool.negatives), len(task.validation)),
        compute.torch_device,
    )


def write_member(
    files: MemberFiles, network: nn.Module, history: Sequence[Epoch], compute: Compute, facts: dict[str, Any]
) -> None:
    """Write weights with `facts` in their header, the history, and the run's record."""
    save_network(network, facts, files.model)
    write_text(files.history, history_csv(history))
    write_json(files.run, {**facts, "compute": asdict(compute), **run_record(compute.torch_device)})
    log.info("fold %d: kept epoch %d of %d", facts["fold"], best_epoch(history) + 1, len(history))
