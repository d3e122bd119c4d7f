"""Run under torchrun by test_ranks.py: each rank trains the same task, rank 0 writes the weights to argv[2]."""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from bright import CPU, SETTINGS, bright_task, run

from mammo_steps.core.network import NetworkSettings, start_network
from mammo_steps.core.ranks import joined_ranks
from mammo_steps.core.training import fit


def main(folder: Path, out: Path, micro_batch: int) -> None:
    compute = replace(CPU, micro_batch=micro_batch)
    compute.prepare()
    settings = replace(SETTINGS, input_px=32, learning_rate=1e-4, batch_size=8, epochs=2)
    with joined_ranks(compute) as ranks:
        network = start_network(NetworkSettings("resnet10"), 1)
        task = bright_task(folder / f"rank{ranks.rank}")
        fitted = fit(network, task, settings, compute, replace(run(), ranks=ranks))
        if ranks.rank == 0:
            history = [loss for e in fitted.history for loss in (e.train_loss, e.validation_loss)]
            torch.save({"size": ranks.size, "history": history, "state": network.state_dict()}, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
