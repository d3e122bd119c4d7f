"""Writing a shard: holistic images and tiles as they come, and the rows of its images table."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from mammo_steps.core import tiles
from mammo_steps.core.ordered_pool import Lost
from mammo_steps.core.preparing import Listed, Prepared, ShardSettings, recipe_hash
from mammo_steps.core.tables import RowGroupWriter
from mammo_steps.core.terms import Reason

log = logging.getLogger(__name__)


class ShardWriter:
    """Writes the pixels of one image after the other and gives back the row for the images table."""

    def __init__(self, holistic: RowGroupWriter, tile: RowGroupWriter, bits: int) -> None:
        self._holistic, self._tile, self._bits = holistic, tile, bits

    def write(self, image: Prepared) -> dict[str, Any]:
        row = image.row
        if row.get("reason") is not None:
            return row
        row_group = self._holistic.append(
            {
                "image_id": row["image_id"],
                "height_px": row["holistic_height_px"],
                "width_px": row["holistic_width_px"],
                "bits": self._bits,
                "pixels": image.holistic,
            }
        )
        groups = self._append(row["image_id"], image.cuts)
        values = [cut.value if cut.pixels is None else 0 for cut in image.cuts]
        return row | {"holistic_row_group": row_group, "tile_row_groups": groups, "tile_values": values}

    def _append(self, image_id: str, cuts: Sequence[tiles.Cut]) -> list[int]:
        """The row group of each tile; -1 = constant, not written."""
        stored = [cut for cut in cuts if cut.pixels is not None]
        first = self._tile.append_all(
            {
                "image_id": [image_id] * len(stored),
                "tile_row": [cut.tile_row for cut in stored],
                "tile_col": [cut.tile_col for cut in stored],
                "pixels": [cut.pixels for cut in stored],
            }
        )
        group = iter(range(first, first + len(stored)))
        return [-1 if cut.pixels is None else next(group) for cut in cuts]


def prepared(
    listed: Sequence[Listed], results: Iterator[Prepared | Lost], settings: ShardSettings
) -> Iterator[Prepared]:
    """The results, with a row and its reason in the place of each file that ended its worker."""
    for image, result in zip(listed, results, strict=True):
        if isinstance(result, Lost):
            log.warning("image %s is given up: decoding it %s", image.image_id, result.why)
            row = {"image_id": image.image_id, "recipe": recipe_hash(settings)}
            yield Prepared(row | {"reason": Reason.UNDECODABLE, "detail": f"decoding it {result.why}"})
        else:
            yield result
