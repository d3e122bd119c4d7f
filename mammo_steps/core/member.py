"""A member is one trained network of one fold: the flags of the steps that train one, and the files they write."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from mammo_steps.core.artefacts import write_artefact
from mammo_steps.core.checkpoint import Checkpoints, stamps
from mammo_steps.core.compute import Compute, Job
from mammo_steps.core.files import indented
from mammo_steps.core.fit_settings import FitSettings
from mammo_steps.core.history import best_epoch, history_csv
from mammo_steps.core.interruption import interruptions
from mammo_steps.core.network import save_network
from mammo_steps.core.ranks import Ranks, joined_ranks
from mammo_steps.core.run_record import run_record, versions
from mammo_steps.core.steps import json_object
from mammo_steps.core.task import Fitted, Run, Task
from mammo_steps.core.training import fit

log = logging.getLogger(__name__)


# name, type, whether it must be given, and meaning of each flag
MEMBER_FLAGS: tuple[tuple[str, Callable[[str], Any], bool, str], ...] = (
    ("--images", Path, True, "cohort/images.parquet"),
    ("--roles", Path, True, "cohort/roles.parquet"),
    ("--fold", int, True, "number of the fold"),
    ("--seed", int, True, "of every random choice"),
    ("--settings", json_object, True, "JSON, as in the config"),
    ("--compute", json_object, True, "JSON, as in the config"),
    ("--job", json_object, True, "JSON, as in the config"),
    ("--model", Path, True, "written: weights (safetensors)"),
    ("--history", Path, True, "written: one line per epoch (CSV)"),
    ("--record", Path, True, "written: cost and versions (JSON)"),
    (
        "--resume",
        Path,
        False,
        "folder for the state that an interrupted training goes on from; else it starts anew",
    ),
    ("--events", Path, False, "folder for TensorBoard's event files; else none are written"),
)


# and of the start from a bundle, by which the networks are told what they go on from
START_FLAGS: dict[str, dict[str, Any]] = {
    "--bundle": {"type": Path, "help": "folder of a bundle to start from (`core.bundle_start`)"},
    "--start": {
        "type": json_object,
        "default": {},
        "help": "JSON: bundle (its id), number of this network, layers, overlap, key_tag",
    },
    "--bundle-women": {
        "type": Path,
        "nargs": "*",
        "default": [],
        "help": "cohort/roles.parquet of studies behind the bundle that have this study's key",
    },
}


@dataclass(frozen=True)
class Member:
    """One training: what it runs on, where it writes, and what its weights' header says.

    inputs  files that decide the result; a changed one starts an interrupted training anew
    """

    compute: Compute
    job: Job
    model: Path
    history: Path
    run: Path
    resume: Path | None
    events: Path | None
    inputs: Iterable[Path]
    facts: dict[str, Any]

    def train(self, network: nn.Module, task: Task, settings: FitSettings) -> None:
        """Train the network and write its files; under torchrun every rank calls this, and rank 0 writes."""
        with interruptions() as interruption, joined_ranks(self.compute) as ranks:
            if ranks.rank == 0:
                self._log(task, ranks)
            take = Checkpoints.taken if ranks.rank == 0 else Checkpoints.seen
            checkpoints = take(self.resume, self._key(ranks)) if self.resume else None
            run = Run(self.job, interruption, ranks, checkpoints, self.events)
            fitted = fit(network, task, settings, self.compute, run)
            if ranks.rank == 0:
                self._write(network, fitted, run)

    def _log(self, task: Task, ranks: Ranks) -> None:
        log.info(
            "fold %d: %d positive images, %d exams with negatives, %d validation images, on %s",
            *(task.fold, len(task.pool.positives), len(task.pool.negatives), len(task.validation)),
            self.compute.torch_device if ranks.size == 1 else f"{ranks.size} x {self.compute.torch_device}",
        )

    def _key(self, ranks: Ranks) -> dict[str, Any]:
        """All that decides the result."""
        return {
            **self.facts,
            **versions(),
            "compute": asdict(self.compute),
            "processes": ranks.size,
            "inputs": stamps(self.inputs),
        }

    def _write(self, network: nn.Module, fitted: Fitted, run: Run) -> None:
        """Write weights with the facts in their header, the history, and the run's record."""
        if run.checkpoints:
            run.checkpoints.check_lock()
        save_network(network, self.facts, self.model)
        write_artefact(self.history, history_csv(fitted.history))
        record = {
            "compute": asdict(self.compute),
            "micro_batch": fitted.micro_batch,
            "precision": str(self.compute.autocast_type).removeprefix("torch."),
            "processes": run.ranks.size,
            "resumed": fitted.n_resumed,
            "epochs": [asdict(cost) for cost in fitted.costs],
            **run_record(self.compute.torch_device, fitted.earlier_s),
        }
        write_artefact(self.run, indented({**self.facts, **record}))
        if run.checkpoints:
            run.checkpoints.remove()
        kept = best_epoch(fitted.history) + 1
        log.info("fold %d: kept epoch %d of %d", self.facts["fold"], kept, len(fitted.history))
