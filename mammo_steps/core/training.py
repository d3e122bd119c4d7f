"""The training loop that the holistic and the attention model share."""

import csv
import io
import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from mammo_steps.core.batches import AugmentSettings, training_batches
from mammo_steps.core.compute import Compute
from mammo_steps.core.image_store import ImageStore
from mammo_steps.core.inference import Scoring, score_images
from mammo_steps.core.network import normalised
from mammo_steps.core.ranking import auc_of
from mammo_steps.core.sampling import Pool, epoch_images

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FitSettings:
    """How a network is trained; config/config.yaml says what each default is for.

    input_px                side of the network's square input
    epochs                  an epoch is every positive once and the negatives that go with them
    batch_size              images per step
    negatives_per_positive  negatives drawn for each positive in an epoch
    learning_rate           highest rate of the schedule
    schedule                `constant` or `one_cycle` (rises over the first 30 % of steps, then falls to 0)
    weight_decay            of AdamW
    augment                 random changes of the training images
    """

    input_px: int
    epochs: int
    batch_size: int
    negatives_per_positive: float
    learning_rate: float
    schedule: str
    weight_decay: float
    augment: AugmentSettings

    def __post_init__(self) -> None:
        if self.schedule not in ("constant", "one_cycle"):
            raise ValueError(f"schedule is {self.schedule!r}, wanted constant or one_cycle")


@dataclass(frozen=True)
class Task:
    """What is learnt by which fold.

    store       training and validation images
    targets     image id -> 0 or 1; images of either part, those with a null target left out
    pool        the training images
    validation  ids of the validation images, sorted
    seed, fold  of the random streams
    """

    store: ImageStore
    targets: Mapping[str, int]
    pool: Pool
    validation: Sequence[str]
    seed: int
    fold: int


@dataclass(frozen=True)
class Epoch:
    """One line of history.csv; losses are mean cross-entropies, the AUC is per image."""

    epoch: int
    n_positive: int
    n_negative: int
    learning_rate: float
    train_loss: float
    validation_loss: float
    validation_auc: float | None


def fit(network: nn.Module, task: Task, settings: FitSettings, compute: Compute) -> list[Epoch]:
    """Train in place; the network ends with the weights of its best epoch on the validation women.

    Best is the highest AUC over validation images, then the lowest loss; without both classes among the
    validation images the loss alone decides.
    """
    if not task.pool.positives or not task.pool.negatives:
        raise ValueError(
            f"fold {task.fold}: {len(task.pool.positives)} positive images and {len(task.pool.negatives)} "
            "exams with negative images to train on, at least one of each is wanted: use fewer folds or more exams"
        )
    training = _Training(network, task, settings, compute)
    history: list[Epoch] = []
    best_state: dict[str, torch.Tensor] = {}
    for number in range(settings.epochs):
        started = time.monotonic()
        epoch = training.epoch(number)
        history.append(epoch)
        if best_epoch(history) == number:
            best_state = {name: value.detach().clone() for name, value in network.state_dict().items()}
        took = time.monotonic() - started
        log.info(
            "fold %d epoch %d of %d: loss %.4f, validation loss %.4f, AUC %s; %.0f images/s, %.0f s left",
            *(task.fold, number + 1, settings.epochs, epoch.train_loss, epoch.validation_loss),
            "undefined" if epoch.validation_auc is None else f"{epoch.validation_auc:.3f}",
            (epoch.n_positive + epoch.n_negative + len(task.validation)) / took,
            took * (settings.epochs - number - 1),
        )
    if not math.isfinite(history[best_epoch(history)].validation_loss):
        raise ValueError(
            f"fold {task.fold}: outputs overflowed on the validation images of every epoch: lower learning_rate"
        )
    network.load_state_dict(best_state)
    network.eval()
    return history


def best_epoch(history: Sequence[Epoch]) -> int:
    """Number of the epoch whose weights `fit` kept; one whose outputs overflowed only if all did."""
    return max(
        history,
        key=lambda e: (
            math.isfinite(e.validation_loss),
            -math.inf if e.validation_auc is None else e.validation_auc,
            -e.validation_loss,
            -e.epoch,
        ),
    ).epoch


