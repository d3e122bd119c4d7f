"""What is learnt, in what surroundings, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mammo_steps.core.checkpoint import Checkpoints
from mammo_steps.core.compute import Job
from mammo_steps.core.fit_settings import FitSettings
from mammo_steps.core.history import Epoch, EpochCost
from mammo_steps.core.image_store import ImageStore
from mammo_steps.core.interruption import Interruption
from mammo_steps.core.ranks import ALONE, Ranks
from mammo_steps.core.sampling import Draw, Pool, epoch_images


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

    def batches(self, settings: FitSettings, epoch: int) -> list[Sequence[str]]:
        """Image ids of an epoch's batches, in their order."""
        draw = Draw(settings.negatives_per_positive, settings.shuffle_buffer)
        ids = epoch_images(self.pool, draw, self.seed, self.fold, epoch)
        return _in_batches(ids, settings.batch_size)


@dataclass(frozen=True)
class Run:
    """What a training runs in; nothing here changes what it learns, but for the rounding of several ranks.

    checkpoints   where its state is saved and found again; None = it is not
    interruption  may ask it to end
    events        folder for TensorBoard's files; None = none are written
    """

    job: Job
    interruption: Interruption
    ranks: Ranks = ALONE
    checkpoints: Checkpoints | None = None
    events: Path | None = None


@dataclass(frozen=True)
class Fitted:
    """How a training went.

    micro_batch  images at once; less than was asked for where the device's memory did not suffice
    n_resumed    times it was interrupted and went on
    earlier_s    wall time before the last interruption, as far as checkpoints tell
    """

    history: list[Epoch]
    costs: list[EpochCost]
    micro_batch: int
    n_resumed: int
    earlier_s: float = 0.0


def _in_batches(ids: Sequence[str], batch_size: int) -> list[Sequence[str]]:
    """Batches of `batch_size`; what is left over joins the last one if it is under half a batch.

    (Batch normalisation cannot take one image alone, and learns badly from a few.)
    """
    starts = list(range(0, len(ids), batch_size))
    if len(starts) > 1 and len(ids) - starts[-1] < max(2, batch_size / 2):
        starts.pop()
    return [ids[a:b] for a, b in zip(starts, [*starts[1:], len(ids)], strict=True)]
