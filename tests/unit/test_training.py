from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mammo_steps.core.batches import AugmentSettings
from mammo_steps.core.compute import Compute
from mammo_steps.core.image_store import ImageStore, Place
from mammo_steps.core.sampling import training_pool
from mammo_steps.core.tables import RowGroupWriter
from mammo_steps.core.training import (
    Epoch,
    FitSettings,
    Task,
    _in_batches,
    best_epoch,
    fit,
    history_csv,
    rate_at,
)


def epoch(number: int, auc: float | None, loss: float) -> Epoch:
    return Epoch(number, 1, 1, 0.1, 0.5, loss, auc)


def test_the_best_epoch_has_the_highest_auc_then_the_lowest_loss_then_comes_first() -> None:
    assert best_epoch([epoch(0, 0.7, 0.1), epoch(1, 0.8, 0.9), epoch(2, 0.8, 0.5), epoch(3, 0.8, 0.5)]) == 2


def test_an_epoch_whose_outputs_overflowed_is_not_kept() -> None:
    nan, inf = float("nan"), float("inf")
    assert best_epoch([epoch(0, nan, nan), epoch(1, 0.6, 0.5), epoch(2, 0.9, inf), epoch(3, 0.7, 0.6)]) == 3
    assert best_epoch([epoch(0, None, nan), epoch(1, None, 0.5)]) == 1


def test_without_an_auc_the_loss_decides() -> None:
    assert best_epoch([epoch(0, None, 0.5), epoch(1, None, 0.4)]) == 1
    assert history_csv([epoch(0, None, 0.5)]).splitlines()[1] == "0,1,1,0.1,0.5,0.5,,1"


def test_a_small_rest_joins_the_last_batch_and_nothing_is_lost() -> None:
    ids = [str(i) for i in range(19)]
    assert [len(b) for b in _in_batches(ids, 8)] == [8, 11]
    assert [len(b) for b in _in_batches(ids[:12], 8)] == [8, 4]
    assert [len(b) for b in _in_batches(ids[:1], 8)] == [1]
    assert [i for b in _in_batches(ids, 8) for i in b] == ids


def test_one_cycle_rises_to_the_top_at_30_per_cent_and_falls_to_nothing() -> None:
    assert rate_at(0.0, "one_cycle") == pytest.approx(0.04)
    assert rate_at(0.3, "one_cycle") == pytest.approx(1.0)
    assert rate_at(0.65, "one_cycle") == pytest.approx(0.5)
    assert rate_at(1.0, "one_cycle") == pytest.approx(0.0)
    assert rate_at(0.9, "constant") == 1.0


class _Bright(nn.Module):
    """Learns a weight for an image's mean brightness."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.line(x.mean(dim=(1, 2, 3))[:, None])


def bright_task(tmp_path: Path) -> Task:
    """Bright images are positive, dark ones negative; n8 to n11 and p8 to p11 validate."""
    ids = sorted([f"p{i:02d}" for i in range(12)] + [f"n{i:02d}" for i in range(12)])
    with RowGroupWriter(tmp_path / "h.parquet", "holistic", "lz4") as writer:
        for i in ids:
            grey = np.full((8, 8), 200 if i[0] == "p" else 50, np.uint8)
            writer.append({"image_id": i, "height_px": 8, "width_px": 8, "bits": 8, "pixels": grey.tobytes()})
    targets = {i: int(i[0] == "p") for i in ids}
    train = [i for i in ids if int(i[1:]) < 8]
    pool = training_pool(train, train, [targets[i] for i in train])
    store = ImageStore({i: Place(tmp_path / "h.parquet", n, 0, 0) for n, i in enumerate(ids)})
    return Task(store, targets, pool, [i for i in ids if i not in train], seed=1, fold=0)


CPU = Compute("cpu", 1, "fp32", 4, "never", False)
SETTINGS = FitSettings(8, 3, 4, 1.0, 0.5, "constant", 0.0, AugmentSettings([], 0, 0, 0.0))


def test_a_network_learns_what_can_be_learnt(tmp_path: Path, device: torch.device) -> None:
    torch.manual_seed(0)
    history = fit(
        _Bright(), bright_task(tmp_path), SETTINGS, Compute(device.type, 1, "fp32", 4, "never", False)
    )
    assert history[-1].validation_auc == 1.0 and history[-1].train_loss < history[0].train_loss
    assert [(e.n_positive, e.n_negative) for e in history] == [(8, 8)] * 3


class _Broken(_Bright):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * torch.nan


def test_a_loss_that_is_not_finite_stops_with_the_images(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"fold 0, step 0: the loss is nan; images of the batch: \['"):
        fit(_Broken(), bright_task(tmp_path), SETTINGS, CPU)


class _BrokenWhenScored(_Bright):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * (1.0 if self.training else torch.nan)


def test_outputs_that_overflow_in_every_epoch_stop_the_training(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="fold 0: outputs overflowed on the validation images of every epoch"
    ):
        fit(_BrokenWhenScored(), bright_task(tmp_path), SETTINGS, CPU)


def test_an_unknown_schedule_or_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="schedule is 'step', wanted constant or one_cycle"):
        FitSettings(8, 3, 4, 1.0, 0.5, "step", 0.0, SETTINGS.augment)
    with pytest.raises(ValueError, match="precision is 'fp8', wanted one of"):
        replace(CPU, precision="fp8")