def history_csv(history: Sequence[Epoch]) -> str:
    """One line per epoch, and which one was kept."""
    text = io.StringIO()
    kept = best_epoch(history)
    writer = csv.DictWriter(text, [*asdict(history[0]), "kept"], lineterminator="\n")
    writer.writeheader()
    for epoch in history:
        row = {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in asdict(epoch).items()}
        writer.writerow({**row, "kept": int(epoch.epoch == kept)})
    return text.getvalue()


def _in_batches(ids: Sequence[str], batch_size: int) -> list[Sequence[str]]:
    """Batches of `batch_size`; what is left over joins the last one if it is under half a batch.

    (Batch normalisation cannot take one image alone, and learns badly from a few.)
    """
    starts = list(range(0, len(ids), batch_size))
    if len(starts) > 1 and len(ids) - starts[-1] < max(2, batch_size / 2):
        starts.pop()
    return [ids[a:b] for a, b in zip(starts, [*starts[1:], len(ids)], strict=True)]


def rate_at(share: float, schedule: str) -> float:
    """The learning rate after `share` (0..1) of all steps, as a part of its highest."""
    if schedule == "constant":
        return 1.0
    rise = 0.3
    if share < rise:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * share / rise)) / 2
    return (1 + math.cos(math.pi * (share - rise) / (1 - rise))) / 2


class _Training:
    """A network and its optimiser on their way through the epochs."""

    def __init__(self, network: nn.Module, task: Task, settings: FitSettings, compute: Compute) -> None:
        self.network = network.to(compute.torch_device)
        self.task, self.settings, self.compute = task, settings, compute
        self.optimiser = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.n_steps = sum(len(self._batches(number)) for number in range(settings.epochs))
        self.n_done = 0

    def _batches(self, number: int) -> list[Sequence[str]]:
        task, settings = self.task, self.settings
        ids = epoch_images(task.pool, settings.negatives_per_positive, task.seed, task.fold, number)
        return _in_batches(ids, settings.batch_size)

    def epoch(self, number: int) -> Epoch:
        """One pass over the epoch's images, then the validation women."""
        task, settings, device = self.task, self.settings, self.compute.torch_device
        batches = self._batches(number)
        key = (task.seed, task.fold, number)
        self.network.train()
        total = 0.0
        for ids, grey in training_batches(
            task.store, batches, settings.input_px, settings.augment, key, device
        ):
            total += self._step(ids, grey) * len(ids)
        n_images = sum(map(len, batches))
        n_positive = sum(task.targets[i] for ids in batches for i in ids)
        loss, auc = self._validate()
        return Epoch(
            epoch=number,
            n_positive=n_positive,
            n_negative=n_images - n_positive,
            learning_rate=float(self.optimiser.param_groups[0]["lr"]),
            train_loss=total / n_images,
            validation_loss=loss,
            validation_auc=auc,
        )

    def _step(self, ids: Sequence[str], grey: torch.Tensor) -> float:
        rate = rate_at((self.n_done + 0.5) / self.n_steps, self.settings.schedule)
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * rate
        targets = torch.tensor([self.task.targets[i] for i in ids], device=grey.device)
        with self.compute.autocast():
            logits = self.network(normalised(grey))
        loss = F.cross_entropy(logits.float(), targets)
        if not torch.isfinite(loss):
            raise ValueError(
                f"fold {self.task.fold}, step {self.n_done}: the loss is {loss.item()}; images of the batch: "
                f"{list(ids)}. Lower learning_rate, or look at these images"
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.n_done += 1
        return loss.item()

    def _validate(self) -> tuple[float, float | None]:
        """Mean loss and AUC over the validation images."""
        task, settings = self.task, self.settings
        self.network.eval()
        found = score_images(
            self.network,
            task.store,
            task.validation,
            Scoring(settings.input_px, settings.batch_size),
            self.compute,
        )
        targets = np.array([task.targets[i] for i in task.validation])
        margin = np.array([found[i] for i in task.validation])
        if not margin.size:
            raise ValueError(f"fold {task.fold}: no validation images; raise split_folds.validation_share")
        # cross-entropy of two nodes = log(1 + exp(-margin)) for a positive, of +margin for a negative
        loss = float(np.logaddexp(0, np.where(targets == 1, -margin, margin)).mean())
        return loss, auc_of(targets, margin) if np.isfinite(margin).all() else None
