"""The size and depth that a JPEG, JPEG-LS or JPEG 2000 stream gives itself, read before it is decoded.

A damaged stream may ask for any amount of memory, and decoders fill up a stream that stops early, so a stream
without its end marker is refused.
"""

import struct
from typing import NamedTuple

# Start of frame, ITU-T T.81 table B.1 (SOF0..SOF15 without DHT, JPG, DAC) and T.87 (SOF55)
_START_OF_FRAME = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
_END = b"\xff\xd9"  # EOI of JPEG, EOC of JPEG 2000


class Frame(NamedTuple):
    """What a stream of one component holds; `bits` of a pixel, its sign included."""

    rows: int
    columns: int
    bits: int


def stream_frame(source: bytes) -> Frame:
    """The frame of a one-component stream; ValueError if it is another, cut off, or not understood."""
    if _END not in source[-64:] and not source.rstrip(b"\0").endswith(_END):
        raise ValueError("the stream has no end marker")
    if source[:4] == b"\xff\x4f\xff\x51":  # SOC, SIZ: ITU-T T.800 A.5.1
        width, height, left, top = struct.unpack_from(">4I", source, 8)
        components, depth = struct.unpack_from(">HB", source, 40)
        frame = Frame(height - top, width - left, (depth & 0x7F) + 1)
    elif source[:2] == b"\xff\xd8":
        frame, components = _jpeg_frame(source)
    else:
        raise ValueError("the stream is neither JPEG nor JPEG 2000")
    if components != 1:
        raise ValueError(f"the stream has {components} components")
    return frame


def _jpeg_frame(source: bytes) -> tuple[Frame, int]:
    """(frame, components) of the first start-of-frame segment."""
    position = 2
    while position + 10 <= len(source):
        if source[position] != 0xFF:
            raise ValueError("a JPEG marker is missing")
        marker = source[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker in _START_OF_FRAME:
            bits, rows, columns, components = struct.unpack_from(">BHHB", source, position + 4)
            return Frame(rows, columns, bits), components
        position += 2 + struct.unpack_from(">H", source, position + 2)[0]
    raise ValueError("the stream has no start of frame")
