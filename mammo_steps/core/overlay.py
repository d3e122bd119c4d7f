"""Transparent pictures to lay over an image: 16 levels, each with its colour and opacity, as PNG files with a palette.

Sixteen levels show what a map has to show, and take a fifth of the bytes of a PNG in full colour.
"""

import struct
import zlib
from typing import Any

import cv2
import numpy as np

Bytes = np.ndarray[Any, np.dtype[np.uint8]]

N_LEVELS = 16
_SKY_BLUE = (86, 180, 233)  # RGB; told apart from the saliency map's colours with any colour vision


def _saliency_palette() -> Bytes:
    """(16, 4) RGBA: violet through orange to yellow, as lightness grows so does opacity."""
    steps = np.linspace(70, 240, N_LEVELS).round().astype(np.uint8).reshape(-1, 1)
    rgb = cv2.applyColorMap(steps, cv2.COLORMAP_INFERNO)[:, 0, ::-1]
    alpha = np.linspace(0, 235, N_LEVELS).round()
    return np.asarray(np.column_stack([rgb, alpha]), np.uint8)


def _top_palette() -> Bytes:
    """(16, 4) RGBA: one colour, from nothing to full."""
    alpha = np.linspace(0, 255, N_LEVELS).round()
    return np.asarray(np.column_stack([np.tile(_SKY_BLUE, (N_LEVELS, 1)), alpha]), np.uint8)


SALIENCY, TOP_PIXELS = _saliency_palette(), _top_palette()


def saliency_levels(saliency: np.ndarray[Any, Any]) -> Bytes:
    """(h, w) 0..15 of a map >= 0: its square root, up to the map's own 99.9th percentile; all 0 for an empty map."""
    root = np.sqrt(np.maximum(np.nan_to_num(saliency, posinf=0), 0))
    top = max(float(np.percentile(root, 99.9)), 1e-30)
    return np.asarray(np.rint((N_LEVELS - 1) * np.minimum(root / top, 1)), np.uint8)


def top_levels(row_col: np.ndarray[Any, Any], shape: tuple[int, ...]) -> Bytes:
    """(h, w) 15 at the given (row, col), 0 elsewhere."""
    levels = np.zeros(shape, np.uint8)
    levels[row_col[:, 0], row_col[:, 1]] = N_LEVELS - 1
    return levels


def png(levels: Bytes, palette: Bytes) -> bytes:
    """A PNG of four bits per pixel; the same levels give the same bytes."""
    height, width = levels.shape
    even = np.pad(levels, ((0, 0), (0, width % 2)))
    packed = (even[:, ::2] << 4) | even[:, 1::2]
    rows = np.pad(packed, ((0, 0), (1, 0)))  # each row begins with its filter: none
    header = struct.pack(">IIBBBBB", width, height, 4, 3, 0, 0, 0)
    parts = (
        (b"IHDR", header),
        (b"PLTE", palette[:, :3].tobytes()),
        (b"tRNS", palette[:, 3].tobytes()),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    )
    chunks = (
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def levels_of(content: bytes, palette: Bytes) -> Bytes:
    """The levels of a PNG of this palette, whose opacities all differ."""
    rgba = np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED))
    level_of = np.zeros(256, np.uint8)
    level_of[palette[:, 3]] = np.arange(N_LEVELS)
    return np.asarray(level_of[rgba[:, :, 3]], np.uint8)


def laid_over(grey: Bytes, levels: Bytes, palette: Bytes) -> Bytes:
    """(h, w, 3) RGB: the image (h, w) with the levels over it."""
    colour = palette[levels].astype(np.float32)
    share = colour[:, :, 3:] / 255
    return np.rint(colour[:, :, :3] * share + grey[:, :, None] * (1 - share)).astype(np.uint8)
