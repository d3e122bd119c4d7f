"""Where a pixel of the network's input lies in the stored DICOM matrix, and back; ROI boxes.

Three frames, all with 0-based pixel centres: *stored* (the matrix in the file), *canvas* (the
holistic image: chest wall left, resized) and *input* (the square cut from the canvas that the network sees).
"""

import math
from dataclasses import dataclass

CROPS = ("centre", "breast_centred", "pad_to_fit")


@dataclass(frozen=True)
class InputFrame:
    """How one image becomes a square network input of `side_px`.

    stored_px, canvas_px   (H, W) of the two matrices
    flipped                the canvas is the mirror image of the stored matrix
    top_px, left_px        first row and column of the input in the canvas; negative = padding
    """

    stored_px: tuple[int, int]
    canvas_px: tuple[int, int]
    flipped: bool
    side_px: int
    top_px: int
    left_px: int

    def to_stored(self, row: float, col: float) -> tuple[float, float]:
        """Input point -> stored point: full = (r + offset + 0.5) x H/h - 0.5."""
        (stored_h, stored_w), (h, w) = self.stored_px, self.canvas_px
        stored_row = (row + self.top_px + 0.5) * stored_h / h - 0.5
        stored_col = (col + self.left_px + 0.5) * stored_w / w - 0.5
        return stored_row, (stored_w - 1 - stored_col) if self.flipped else stored_col

    def to_input(self, row: float, col: float) -> tuple[float, float]:
        """Stored point -> input point; the inverse of `to_stored`."""
        (stored_h, stored_w), (h, w) = self.stored_px, self.canvas_px
        if self.flipped:
            col = stored_w - 1 - col
        return (
            (row + 0.5) * h / stored_h - 0.5 - self.top_px,
            (col + 0.5) * w / stored_w - 0.5 - self.left_px,
        )

    def square_in_input(self, top: int, left: int, side: int) -> tuple[float, float, float, float]:
        """(first row, first col, last row, last col) of the edges of a square of stored pixels, in input points."""
        one = self.to_input(top - 0.5, left - 0.5)
        other = self.to_input(top + side - 0.5, left + side - 0.5)
        return min(one[0], other[0]), min(one[1], other[1]), max(one[0], other[0]), max(one[1], other[1])

    @property
    def valid_box(self) -> tuple[int, int, int, int]:
        """(first row, end row, first col, end col) of the input that shows image, the rest being padding."""
        h, w = self.canvas_px
        return (
            max(0, -self.top_px),
            min(self.side_px, h - self.top_px),
            max(0, -self.left_px),
            min(self.side_px, w - self.left_px),
        )


@dataclass(frozen=True)
class InputCut:
    """How the network's square is cut from a holistic image when it is scored.

    side_px    side of the square
    crop       `centre` (the paper): middle rows; `breast_centred`: rows around the breast's centroid, kept inside the
               image; `pad_to_fit`: the whole image, shrunk where it is larger than the square, in its middle
    mm_per_px  the image is resized first, so that a pixel is so many mm wide; None (the paper) = as it is stored

    Columns count from the chest wall, which lies on the left.
    """

    side_px: int
    crop: str
    mm_per_px: float | None = None

    def __post_init__(self) -> None:
        if self.crop not in CROPS:
            raise ValueError(f"crop is {self.crop!r}, wanted one of {CROPS}")

    def frame(
        self,
        stored_px: tuple[int, int],
        holistic_px: tuple[int, int],
        flipped: bool,
        breast_row: float,
        spacing_mm: float | None = None,
    ) -> InputFrame:
        """The frame of one image.

        stored_px, holistic_px  (H, W) of the stored matrix and of the holistic image
        flipped                 the holistic image is the mirror image of the stored matrix
        breast_row              row of the breast's centroid in the stored matrix
        spacing_mm              of the stored matrix; only mm_per_px needs it
        """
        side = self.side_px
        h, w = holistic_px
        if self.mm_per_px is not None:
            if spacing_mm is None:
                raise ValueError("an image without pixel spacing cannot be resized to mm_per_px")
            h, w = (max(1, round(n * spacing_mm / self.mm_per_px)) for n in stored_px)
        if self.crop == "pad_to_fit":
            if max(h, w) > side:
                scale = side / max(h, w)
                h, w = max(1, round(h * scale)), max(1, round(w * scale))
            return InputFrame(stored_px, (h, w), flipped, side, (h - side) // 2, (w - side) // 2)
        top = (h - side) // 2
        if self.crop == "breast_centred" and h > side:
            centre = (breast_row + 0.5) * h / stored_px[0]
            top = min(max(0, round(centre - side / 2)), h - side)
        return InputFrame(stored_px, (h, w), flipped, side, top, 0)


@dataclass(frozen=True)
class RoiSize:
    """Side of a ROI: `side_px` pixels of the stored matrix, or, with `mm_per_px`, of pixels of that width."""

    side_px: int
    mm_per_px: float | None = None

    def stored_px(self, spacing_mm: float | None) -> int:
        """The side in pixels of a stored matrix; ValueError where the spacing is needed and not known."""
        if self.mm_per_px is None:
            return self.side_px
        if spacing_mm is None:
            raise ValueError("a ROI of mm_per_px cannot be cut from an image without pixel spacing")
        return max(1, round(self.side_px * self.mm_per_px / spacing_mm))


def roi_corner(row: float, col: float, image_px: tuple[int, int], side_px: int) -> tuple[int, int]:
    """First (row, col) of the square ROI centred at a point, shifted to stay inside the image.

    An image smaller than the square lies in its middle: the corner is then negative, the rest is padding.
    """
    corner = []
    for centre, length in zip((row, col), image_px, strict=True):
        if length <= side_px:
            corner.append((length - side_px) // 2)
        else:
            corner.append(min(max(0, math.floor(centre + 0.5 - side_px / 2 + 0.5)), length - side_px))
    return corner[0], corner[1]
