"""Telling how a training goes: progress line, TensorBoard's event files, warnings."""

import logging
import time
from datetime import timedelta
from pathlib import Path

from tqdm import tqdm

from mammo_steps.core.fit_settings import FitSettings
from mammo_steps.core.history import Epoch, EpochCost
from mammo_steps.core.task import Task

log = logging.getLogger(__name__)

_LINE_EVERY_S = 30.0  # in a job's log; on a terminal there is a bar
_FEW_POSITIVES = 20  # per epoch
_FEW_TO_CHOOSE_BY = 5  # positive validation images


class Silence:
    """What the other ranks of a training have for a watch."""

    def step(self, n_done: int, loss: float, rate: float, images_per_s: float) -> None:
        pass

    def epoch(self, epoch: Epoch, cost: EpochCost) -> None:
        pass

    def close(self) -> None:
        pass


class Watch(Silence):
    """Tells what the training loop reports. `n_done` steps of `n_steps` were done when the job began.

    events  folder for TensorBoard's event files, None = none. A training that goes on there makes one curve with what
            came before; one that starts anew removes the files of its forerunner.
    """

    def __init__(
        self, task: Task, settings: FitSettings, n_steps: int, n_done: int, events: Path | None
    ) -> None:
        self.fold, self.n_epochs, self.n_steps = task.fold, settings.epochs, n_steps
        self.n_before, self.n_done = n_done, n_done
        self.began = self.told = time.monotonic()
        self.bar = tqdm(total=n_steps, initial=n_done, unit="step", desc=f"fold {task.fold}", disable=None)
        self.events = _Events(events, n_done) if events else None
        warn_of_few(task, settings)

    def step(self, n_done: int, loss: float, rate: float, images_per_s: float) -> None:
        """After step number `n_done`, from 1; `images_per_s` of the epoch so far."""
        self.n_done = n_done
        self.bar.update(n_done - self.bar.n)
        self.bar.set_postfix_str(f"loss {loss:.3f}, {images_per_s:.0f} images/s", refresh=False)
        self._scalars({"step/loss": loss, "step/learning_rate": rate, "step/images_per_s": images_per_s})
        if self.bar.disable and time.monotonic() - self.told > _LINE_EVERY_S:
            self.told = time.monotonic()
            self._flush()
            log.info(
                "fold %d: step %d of %d, loss %.4f; %.0f images/s, %s left",
                *(self.fold, n_done, self.n_steps, loss, images_per_s, self.left),
            )

    def epoch(self, epoch: Epoch, cost: EpochCost) -> None:
        auc = epoch.validation_auc
        log.info(
            "fold %d epoch %d of %d: loss %.4f, validation loss %.4f, AUC %s; %.0f images/s, %.0f MB at most, %s left",
            *(self.fold, epoch.epoch + 1, self.n_epochs, epoch.train_loss, epoch.validation_loss),
            *(
                "undefined" if auc is None else f"{auc:.3f}",
                cost.images_per_s,
                cost.peak_memory_mb,
                self.left,
            ),
        )
        values = {
            "epoch/train_loss": epoch.train_loss,
            "epoch/validation_loss": epoch.validation_loss,
            "epoch/images_per_s": cost.images_per_s,
            "epoch/peak_memory_mb": cost.peak_memory_mb,
            "epoch/loader_wait_share": cost.loader_wait_share,
        }
        self._scalars(values if auc is None else {**values, "epoch/validation_auc": auc})
        self._flush()
        if auc is not None and auc < 0.5:
            log.warning(
                "fold %d epoch %d: the validation AUC is %.3f, worse than chance. In a first epoch that is noise; if "
                "it stays, look for swapped targets, too few positives, or a learning_rate that is too high",
                *(self.fold, epoch.epoch + 1, auc),
            )

    @property
    def left(self) -> str:
        """Time left at this job's pace, validation included."""
        pace_s = (time.monotonic() - self.began) / max(1, self.n_done - self.n_before)
        return str(timedelta(seconds=round(pace_s * (self.n_steps - self.n_done))))

    def _scalars(self, values: dict[str, float]) -> None:
        if self.events:
            self.events.add(values, self.n_done)

    def _flush(self) -> None:
        if self.events:
            self.events.file.flush()

    def close(self) -> None:
        self.bar.close()
        if self.events:
            self.events.file.close()


class _Events:
    """An event file in the folder; what an interrupted job told of later steps is taken back.

    It is written at once: tensorboardX's own `SummaryWriter` hands events to a thread, and where that dies of a full
    disk the training waits for it for ever.
    """

    def __init__(self, folder: Path, n_done: int) -> None:
        # only here: the training itself does without
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        folder.mkdir(parents=True, exist_ok=True)
        if n_done == 0:
            for old in folder.glob("events.out.tfevents.*"):
                old.unlink()
        self.file = EventsWriter(str(folder / "events"), f".{n_done}")
        start = SessionLog(status=SessionLog.START)
        self.file.write_event(Event(wall_time=time.time(), step=n_done + 1, session_log=start))

    def add(self, values: dict[str, float], step: int) -> None:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        told = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self.file.write_event(Event(wall_time=time.time(), step=step, summary=Summary(value=told)))


def warn_of_few(task: Task, settings: FitSettings) -> None:
    """Log what too few positive images do to a training."""
    n_positive, n_batches = len(task.pool.positives), len(task.batches(settings, 0))
    if n_positive < max(_FEW_POSITIVES, n_batches):
        log.warning(
            "fold %d: %d positive images for the %d batches of an epoch. The network will learn little from so few: "
            "use fewer folds, more exams with a cancer, or fewer negatives_per_positive",
            *(task.fold, n_positive, n_batches),
        )
    n_to_choose_by = sum(task.targets[i] for i in task.validation)
    if n_to_choose_by < _FEW_TO_CHOOSE_BY:
        log.warning(
            "fold %d: %d positive validation images: which epoch is kept is nearly a matter of chance. Raise "
            "split_folds.validation_share, or use fewer folds",
            *(task.fold, n_to_choose_by),
        )
