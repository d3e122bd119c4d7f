"""Scoring many images: order, filling, waiting margins, mirror images."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from bright import CPU
from torch import Tensor, nn

from mammo_steps.core import inference
from mammo_steps.core.backbones import build_network
from mammo_steps.core.batches import Loader
from mammo_steps.core.image_store import ImageStore, Place
from mammo_steps.core.inference import Scoring, flip_averaged, score_images
from mammo_steps.core.network import MEAN, STD, normalised
from mammo_steps.core.saliency import saliency_maps
from mammo_steps.core.tables import RowGroupWriter


class FirstColumn(nn.Module):
    """Margin = what stands in the first column of the network's input, summed."""

    def forward(self, x: Tensor) -> Tensor:
        total = x[:, 0, :, 0].sum(dim=1)
        return torch.stack([torch.zeros_like(total), total], dim=1)


def as_input(level: float) -> float:
    return (level / 255 - MEAN) / STD


def loader_of(tmp_path: Path, pictures: Sequence[np.ndarray], device: str = "cpu") -> Loader:
    """Pictures of 2 x 2 pixels, ids a, b, c, ..."""
    file, ids = tmp_path / "h.parquet", [chr(ord("a") + n) for n in range(len(pictures))]
    with RowGroupWriter(file, "holistic", "lz4") as writer:
        for image_id, picture in zip(ids, pictures, strict=True):
            pixels = picture.astype(np.uint8).tobytes()
            writer.append({"image_id": image_id, "height_px": 2, "width_px": 2, "bits": 8, "pixels": pixels})
    places = {image_id: Place(file, n, 0, 0) for n, image_id in enumerate(ids)}
    return Loader(ImageStore(places), torch.device(device), threads=2)


@pytest.mark.parametrize("fetched_at_once", [1, 2, 64])
def test_each_image_gets_its_own_margin_however_margins_are_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: torch.device, fetched_at_once: int
) -> None:
    monkeypatch.setattr(inference, "_FETCHED_AT_ONCE", fetched_at_once)
    loader = loader_of(tmp_path, [np.full((2, 2), 10 * n) for n in range(5)], device.type)
    ids, compute = ["e", "a", "c", "b", "d"], replace(CPU, device=device.type)
    found = score_images(FirstColumn().eval(), loader, ids, Scoring(2, 2), compute)
    assert list(found) == ids
    assert found == pytest.approx({i: 2 * as_input(10 * n) for n, i in enumerate("abcde")}, rel=1e-5)


def test_no_images_have_no_margins(tmp_path: Path) -> None:
    assert score_images(FirstColumn().eval(), loader_of(tmp_path, []), [], Scoring(2, 2), CPU) == {}


def test_a_flipped_score_is_the_mean_over_the_image_and_its_mirror_image(tmp_path: Path) -> None:
    loader = loader_of(tmp_path, [np.array([[0, 255], [0, 255]])])
    plain = score_images(FirstColumn().eval(), loader, ["a"], Scoring(2, 1), CPU)
    flipped = score_images(FirstColumn().eval(), loader, ["a"], Scoring(2, 1, test_time_flip=True), CPU)
    assert plain["a"] == pytest.approx(2 * as_input(0), rel=1e-6)
    assert flipped["a"] == pytest.approx(as_input(0) + as_input(255), rel=1e-6)


def test_an_image_and_its_mirror_image_score_the_same_and_point_to_mirrored_places() -> None:
    torch.manual_seed(0)
    network = flip_averaged(build_network("resnet10").eval())
    grey = torch.rand(1, 64, 64)
    margin, saliency = saliency_maps(network, grey.clone())
    mirrored, mirrored_saliency = saliency_maps(network, grey.flip(-1))
    torch.testing.assert_close(margin, mirrored)
    torch.testing.assert_close(saliency, mirrored_saliency.flip(-1))


def test_a_gradient_through_the_average_is_that_of_the_mean_margin() -> None:
    # the mirror image's first column is the image's last one: each of them gets half of the gradient
    _, saliency = saliency_maps(flip_averaged(FirstColumn().eval()), torch.rand(1, 2, 3))
    torch.testing.assert_close(saliency[0], torch.tensor([[0.5, 0.0, 0.5]] * 2) / STD)


@pytest.mark.parametrize("training", [True, False])
def test_the_average_is_in_the_mode_of_the_network(training: bool) -> None:
    network = build_network("resnet10").train(training)
    assert flip_averaged(network).training is training and network.training is training


def test_an_average_of_bf16_logits_is_not_rounded_to_bf16() -> None:
    class Sides(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, 0, :, 0].to(torch.bfloat16)  # (B, 2) from two rows

    # 1 and 1.0078125 are neighbours in bf16; their mean lies between
    pictures = torch.tensor([[[[1.0, 1.0078125], [0.0, 0.0]]]])
    assert flip_averaged(Sides())(pictures)[0, 0].item() == 1.00390625


def test_normalised_grey_has_one_channel() -> None:
    assert normalised(torch.full((3, 4, 4), MEAN)).tolist() == torch.zeros(3, 1, 4, 4).tolist()
