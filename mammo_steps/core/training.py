"""The training loop that the holistic and the attention model share."""

import logging
import math
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor, nn

from mammo_steps.core.batches import Loader
from mammo_steps.core.compute import Compute
from mammo_steps.core.fit_settings import FitSettings, rate_at
from mammo_steps.core.history import Epoch, EpochCost, best_epoch
from mammo_steps.core.inference import Scoring, score_images
from mammo_steps.core.progress import Progress
from mammo_steps.core.randomness import seed_of
from mammo_steps.core.ranking import loss_and_auc
from mammo_steps.core.run_record import elapsed_s
from mammo_steps.core.step import Part, Stepper
from mammo_steps.core.task import Fitted, Run, Task
from mammo_steps.core.watching import Silence, Watch

log = logging.getLogger(__name__)

_END = 1000  # told by a rank that was asked to end; 1: a checkpoint is due
_SCORED_AT_ONCE = 32  # batches of validation images between two looks at whether the job shall end


def fit(network: nn.Module, task: Task, settings: FitSettings, compute: Compute, run: Run) -> Fitted:
    """Train in place; the network ends with the weights of its best epoch on the validation women.

    Best is the lowest loss over validation images, see `core.history.best_epoch`.
    """
    if not task.pool.positives or not task.pool.negatives:
        raise ValueError(
            f"fold {task.fold}: {len(task.pool.positives)} positive images and {len(task.pool.negatives)} "
            "exams with negative images to train on, at least one of each is wanted: use fewer folds or more exams"
        )
    if not task.validation:
        raise ValueError(f"fold {task.fold}: no validation images; raise split_folds.validation_share")
    if settings.batch_size < 2 * run.ranks.size:
        raise ValueError(
            f"batch_size {settings.batch_size} for {run.ranks.size} GPUs: each wants two images at least; raise "
            "batch_size, or take fewer GPUs"
        )
    training = _Training(network, task, settings, compute, run)
    training.resume()
    return training.fit()


def set_to_train(network: nn.Module) -> None:
    """Train mode, but for parts of which nothing learns: these stay as they score, running statistics and all."""
    network.train()
    for module in network.modules():
        own = list(module.parameters())
        if own and not any(parameter.requires_grad for parameter in own):
            module.eval()


@dataclass(frozen=True)
class _Pending:
    """A step whose losses have not been looked at: they are while the device works on the next one."""

    number: int
    ids: Sequence[str]
    losses: Tensor
    signal: Tensor


