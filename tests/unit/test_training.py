from dataclasses import replace
from pathlib import Path

import pytest
import torch
from bright import CPU, SETTINGS, Bright, bright_task, run

from mammo_steps.core.training import fit


def test_a_network_learns_what_can_be_learnt(tmp_path: Path, device: torch.device) -> None:
    torch.manual_seed(0)
    compute = replace(CPU, device=device.type)
    history = fit(Bright(), bright_task(tmp_path), SETTINGS, compute, run()).history
    assert history[-1].validation_auc == 1.0 and history[-1].train_loss < history[0].train_loss
    assert [(e.n_positive, e.n_negative) for e in history] == [(8, 8)] * 3


class _Broken(Bright):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * torch.nan


def test_a_loss_that_is_not_finite_stops_with_the_images(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"fold 0, step 0: the loss is not finite for images \['[np]\d\d', '[np]\d\d'"
    ):
        fit(_Broken(), bright_task(tmp_path), SETTINGS, CPU, run())


class _BrokenWhenScored(Bright):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * (1.0 if self.training else torch.nan)


def test_outputs_that_overflow_in_every_epoch_stop_the_training(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="fold 0: outputs overflowed on the validation images of every epoch"
    ):
        fit(_BrokenWhenScored(), bright_task(tmp_path), SETTINGS, CPU, run())


class _SureWhenScored(Bright):
    """On validation images its margin is +inf for bright ones, -inf for the others: a loss of 0, were it taken."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = super().forward(x)
        if self.training:
            return found
        bright = x.mean(dim=(1, 2, 3)) > 0
        infinite = torch.where(bright, torch.inf, -torch.inf)
        return torch.stack([torch.zeros_like(infinite), infinite], dim=1)


def test_margins_that_overflow_in_the_right_direction_are_no_best_epoch(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fold 0: outputs overflowed on the validation images"):
        fit(_SureWhenScored(), bright_task(tmp_path), SETTINGS, CPU, run())


def test_without_validation_images_there_is_nothing_to_choose_by(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no validation images; raise split_folds.validation_share"):
        fit(Bright(), replace(bright_task(tmp_path), validation=[]), SETTINGS, CPU, run())


def test_costs_tell_each_epochs_speed_and_memory(tmp_path: Path) -> None:
    fitted = fit(Bright(), bright_task(tmp_path), SETTINGS, CPU, run())
    assert len(fitted.costs) == 3 and fitted.n_resumed == 0 and fitted.micro_batch == 4
    assert all(
        c.images_per_s > 0 and c.peak_memory_mb > 100 and 0 <= c.loader_wait_share <= 1 for c in fitted.costs
    )


def test_averaged_weights_lag_behind_the_last_ones(tmp_path: Path) -> None:
    moved = {}
    for decay in (None, 0.999999):
        torch.manual_seed(0)
        network = Bright()
        before = network.line.weight.detach().clone()
        fit(network, bright_task(tmp_path), replace(SETTINGS, ema_decay=decay), CPU, run())
        moved[decay] = (network.line.weight - before).abs().max().item()
    # the first of 12 steps starts the average; AdamW's first step is as long as the rate, 0.5
    assert moved[None] > 1.0 and moved[0.999999] == pytest.approx(0.5, abs=0.01)
