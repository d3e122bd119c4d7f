"""A slow encoder of lossless JPEG (ITU-T T.81, Annex H) for streams that no library's encoder makes."""

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Coding:
    """precision and predictor of the frame; rows between restart markers (0 = none).

    lengths  bits of the Huffman code of each of the 17 categories of differences
    """

    precision: int
    predictor: int = 1
    restart_rows: int = 0
    lengths: tuple[int, ...] = (5,) * 17


def encode(pixels: npt.NDArray[np.uint16], coding: Coding) -> bytes:
    """One grey image (H, W) as a JPEG stream of process 14."""
    H, W = pixels.shape
    codes = _codes(coding.lengths)
    order = sorted(range(17), key=lambda category: (coding.lengths[category], category))
    counts = [coding.lengths.count(n) for n in range(1, 17)]
    parts = [
        b"\xff\xd8",
        _segment(0xC3, struct.pack(">BHHB3B", coding.precision, H, W, 1, 1, 0x11, 0)),
        _segment(0xC4, bytes([0, *counts, *order])),
    ]
    step = coding.restart_rows or H
    if coding.restart_rows:
        parts.append(_segment(0xDD, struct.pack(">H", step * W)))
    parts.append(_segment(0xDA, bytes([1, 1, 0, coding.predictor, 0, 0])))
    for n, top in enumerate(range(0, H, step)):
        if n:
            parts.append(bytes([0xFF, 0xD0 + (n - 1) % 8]))
        parts.append(_scan(pixels[top : top + step].astype(int), coding, codes))
    return b"".join([*parts, b"\xff\xd9"])


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _codes(lengths: tuple[int, ...]) -> dict[int, str]:
    """Canonical Huffman codes (annex C): category -> bits."""
    codes, code, last = {}, 0, 0
    for length, category in sorted((length, category) for category, length in enumerate(lengths)):
        code <<= length - last
        codes[category] = format(code, f"0{length}b")
        code, last = code + 1, length
    return codes


def _scan(rows: npt.NDArray[np.int_], coding: Coding, codes: dict[int, str]) -> bytes:
    bits = []
    for r, row in enumerate(rows):
        for c, value in enumerate(row):
            difference = (int(value) - _prediction(rows, r, c, coding)) & 0xFFFF
            difference -= 0x10000 if difference > 0x8000 else 0
            category = abs(difference).bit_length()  # 16 stands for 32768 alone and has no further bits
            bits.append(codes[category])
            if 0 < category < 16:
                extra = difference if difference > 0 else difference + (1 << category) - 1
                bits.append(format(extra, f"0{category}b"))
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")


def _prediction(rows: npt.NDArray[np.int_], r: int, c: int, coding: Coding) -> int:
    """H.1.2.1: the first row of a restart interval is predicted from the left, the first column from above."""
    if r == 0:
        return int(rows[0, c - 1]) if c else 1 << (coding.precision - 1)
    left, above, corner = int(rows[r, c - 1]) if c else 0, int(rows[r - 1, c]), int(rows[r - 1, c - 1])
    if c == 0:
        return above
    return {
        1: left,
        2: above,
        3: corner,
        4: left + above - corner,
        5: left + ((above - corner) >> 1),
        6: above + ((left - corner) >> 1),
        7: (left + above) >> 1,
    }[coding.predictor]
