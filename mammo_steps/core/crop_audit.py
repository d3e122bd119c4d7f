"""What the network's square input leaves out, per image size: shares of breast area and of known lesions."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mammo_steps.core.geometry import InputCut, InputFrame
from mammo_steps.core.image_store import holistic_frame
from mammo_steps.core.localisation import Lesion, mask_points
from mammo_steps.core.randomness import ordered

COLUMNS = (
    "height_px",
    "width_px",
    "n_images",
    "breast_share_outside",
    "lesion_share_outside",
    "n_measured",
    "n_lesions",
)
Size = tuple[int, int]  # (H, W) of the stored matrix


def _inside(frame: InputFrame, rows: Iterable[float], cols: Iterable[float]) -> tuple[NDArray[np.bool_], ...]:
    """Which stored rows and which stored columns the input shows."""
    half, side = 0.5, frame.side_px
    in_rows = [-half <= frame.to_input(row, 0)[0] < side - half for row in rows]
    in_cols = [-half <= frame.to_input(0, col)[1] < side - half for col in cols]
    return np.array(in_rows, dtype=bool), np.array(in_cols, dtype=bool)


class CropAudit:
    """Counts, image by image. `per_size`: of how many images of each size the breast is measured."""

    def __init__(self, cut: InputCut, per_size: int) -> None:
        self.cut, self.per_size = cut, per_size
        self._n_images: dict[Size, int] = defaultdict(int)
        self._breast: dict[Size, list[tuple[int, int]]] = defaultdict(list)  # (all, outside) mask pixels
        self._lesions: dict[Size, list[bool]] = defaultdict(list)  # outside?

    def chosen(self, image_ids: Sequence[str], sizes: Sequence[Size], seed: int) -> set[str]:
        """Counts the cohort's images by size and chooses those whose breast is measured."""
        by_size: dict[Size, list[str]] = defaultdict(list)
        for image_id, size in zip(image_ids, sizes, strict=True):
            by_size[size].append(image_id)
        for size, ids in by_size.items():
            self._n_images[size] = len(ids)
        return {i for ids in by_size.values() for i in ordered(ids, "crop_audit", seed)[: self.per_size]}

    def add_breast(self, image: Mapping[str, Any], mask: NDArray[np.bool_]) -> None:
        """image: a row of the `images` table; mask (h, w): the breast in its holistic image."""
        size = (image["height_px"], image["width_px"])
        frame = holistic_frame(image, self.cut)
        in_rows, in_cols = _inside(frame, *mask_points(mask, size, image["flipped"]))
        n_all, n_inside = int(mask.sum()), int(mask[in_rows][:, in_cols].sum())
        self._breast[size].append((n_all, n_all - n_inside))

    def add_lesions(self, image: Mapping[str, Any], lesions: Sequence[Lesion]) -> None:
        """lesions: all known ones of the image, malignant or not."""
        frame = holistic_frame(image, self.cut)
        for lesion in lesions:
            in_rows, in_cols = _inside(frame, [lesion.row], [lesion.col])
            self._lesions[image["height_px"], image["width_px"]].append(not (in_rows[0] and in_cols[0]))

    def rows(self) -> list[dict[str, Any]]:
        """Rows of crop_audit.csv, most frequent size first; a share is None where nothing was counted."""
        rows = []
        for size, n_images in sorted(self._n_images.items(), key=lambda item: (-item[1], item[0])):
            n_all = sum(pixels for pixels, _ in self._breast[size])
            n_outside = sum(pixels for _, pixels in self._breast[size])
            lesions = self._lesions[size]
            values = (
                *size,
                n_images,
                n_outside / n_all if n_all else None,
                sum(lesions) / len(lesions) if lesions else None,
                len(self._breast[size]),
                len(lesions),
            )
            rows.append(dict(zip(COLUMNS, values, strict=True)))
        return rows
