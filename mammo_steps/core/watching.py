"""Telling how a training goes."""

import logging
from pathlib import Path
from types import TracebackType
from typing import Self

from mammo_steps.core.history import Epoch, EpochCost

log = logging.getLogger(__name__)


class Watch:
    """Log lines of a training of `n_epochs` epochs and `n_steps` steps in all."""

    def __init__(self, n_steps: int, n_epochs: int, fold: int, events: Path | None) -> None:
        self.n_steps, self.n_epochs, self.fold, self.events = n_steps, n_epochs, fold, events

    def step(self, n_done: int, loss: float, rate: float, images_per_s: float) -> None:
        pass

    def epoch(self, epoch: Epoch, cost: EpochCost) -> None:
        took = cost.train_s + cost.validation_s
        log.info(
            "fold %d epoch %d of %d: loss %.4f, validation loss %.4f, AUC %s; %.0f images/s, %.0f s left",
            *(self.fold, epoch.epoch + 1, self.n_epochs, epoch.train_loss, epoch.validation_loss),
            "undefined" if epoch.validation_auc is None else f"{epoch.validation_auc:.3f}",
            cost.images_per_s,
            took * (self.n_epochs - epoch.epoch - 1),
        )

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
