"""Small pictures of one image: as it lies in the file, and as the network will see it."""

import base64
from typing import Any

import cv2
import numpy as np

from mammo_steps.core.breast import Mask
from mammo_steps.core.geometry import InputFrame

HEIGHT_PX = 300  # of a thumbnail; drawn at half of it, so that it stays sharp on a fine screen
WIDTH_PX = 260  # at most
_OUTLINE = (230, 159, 0)  # RGB; orange and blue are told apart with any colour vision
_CROP = (86, 180, 233)
_DIMMED = 0.45  # what the crop leaves out keeps this share of its light
_QUALITY = 80

Picture = np.ndarray[Any, np.dtype[np.uint8]]  # (h, w) or (h, w, 3) RGB


def fitted(picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Shrunk (never enlarged) by area means to fit a thumbnail."""
    height, width = picture.shape[:2]
    scale = min(1.0, HEIGHT_PX / height, WIDTH_PX / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


def as_stored(stored: np.ndarray[Any, Any]) -> Picture:
    """The stored matrix (H, W) from its smallest value (black) to its largest (white), nothing else done."""
    small = fitted(stored.astype(np.float32))
    low, high = float(stored.min()), float(stored.max())
    return np.rint(255 * (small - low) / max(high - low, 1e-9)).clip(0, 255).astype(np.uint8)


def as_seen(grey: np.ndarray[Any, Any], mask: Mask, frame: InputFrame) -> Picture:
    """A holistic image (h, w), 8 or 16 bits, with the breast's outline; what the crop cuts is dimmed.

    frame  how the network's input is cut from the image; a `pad_to_fit` frame cuts nothing
    """
    scaled = grey if grey.dtype == np.uint8 else (grey >> 8).astype(np.uint8)
    small = fitted(scaled)
    picture = np.stack([small] * 3, axis=2)
    scale = small.shape[0] / frame.canvas_px[0]
    first, last = frame.top_px * scale, (frame.top_px + frame.side_px) * scale
    for cut in (slice(0, max(0, round(first))), slice(min(small.shape[0], round(last)), None)):
        picture[cut] = np.rint(picture[cut] * _DIMMED)
    outline_of = cv2.resize(mask.astype(np.uint8), small.shape[::-1], interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(outline_of, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, contours, -1, _OUTLINE, thickness=1)
    for edge in (round(first), round(last) - 1):
        if 0 < edge < small.shape[0] - 1:
            picture[edge] = _CROP
    return np.asarray(picture, np.uint8)


def jpeg_uri(picture: Picture) -> str:
    """A picture as a data URI."""
    in_order = picture if picture.ndim == 2 else picture[:, :, ::-1]
    done, content = cv2.imencode(".jpg", in_order, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert done
    return "data:image/jpeg;base64," + base64.b64encode(content.tobytes()).decode()
