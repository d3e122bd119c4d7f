"""An interrupted training goes on and ends with the same weights, to the byte."""

import logging
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from bright import CPU, SETTINGS, bright_task, run
from torch import Tensor, nn

from mammo_steps.core.checkpoint import Checkpoints, LockLostError
from mammo_steps.core.fit_settings import FitSettings
from mammo_steps.core.image_store import ImageStore, Pixels
from mammo_steps.core.interruption import Interrupted, Interruption, interruptions
from mammo_steps.core.network import NetworkSettings, start_network
from mammo_steps.core.task import Fitted, Run, Task
from mammo_steps.core.training import fit

MOVING = replace(SETTINGS, learning_rate=0.01, schedule="one_cycle", ema_decay=0.8, input_px=32)


class Dropping(nn.Module):
    """A network whose steps draw random numbers of torch's own."""

    def __init__(self) -> None:
        super().__init__()
        self.net = start_network(NetworkSettings("resnet10"), 3)
        self.drop = nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(self.drop(x))


class Interrupting(ImageStore):
    """Asks for the end when it has read so many images."""

    def __init__(self, store: ImageStore, interruption: Interruption, after: int) -> None:
        super().__init__(store.places)
        self.interruption, self.left = interruption, after

    def opened_anew(self) -> ImageStore:
        return self  # one thread reads

    def canvas(self, image_id: str) -> Pixels:
        self.left -= 1
        if self.left == 0:
            self.interruption.note(signal.SIGTERM, None)
        return super().canvas(image_id)


def trained(
    task: Task, folder: Path | None, after: int = 0, settings: FitSettings = MOVING
) -> tuple[Fitted, dict[str, Tensor]]:
    """Train from the start or the folder's checkpoint; asked to end after so many images, if any."""
    network = Dropping()
    around = run()
    if after:
        task = replace(task, store=Interrupting(task.store, around.interruption, after))
    if folder:
        around = replace(around, checkpoints=Checkpoints.taken(folder, {"seed": 1}))
    fitted = fit(network, task, settings, CPU, around)
    return fitted, network.state_dict()


# an epoch reads 16 images for training and 8 to validate; three epochs
@pytest.mark.parametrize("after", [1, 6, 15, 17, 20, 24, 25, 50, 60])
def test_a_training_asked_to_end_goes_on_and_ends_with_the_same_weights(tmp_path: Path, after: int) -> None:
    task = bright_task(tmp_path)
    unbroken, wanted = trained(task, None)
    with pytest.raises(Interrupted) as ended:
        trained(task, tmp_path / "resume", after)
    assert ended.value.code == 128 + signal.SIGTERM
    fitted, found = trained(task, tmp_path / "resume")
    assert fitted.history == unbroken.history and fitted.n_resumed == 1 and len(fitted.costs) == 3
    assert unbroken.earlier_s == 0 < fitted.earlier_s
    for name, value in wanted.items():
        assert torch.equal(found[name], value), name


def test_a_training_interrupted_again_and_again_ends_with_the_same_weights(tmp_path: Path) -> None:
    task = bright_task(tmp_path)
    _, wanted = trained(task, None)
    n_interrupted = 0
    while True:
        try:
            fitted, found = trained(task, tmp_path / "resume", 9)
            break
        except Interrupted:
            n_interrupted += 1
    assert fitted.n_resumed == n_interrupted >= 3
    assert all(torch.equal(found[name], value) for name, value in wanted.items())


@pytest.mark.parametrize("batch_size", [MOVING.batch_size, 16])
def test_checkpoints_that_are_written_on_the_way_change_nothing(tmp_path: Path, batch_size: int) -> None:
    """Of 16 images an epoch: also where an epoch has a single batch."""
    task, settings = bright_task(tmp_path), replace(MOVING, batch_size=batch_size)
    _, wanted = trained(task, None, settings=settings)
    network = Dropping()
    often = replace(run(), checkpoints=Checkpoints.taken(tmp_path / "resume", {}))
    often = replace(often, job=replace(often.job, checkpoint_minutes=1e-9))
    fit(network, task, settings, CPU, often)
    assert (tmp_path / "resume" / "state.pt").is_file()
    assert all(torch.equal(network.state_dict()[name], value) for name, value in wanted.items())


class Stolen(ImageStore):
    """While it is read, another run of the same training begins."""

    def __init__(self, store: ImageStore, folder: Path) -> None:
        super().__init__(store.places)
        self.folder, self.left = folder, 10

    def opened_anew(self) -> ImageStore:
        return self  # one thread reads

    def canvas(self, image_id: str) -> Pixels:
        self.left -= 1
        if self.left == 0:
            Checkpoints.taken(self.folder, {})
        return super().canvas(image_id)


def test_a_training_that_was_started_again_elsewhere_ends_without_writing(tmp_path: Path) -> None:
    task = bright_task(tmp_path)
    folder = tmp_path / "resume"
    around = Run(replace(run().job, checkpoint_minutes=1e-9), Interruption())
    around = replace(around, checkpoints=Checkpoints.taken(folder, {}))
    with pytest.raises(LockLostError, match="the same training was started again"):
        fit(Dropping(), replace(task, store=Stolen(task.store, folder)), MOVING, CPU, around)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_noted_and_the_next_one_acts_as_ever(number: int) -> None:
    before = signal.getsignal(number)
    caught: list[int] = []
    signal.signal(number, lambda n, _: caught.append(n))
    try:
        with interruptions() as noted:
            assert not noted.asked
            os.kill(os.getpid(), number)
            assert noted.asked and caught == []
            os.kill(os.getpid(), number)
            assert caught == [number]
        with pytest.raises(Interrupted) as ended:
            noted.end()
        assert ended.value.code == 128 + number
    finally:
        signal.signal(number, before)


def test_going_on_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    task = bright_task(tmp_path)
    with pytest.raises(Interrupted):
        trained(task, tmp_path / "resume", 30)
    trained(task, tmp_path / "resume")
    assert "fold 0: goes on after step" in caplog.text and "of 12, interrupted 1 times so far" in caplog.text
