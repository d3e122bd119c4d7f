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


def input_frame(
    stored_px: tuple[int, int],
    holistic_px: tuple[int, int],
    flipped: bool,
    side_px: int,
    crop: str,
    breast_row: float,
) -> InputFrame:
    """The evaluation crop of a holistic image of (H, W) `holistic_px`.

    crop  `centre` (the paper): middle rows and columns; `breast_centred`: rows around the breast's centroid
          (`breast_row`, stored pixels), kept inside the image; `pad_to_fit`: the whole image, shrunk where it
          is larger than the square.
    """
    if crop not in CROPS:
        raise ValueError(f"crop is {crop!r}, wanted one of {CROPS}")
    h, w = holistic_px
    if crop == "pad_to_fit" and max(h, w) > side_px:
        scale = side_px / max(h, w)
        h, w = max(1, round(h * scale)), max(1, round(w * scale))
    top, left = (h - side_px) // 2, (w - side_px) // 2
    if crop == "breast_centred" and h > side_px:
        centre = (breast_row + 0.5) * h / stored_px[0]
        top = min(max(0, round(centre - side_px / 2)), h - side_px)
    return InputFrame(stored_px, (h, w), flipped, side_px, top, left)


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
