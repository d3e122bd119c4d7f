"""What the models of Wu et al. 2019 read, a shard's full-resolution tiles, and where their scores lie."""

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mammo_steps.core.tiles import TileReader
from mammo_steps.core.windowing import N_VALUES, Table, Values, Voi, apply_table, grey_table

VALUES = ("stored", "displayed")
# what the pixels depend on besides the settings; a changed rule gets a new version
WU_RULES = {"version": 1, "background": "what the window shows black is 0", "raw": "as displayed"}


@functools.lru_cache(maxsize=8)
def value_table(voi_json: str, bits_stored: int, values: str) -> Table:
    """Tile value -> value for the networks, (65536,) uint16, tissue bright and background exactly 0.

    `stored`: the file's own values, as the published weights were trained on; MONOCHROME1 is turned round. `displayed`:
    after the header's window, 16 bits. What that window shows black is background in either. Raw images have no
    values that the networks know: they are always as displayed.
    """
    if values not in VALUES:
        raise ValueError(f"values is {values!r}, wanted one of {VALUES}")
    displayed, voi = grey_table(voi_json, 16), Voi.from_json(voi_json)
    if values == "displayed" or voi.kind == "raw_log":
        return displayed
    stored = np.arange(N_VALUES)
    if voi.invert:
        stored = 2**bits_stored - 1 - stored
    table = np.where(displayed > 0, np.maximum(stored, 1), 0).astype(np.uint16)
    table.flags.writeable = False
    return np.asarray(table)


def whole_image(reader: TileReader, image: Mapping[str, Any], values: str) -> Values:
    """(H, W) of an image, a left breast pointing right and a right one left, as the networks' exams are by default.

    image  a row of `shard_images`, with laterality and bits_stored
    """
    matrix = reader.read_region(image, 0, 0, image["height_px"], image["width_px"])
    pixels = apply_table(matrix, value_table(image["voi"], image["bits_stored"], values))
    chest_wall_right = image["laterality"] == "R"
    return pixels if image["flipped"] == chest_wall_right else np.ascontiguousarray(pixels[:, ::-1])


def score_tables(folder: Path, shards: Iterable[str]) -> list[Path]:
    """The `wu2019_scores` tables of these shards, in their order."""
    return [folder / shard / "exams.parquet" for shard in sorted(set(shards))]
