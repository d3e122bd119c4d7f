"""From stored pictures to network inputs: plain cuts for scoring, one warp for training."""

import math
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mammo_steps.core.image_store import ImageStore, Pixels, Place
from mammo_steps.core.randomness import stream

_AHEAD = 2  # batches read while one is computed on


@dataclass(frozen=True)
class AugmentSettings:
    """Random changes of a training image; each is drawn evenly between its limits.

    flips              of "horizontal" (left-right) and "vertical"; each done with probability one half
    rotation_degrees   rotation by at most this, either way
    pad_px             zeros added on every side before the random crop
    max_shift          largest distance of the random crop from the scored square, as a share of its side;
                       null = anywhere in the (padded) picture
    """

    flips: Sequence[str]
    rotation_degrees: float
    pad_px: int
    max_shift: float | None

    def __post_init__(self) -> None:
        if unknown := set(self.flips) - {"horizontal", "vertical"}:
            raise ValueError(f"flips holds {sorted(unknown)}, wanted horizontal and vertical")


def scaled(canvas: Pixels, place: Place) -> Pixels:
    """The picture, shrunk where the crop is `pad_to_fit`."""
    if place.canvas_px is None or place.canvas_px == canvas.shape:
        return canvas
    h, w = place.canvas_px
    return cv2.resize(canvas, (w, h), interpolation=cv2.INTER_AREA)


def scored_square(canvas: Pixels, place: Place, side_px: int) -> Pixels:
    """The (side, side) square that is scored, zeros where it reaches beyond the picture."""
    square = np.zeros((side_px, side_px), canvas.dtype)
    h, w = canvas.shape
    top, left = max(0, place.top_px), max(0, place.left_px)
    bottom, right = min(h, place.top_px + side_px), min(w, place.left_px + side_px)
    square[top - place.top_px : bottom - place.top_px, left - place.left_px : right - place.left_px] = canvas[
        top:bottom, left:right
    ]
    return square


def as_grey(pixels: np.ndarray, device: torch.device) -> Tensor:
    """uint8 or uint16 levels -> float32 in [0, 1] on the device; bytes travel, not floats."""
    full = float(np.iinfo(pixels.dtype).max)
    tensor = torch.from_numpy(pixels if pixels.dtype == np.uint8 else pixels.astype(np.int32))
    return tensor.to(device).to(torch.float32) / full


def scoring_batches(
    store: ImageStore, image_ids: Sequence[str], side_px: int, batch_size: int, device: torch.device
) -> Iterator[tuple[list[str], Tensor]]:
    """Yield (ids, grey (B, s, s) in [0, 1]); the last batch is filled with zeros to the fixed B.

    A fixed batch size keeps an image's score independent of how many others were scored with it.
    """

    def read(ids: Sequence[str]) -> np.ndarray:
        squares = [
            scored_square(scaled(store.canvas(i), store.places[i]), store.places[i], side_px) for i in ids
        ]
        squares += [np.zeros_like(squares[0])] * (batch_size - len(ids))
        return np.stack(squares)

    chunks = [list(image_ids[i : i + batch_size]) for i in range(0, len(image_ids), batch_size)]
    with ThreadPoolExecutor(1) as reader:  # one thread: the store's files are not shared between threads
        pending = [reader.submit(read, ids) for ids in chunks[:_AHEAD]]
        for number, ids in enumerate(chunks):
            if number + _AHEAD < len(chunks):
                pending.append(reader.submit(read, chunks[number + _AHEAD]))
            yield ids, as_grey(pending.pop(0).result(), device)


def crop_centre(
    shape: tuple[int, int], place: Place, side_px: int, augment: AugmentSettings, rng: np.random.Generator
) -> tuple[float, float]:
    """Centre (row, col) of a random crop, in pixel edges of the canvas (a pixel's centre is at +0.5)."""
    centre = []
    for length, first in zip(shape, (place.top_px, place.left_px), strict=True):
        low = float(min(0, length - side_px) - augment.pad_px)
        high = float(max(0, length - side_px) + augment.pad_px)
        if augment.max_shift is not None:
            reach = augment.max_shift * side_px
            low, high = max(low, first - reach), min(high, first + reach)
        centre.append(rng.uniform(low, high) + side_px / 2)
    return centre[0], centre[1]


def warp_matrix(
    shape: tuple[int, int], place: Place, side_px: int, augment: AugmentSettings, rng: np.random.Generator
) -> np.ndarray:
    """(2, 3) matrix from output offsets (col, row, 1), in pixels from the centre, to canvas (col, row) edges."""
    row, col = crop_centre(shape, place, side_px, augment, rng)
    angle = math.radians(rng.uniform(-augment.rotation_degrees, augment.rotation_degrees))
    flip_col = -1.0 if "horizontal" in augment.flips and rng.random() < 0.5 else 1.0
    flip_row = -1.0 if "vertical" in augment.flips and rng.random() < 0.5 else 1.0
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[flip_col * cos, -flip_row * sin, col], [flip_col * sin, flip_row * cos, row]])


def warped(canvases: Tensor, matrices: np.ndarray, side_px: int) -> Tensor:
    """Rotate, flip and crop in one bilinear step.

    canvases  (B, H, W) in [0, 1], each picture at the top left, zeros elsewhere
    matrices  (B, 2, 3) of `warp_matrix`
    Returns (B, side, side); what lies outside a picture is 0, the background.
    """
    height, width = canvases.shape[1:]
    to_unit = np.array([2.0 / width, 2.0 / height])[:, None]  # canvas edges -> [-1, 1] of grid_sample
    theta = matrices * to_unit
    theta[:, :, :2] *= side_px / 2  # affine_grid's output coordinates span [-1, 1]
    theta[:, :, 2] -= 1.0
    grid = F.affine_grid(
        torch.from_numpy(theta).to(canvases.device, torch.float32),
        [len(canvases), 1, side_px, side_px],
        align_corners=False,
    )
    return F.grid_sample(canvases.unsqueeze(1), grid, align_corners=False).squeeze(1)


def training_batches(
    store: ImageStore,
    batches: Sequence[Sequence[str]],
    side_px: int,
    augment: AugmentSettings,
    key: tuple[int, int, int],
    device: torch.device,
) -> Generator[tuple[Sequence[str], Tensor], None, None]:
    """Yield (ids, grey (B, s, s) in [0, 1]), augmented; `key` = (seed, fold, epoch)."""

    def read(ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        canvases = [scaled(store.canvas(i), store.places[i]) for i in ids]
        height, width = (max(c.shape[axis] for c in canvases) for axis in (0, 1))
        together = np.zeros((len(ids), height, width), canvases[0].dtype)
        matrices = []
        for number, (image_id, canvas) in enumerate(zip(ids, canvases, strict=True)):
            h, w = canvas.shape
            together[number, :h, :w] = canvas
            rng = stream("augment", *key, image_id)
            matrices.append(warp_matrix((h, w), store.places[image_id], side_px, augment, rng))
        return together, np.stack(matrices)

    with ThreadPoolExecutor(1) as reader:
        pending = [reader.submit(read, ids) for ids in batches[:_AHEAD]]
        for number, ids in enumerate(batches):
            if number + _AHEAD < len(batches):
                pending.append(reader.submit(read, batches[number + _AHEAD]))
            canvases, matrices = pending.pop(0).result()
            yield ids, warped(as_grey(canvases, device), matrices, side_px)
