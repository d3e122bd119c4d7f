"""How a training went, epoch by epoch: history.csv."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Epoch:
    """One line of history.csv; losses are mean cross-entropies, the AUC is per image.

    validation_loss  negatives weigh as much as in training, so that it can be laid beside train_loss
    """

    epoch: int
    n_positive: int
    n_negative: int
    learning_rate: float
    train_loss: float
    validation_loss: float
    validation_auc: float | None


@dataclass(frozen=True)
class EpochCost:
    """What an epoch took on this machine; never in a file that is compared.

    images_per_s       in training, waiting for the loader included
    peak_memory_mb     of the device; on a CPU of the process since it began
    loader_wait_share  of the training time in which the device's work waited for pictures
    """

    train_s: float
    validation_s: float
    images_per_s: float
    peak_memory_mb: float
    loader_wait_share: float


def best_epoch(history: Sequence[Epoch]) -> int:
    """Number of the epoch whose weights `fit` kept: that of the lowest validation loss, of equals the first.

    Not of the highest AUC: a hair more of it can come with margins on a scale far from that of other folds and epochs,
    and margins are summed over views and pooled over folds.
    """

    def loss(epoch: Epoch) -> float:
        return epoch.validation_loss if math.isfinite(epoch.validation_loss) else math.inf

    return min(history, key=lambda epoch: (loss(epoch), epoch.epoch)).epoch


def history_csv(history: Sequence[Epoch]) -> str:
    """One line per epoch, counted from 1 as in the log, and which one was kept."""
    text = io.StringIO()
    kept = best_epoch(history)
    writer = csv.DictWriter(text, [*asdict(history[0]), "kept"], lineterminator="\n")
    writer.writeheader()
    for epoch in history:
        row = {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in asdict(epoch).items()}
        writer.writerow({**row, "epoch": epoch.epoch + 1, "kept": int(epoch.epoch == kept)})
    return text.getvalue()
