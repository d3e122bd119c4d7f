"""From our points to DICOM's spatial coordinates.

Ours are (row, col), 0-based, and whole numbers are centres of pixels. DICOM's are (column, row); the top left corner of
the top left pixel is 0 / 0, its bottom right corner 1 / 1 (PS3.3 C.18.6.1.2 for SCOORD, C.10.5.1.2 for graphics of
presentation states, with units PIXEL): a pixel's centre lies at a half.
"""


def to_dicom(row: float, col: float) -> tuple[float, float]:
    """(row, col) -> (column, row)."""
    return col + 0.5, row + 0.5


def clipped_box(roi: tuple[int, int, int], stored_px: tuple[int, int]) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of the edges of a ROI, as far as it lies in the image.

    roi        (row, col) of its first pixel, and its side
    stored_px  (H, W)
    """
    row, col, side = roi
    height, width = stored_px
    left, right = (float(min(max(edge, 0), width)) for edge in (col, col + side))
    top, bottom = (float(min(max(edge, 0), height)) for edge in (row, row + side))
    return left, top, right, bottom