class _Training:
    """A network on its way through the epochs."""

    def __init__(
        self, network: nn.Module, task: Task, settings: FitSettings, compute: Compute, run: Run
    ) -> None:
        self.network, self.task, self.settings, self.compute, self.run = network, task, settings, compute, run
        self.device = compute.torch_device
        self.loader = Loader(task.store, self.device, run.job.loader_threads)
        self.stepper = Stepper(network, settings, compute, run.ranks)
        self.n_steps = sum(len(task.batches(settings, number)) for number in range(settings.epochs))
        self.progress = Progress()
        self.best: dict[str, Tensor] = {}
        self.watch = Silence()
        self.saved_s = time.monotonic()
        self.earlier_s = 0.0  # of processes that were interrupted

    def fit(self) -> Fitted:
        progress = self.progress
        if self.run.ranks.rank == 0:
            self.watch = Watch(self.task, self.settings, self.n_steps, progress.n_done, self.run.events)
        with closing(self.watch):
            while progress.epoch < self.settings.epochs:
                self._train_epoch()
                self._end_epoch()
        history = [Epoch(**epoch) for epoch in progress.history]
        if not math.isfinite(history[best_epoch(history)].validation_loss):
            raise ValueError(
                f"fold {self.task.fold}: outputs overflowed on the validation images of every epoch: lower "
                "learning_rate"
            )
        self.network.load_state_dict(self.best)
        self.network.eval()
        costs = [EpochCost(**cost) for cost in progress.costs]
        return Fitted(history, costs, self.stepper.micro_batch, progress.n_resumed, self.earlier_s)

    def resume(self) -> None:
        """Go on from the last checkpoint, if there is one of this training."""
        state = self.run.checkpoints.load() if self.run.checkpoints else None
        if state is None:
            return
        self.stepper.restore(state["stepper"])
        self.progress, self.best = Progress(**state["progress"]), state["best"]
        self.progress.n_resumed += 1
        self.earlier_s = self.progress.wall_s
        log.info(
            "fold %d: goes on after step %d of %d, interrupted %d times so far",
            *(self.task.fold, self.progress.n_done, self.n_steps, self.progress.n_resumed),
        )

    def _save(self) -> None:
        """Write the checkpoint; every rank calls this after the same step."""
        self._agree()
        self._write()

    def _agree(self) -> None:
        """Let all ranks hold the same state; each has its own running statistics else."""
        for network in (self.network, self.stepper.scored):
            self.run.ranks.average_buffers(network)

    def _write(self) -> None:
        self.saved_s = time.monotonic()
        self.progress.wall_s = self.earlier_s + elapsed_s()
        if self.run.checkpoints is not None and self.run.ranks.rank == 0:
            self.run.checkpoints.save(
                {"stepper": self.stepper.state(), "progress": asdict(self.progress), "best": self.best}
            )

    def _train_epoch(self) -> None:
        """What is left of the epoch's batches."""
        task, settings, progress = self.task, self.settings, self.progress
        batches = task.batches(settings, progress.epoch)[progress.n_in_epoch :]
        mine = [self.run.ranks.part(ids) for ids in batches]
        if not all(mine):
            raise ValueError(
                f"fold {task.fold}: a batch of {min(map(len, batches))} images for {self.run.ranks.size} GPUs: there "
                "are too few images to train on; take fewer GPUs"
            )
        key = (task.seed, task.fold, progress.epoch)
        pictures = self.loader.training(mine, settings.input_px, settings.augment, key)
        set_to_train(self.network)
        pending: _Pending | None = None
        clock = time.monotonic()
        for batch in batches:
            waiting = time.monotonic()
            ids, grey = next(pictures)
            progress.wait_s += time.monotonic() - waiting
            begun = self._begin(ids, grey, len(batch))
            signal = self._look_at(pending) if pending else 0
            if signal:
                signal = max(signal, self._look_at(begun))
            pending = None if signal else begun
            progress.train_s, clock = progress.train_s + time.monotonic() - clock, time.monotonic()
            self._heed(signal)
        if pending:
            signal = self._look_at(pending)
            progress.train_s += time.monotonic() - clock
            self._heed(signal)
        pictures.close()

    def _heed(self, signal: float) -> None:
        """Do what a step was told."""
        if signal:
            self._save()
        if signal >= _END:
            self.run.interruption.end()

    def _begin(self, ids: Sequence[str], grey: Tensor, n_all: int) -> _Pending:
        """Start a step; on a GPU this returns long before the step is done."""
        progress, task = self.progress, self.task
        # generators that are not ours (dropout) start anew in every step, so that a resumed training repeats them
        torch.manual_seed(seed_of("step", task.seed, task.fold, progress.n_done, self.run.ranks.rank))
        rate = self._rate(progress.n_done)
        target = torch.tensor([task.targets[i] for i in ids]).to(grey.device, non_blocking=True)
        losses = self.stepper.step(Part(grey, target, n_all), rate)
        told = _END * self.run.interruption.asked + (self.run.ranks.rank == 0 and self._save_is_due())
        signal = torch.tensor([float(told)], device=self.device)
        self.run.ranks.add_up([signal])
        begun = _Pending(progress.n_done, ids, losses, signal)
        progress.n_done += 1
        progress.n_in_epoch += 1
        progress.n_images += n_all
        return begun

    def _rate(self, number: int) -> float:
        """The learning rate of a step."""
        return self.settings.learning_rate * rate_at((number + 0.5) / self.n_steps, self.settings.schedule)

    def _save_is_due(self) -> bool:
        return (
            self.run.checkpoints is not None
            and time.monotonic() - self.saved_s > 60 * self.run.job.checkpoint_minutes
        )

    def _look_at(self, step: _Pending) -> float:
        """Wait for a step; 0, or what the ranks told in it: to save (from 1), to save and end (from _END)."""
        total = float(step.losses.double().sum().item())
        if not math.isfinite(total):
            found = step.losses.tolist()
            raise ValueError(
                f"fold {self.task.fold}, step {step.number}: the loss is not finite for images "
                f"{[i for i, loss in zip(step.ids, found, strict=True) if not math.isfinite(loss)]} of the batch "
                f"{list(step.ids)}. Look at these images; if they are sound, lower learning_rate"
            )
        progress = self.progress
        progress.loss_sum += total
        loss = total / len(step.ids)
        self.watch.step(step.number + 1, loss, self._rate(step.number), progress.images_per_s)
        return step.signal.item()

    def _end_epoch(self) -> None:
        """Validate, keep the weights if they are the best so far, and turn to the next epoch."""
        progress, task = self.progress, self.task
        self._agree()
        batches = task.batches(self.settings, progress.epoch)
        n_positive = sum(task.targets[i] for ids in batches for i in ids)
        total = torch.tensor([progress.loss_sum], dtype=torch.float64, device=self.device)
        self.run.ranks.add_up([total])
        started = time.monotonic()
        targets = np.array([task.targets[i] for i in task.validation])
        loss, auc = loss_and_auc(targets, self._margins(), self.settings.negatives_per_positive)
        epoch = Epoch(
            epoch=progress.epoch,
            n_positive=n_positive,
            n_negative=sum(map(len, batches)) - n_positive,
            learning_rate=self._rate(progress.n_done - 1),
            train_loss=total.item() / sum(map(len, batches)),
            validation_loss=loss,
            validation_auc=auc,
        )
        cost = progress.cost(time.monotonic() - started, self.device)
        progress.history.append(asdict(epoch))
        progress.costs.append(asdict(cost))
        self.watch.epoch(epoch, cost)
        if best_epoch([Epoch(**e) for e in progress.history]) == epoch.epoch:
            state = self.stepper.scored.state_dict()
            self.best = {name: value.detach().to("cpu", copy=True) for name, value in state.items()}
        progress.turn()

    def _margins(self) -> np.ndarray:
        """(n,) margins of the validation images; the ranks share them out."""
        ids, ranks = self.task.validation, self.run.ranks
        how = Scoring(self.settings.input_px, self.compute.micro_batch)
        network = self.stepper.scored.eval()
        mine = range(ranks.rank, len(ids), ranks.size)
        margin = torch.zeros(len(ids), dtype=torch.float64, device=self.device)
        length = _SCORED_AT_ONCE * how.batch_size
        for first in range(0, len(mine), length):
            if (
                self.run.interruption.asked
            ):  # every rank is asked, and all hold the same state: no need to agree
                self._write()
                self.run.interruption.end()
            some = mine[first : first + length]
            found = score_images(network, self.loader, [ids[i] for i in some], how, self.compute)
            margin[list(some)] = torch.tensor([found[ids[i]] for i in some], dtype=torch.float64).to(
                self.device
            )
        ranks.add_up([margin])
        return margin.cpu().numpy()
