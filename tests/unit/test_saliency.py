import numpy as np
import pytest
import torch
from torch import nn

from mammo_steps.core.network import STD
from mammo_steps.core.saliency import Attention, attend, saliency_maps

WHOLE = (0, 10, 0, 10)


def attention_of(saliency: np.ndarray, box: tuple[int, int, int, int], fraction: float) -> Attention:
    return attend(torch.from_numpy(saliency)[None], [box], fraction)


def top_pixels(found: Attention) -> list[tuple[int, int]]:
    return [(row, col) for _, row, col in found.top.nonzero().tolist()]


def test_coa_of_a_known_map() -> None:
    saliency = np.zeros((10, 10))
    saliency[2, 3], saliency[2, 5], saliency[8, 4] = 5.0, 4.0, 3.0
    found = attention_of(saliency, WHOLE, 0.03)  # k = 3
    assert top_pixels(found) == [(2, 3), (2, 5), (8, 4)]
    assert (found.row.item(), found.col.item()) == (4.0, 4.0)
    # squared distances 4 + 1, 4 + 1, 16 + 0
    assert found.spread.item() == pytest.approx((26 / 3) ** 0.5)
    upper = torch.zeros(1, 10, 10, dtype=torch.bool)
    upper[:, :5] = True
    assert found.outside(upper).item() == pytest.approx(1 / 3)


def test_exactly_one_per_cent_of_976_squared() -> None:
    saliency = np.random.default_rng(0).random((976, 976))
    assert attention_of(saliency, (0, 976, 0, 976), 0.01).top.sum() == 9526


def test_of_equal_values_the_first_in_reading_order_count() -> None:
    found = attention_of(np.ones((10, 10)), WHOLE, 0.05)
    assert top_pixels(found) == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4)]


def test_padding_never_counts() -> None:
    saliency = np.zeros((10, 10))
    saliency[0, :] = 100.0  # padding row
    saliency[5, 5] = 1.0
    found = attention_of(saliency, (1, 10, 0, 10), 0.01)
    assert (found.row.item(), found.col.item()) == (5.0, 5.0)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_map_without_information_has_no_coa(value: float) -> None:
    found = attention_of(np.full((10, 10), value), WHOLE, 0.01)
    assert found.row.isnan().all() and found.col.isnan().all() and not found.top.any()


def test_maps_of_a_batch_have_their_own_boxes_and_numbers_of_top_pixels(device: torch.device) -> None:
    rng = np.random.default_rng(0)
    maps = np.round(rng.random((4, 40, 40)) * 20) / 20  # many ties
    maps[2] = 0
    boxes = [(0, 40, 0, 40), (5, 30, 0, 20), (0, 40, 0, 40), (0, 0, 0, 0)]
    found = attend(torch.from_numpy(maps).to(device), boxes, 0.05)
    assert found.top.sum(dim=(1, 2)).tolist() == [80, 25, 0, 0]
    for single, (r0, r1, c0, c1), top in zip(maps[:2], boxes, found.top.cpu().numpy(), strict=False):
        inside = single[r0:r1, c0:c1]
        k = round(0.05 * inside.size)
        order = np.argsort(-inside, axis=None, kind="stable")[:k]  # of equal values the first
        wanted = np.zeros(single.shape, bool)
        rows, cols = np.divmod(order, inside.shape[1])
        wanted[rows + r0, cols + c0] = True
        np.testing.assert_array_equal(top, wanted)


class _Weighted(nn.Module):
    """Logits whose margin is the sum of weights x pixels: the gradient is known."""

    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        score = (x[:, 0] * self.weights).sum(dim=(1, 2))
        return torch.stack([torch.zeros_like(score), score], dim=1)


def test_saliency_is_the_magnitude_of_the_margins_gradient(device: torch.device) -> None:
    weights = torch.tensor([[1.0, -3.0], [0.0, 2.0]], device=device)
    margin, saliency = saliency_maps(_Weighted(weights).eval(), torch.zeros(2, 2, 2, device=device))
    assert margin.shape == (2,)
    torch.testing.assert_close(saliency[1].cpu(), weights.abs().cpu() / STD)


def test_a_network_in_training_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="training mode"):
        saliency_maps(_Weighted(torch.ones(2, 2)).train(), torch.zeros(1, 2, 2))
