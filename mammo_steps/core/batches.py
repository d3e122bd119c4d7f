"""From stored pictures to network inputs on the device: plain cuts for scoring, one warp for training."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from mammo_steps.core.augment import AugmentSettings, warp_matrix, warped
from mammo_steps.core.breast import breast_mask
from mammo_steps.core.image_store import ImageStore, Pixels, Place
from mammo_steps.core.randomness import stream
from mammo_steps.core.resizing import at_size

Batch = TypeVar("Batch")
Read = TypeVar("Read")


def scaled(canvas: Pixels, place: Place) -> Pixels:
    """The picture at the size in which it is cut, see `core.geometry.InputCut`."""
    return canvas if place.canvas_px is None else at_size(canvas, place.canvas_px)


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


def _nearest(picture: Pixels, shape: tuple[int, int] | None) -> Pixels:
    """(h, w) picture at another size, nearest neighbour; None = as it is."""
    if shape is None:
        return picture
    rows, cols = (np.arange(n) * m // n for n, m in zip(shape, picture.shape, strict=True))
    return picture[np.ix_(rows, cols)]


def as_grey(pixels: Tensor, device: torch.device) -> Tensor:
    """Levels as `_levels` holds them -> float32 in [0, 1] on the device; bytes travel, not floats."""
    there = pixels.to(device, non_blocking=True)
    if there.dtype == torch.uint8:
        return there.to(torch.float32) / 255
    return (there.to(torch.int32) & 0xFFFF).to(torch.float32) / 65535


@dataclass(frozen=True)
class Loader:
    """Reads images beside the device's work. Batches and their order are the same for any number of threads.

    store    where the images lie; each thread opens the files for itself
    device   where the batches go
    threads  that read
    """

    store: ImageStore
    device: torch.device
    threads: int

    def scoring(
        self, image_ids: Sequence[str], side_px: int, batch_size: int
    ) -> Generator[tuple[Sequence[str], Tensor], None, None]:
        """Yield (ids, grey (B, s, s) in [0, 1]); the last batch is filled with zeros to the fixed B.

        A fixed batch size keeps an image's score independent of how many others were scored with it.
        """

        def read(store: ImageStore, ids: Sequence[str]) -> Tensor:
            squares = [
                scored_square(scaled(store.canvas(i), store.places[i]), store.places[i], side_px) for i in ids
            ]
            return self._together(squares, batch_size)

        batches = [image_ids[i : i + batch_size] for i in range(0, len(image_ids), batch_size)]
        for ids, pixels in self._read(batches, read):
            yield ids, as_grey(pixels, self.device)

    def scoring_with_breasts(
        self, image_ids: Sequence[str], side_px: int, batch_size: int
    ) -> Generator[tuple[Sequence[str], Tensor, Tensor], None, None]:
        """As `scoring`, and (B, s, s) bool: the breast, found on the whole picture."""

        def read(store: ImageStore, ids: Sequence[str]) -> tuple[Tensor, Tensor]:
            squares, breasts = [], []
            for i in ids:
                canvas, place = store.canvas(i), store.places[i]
                squares.append(scored_square(scaled(canvas, place), place, side_px))
                breast = breast_mask(canvas).view(np.uint8)
                breasts.append(scored_square(_nearest(breast, place.canvas_px), place, side_px))
            return self._together(squares, batch_size), self._together(breasts, batch_size)

        batches = [image_ids[i : i + batch_size] for i in range(0, len(image_ids), batch_size)]
        for ids, (pixels, breasts) in self._read(batches, read):
            yield ids, as_grey(pixels, self.device), breasts.to(self.device, non_blocking=True) > 0

    def training(
        self,
        batches: Sequence[Sequence[str]],
        side_px: int,
        augment: AugmentSettings,
        key: tuple[int, int, int],
    ) -> Generator[tuple[Sequence[str], Tensor], None, None]:
        """Yield (ids, grey (B, s, s) in [0, 1]), augmented; `key` = (seed, fold, epoch)."""

        def read(store: ImageStore, ids: Sequence[str]) -> tuple[Tensor, np.ndarray]:
            canvases = [scaled(store.canvas(i), store.places[i]) for i in ids]
            matrices = [
                warp_matrix(canvas.shape, store.places[i], side_px, augment, stream("augment", *key, i))
                for i, canvas in zip(ids, canvases, strict=True)
            ]
            return self._together(canvases, len(ids)), np.stack(matrices)

        for ids, (canvases, matrices) in self._read(batches, read):
            yield ids, warped(as_grey(canvases, self.device), matrices, side_px)

    def _together(self, pictures: Sequence[Pixels], n: int) -> Tensor:
        """(n, H, W) levels, each picture at the top left, zeros elsewhere; in memory from which a GPU can fetch.

        uint8, or int16 with the bits of uint16 (torch computes little with uint16).
        """
        size = [n, *(max(p.shape[axis] for p in pictures) for axis in (0, 1))]
        kind = torch.uint8 if pictures[0].dtype == np.uint8 else torch.int16
        together = torch.empty(size, dtype=kind, pin_memory=self.device.type == "cuda")
        levels = together.numpy().view(pictures[0].dtype)
        # (zeroed by numpy: torch would start a second team of threads here, and take cores from the step's)
        levels[...] = 0
        for number, picture in enumerate(pictures):
            levels[number, : picture.shape[0], : picture.shape[1]] = picture
        return together

    def _read(
        self, batches: Iterable[Batch], read: Callable[[ImageStore, Batch], Read]
    ) -> Generator[tuple[Batch, Read], None, None]:
        """(batch, what was read of it), in order; one batch more than there are threads is read ahead."""
        own = threading.local()

        def work(batch: Batch) -> Read:
            if not hasattr(own, "store"):
                own.store = self.store.opened_anew()
            return read(own.store, batch)

        pending: deque[tuple[Batch, Future[Read]]] = deque()
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="loader")
        try:
            for batch in batches:
                pending.append((batch, pool.submit(work, batch)))
                if len(pending) > self.threads + 1:
                    first, future = pending.popleft()
                    yield first, future.result()
            while pending:
                first, future = pending.popleft()
                yield first, future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
