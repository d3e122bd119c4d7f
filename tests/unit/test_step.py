"""One step: micro-batches add up to the batch, memory that does not suffice, what a state holds."""

import logging
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from bright import CPU, SETTINGS
from torch import Tensor, nn

from mammo_steps.core.compute import Compute
from mammo_steps.core.network import NetworkSettings, normalised, start_network
from mammo_steps.core.ranks import ALONE
from mammo_steps.core.step import Part, Stepper

STILL = replace(SETTINGS, learning_rate=0.0)


class Plain(nn.Module):
    """No batch normalisation: images do not touch each other."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


def part(n: int, device: str = "cpu") -> Part:
    grey = torch.rand(n, 16, 16, generator=torch.Generator().manual_seed(1)).to(device)
    return Part(grey, (torch.arange(n) % 2).to(device), n)


def stepper(network: nn.Module, compute: Compute = CPU) -> Stepper:
    network.train()
    return Stepper(network, STILL, compute, ALONE)


def test_gradients_of_micro_batches_add_up_to_those_of_the_batch(device: torch.device) -> None:
    whole, pieces = Plain(), Plain()
    batch = part(7, device.type)
    loss = F.cross_entropy(whole.to(device)(normalised(batch.grey)), batch.target)
    loss.backward()
    losses = stepper(pieces, replace(CPU, device=device.type, micro_batch=3)).step(batch, 0.0)
    assert losses.shape == (7,) and losses.mean().item() == pytest.approx(loss.item(), rel=1e-5)
    for one, other in zip(whole.parameters(), pieces.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-6)


def test_running_statistics_are_the_mean_over_micro_batches() -> None:
    network = start_network(NetworkSettings("resnet10"), 0)
    batch = part(6)
    with torch.no_grad():
        x = network.conv1(normalised(batch.grey))
    wanted = torch.stack([0.9 * 0 + 0.1 * x[a : a + 2].mean(dim=(0, 2, 3)) for a in (0, 2, 4)]).mean(dim=0)
    stepper(network, replace(CPU, micro_batch=2)).step(batch, 0.0)
    torch.testing.assert_close(network.bn1.running_mean, wanted, rtol=1e-4, atol=1e-6)
    assert network.bn1.num_batches_tracked is not None and network.bn1.num_batches_tracked.item() == 1


def test_label_smoothing_is_that_of_cross_entropy() -> None:
    network, batch = Plain(), part(4)
    expected = F.cross_entropy(network(normalised(batch.grey)), batch.target, label_smoothing=0.2)
    found = Stepper(network, replace(STILL, label_smoothing=0.2), CPU, ALONE).step(batch, 0.0)
    assert found.mean().item() == pytest.approx(expected.item(), rel=1e-5)


class Greedy(Plain):
    """Runs out of memory with more than `most` images at once, after its batch norm saw them."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.most = most

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        if len(x) > self.most:
            raise torch.OutOfMemoryError("no memory")
        return super().forward(x)


def test_out_of_memory_halves_the_micro_batch_and_keeps_the_batch(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    greedy, frugal = Greedy(2), Greedy(99)
    hit = stepper(greedy, replace(CPU, micro_batch=8))
    losses = hit.step(part(8), 0.0)
    assert hit.micro_batch == 2 and losses.shape == (8,)
    assert [r.getMessage()[:75] for r in caplog.records] == [
        "out of memory with 8 images at once: from here on 4. The batch of 8 stays; ",
        "out of memory with 4 images at once: from here on 2. The batch of 8 stays; ",
    ]
    stepper(frugal, replace(CPU, micro_batch=2)).step(part(8), 0.0)
    for name, value in frugal.state_dict().items():
        assert torch.equal(value, greedy.state_dict()[name]), name


def test_one_image_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(
        ValueError, match=r"one image of \(16, 16\) pixels does not fit into the memory of cpu"
    ):
        stepper(Greedy(0)).step(part(4), 0.0)


def test_a_restored_stepper_goes_on_as_if_nothing_had_been() -> None:
    moving = replace(SETTINGS, learning_rate=0.01, ema_decay=0.9)
    unbroken, first, second = (
        Stepper(start_network(NetworkSettings("resnet10"), seed).train(), moving, CPU, ALONE)
        for seed in (0, 0, 5)
    )
    for _ in range(2):
        unbroken.step(part(8), 0.01)
    first.step(part(8), 0.01)
    second.restore(first.state())
    second.step(part(8), 0.01)
    for one, other in ((unbroken.network, second.network), (unbroken.scored, second.scored)):
        for name, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[name]), name
