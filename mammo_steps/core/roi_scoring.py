"""How ROIs are scored, and what several of one image come to."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RoiScoring:
    """batch_size    ROIs per pass
    test_time_flip   see `core.inference.Scoring`
    roi_pooling      an image's margin is the `max` or the `mean` of its ROIs'
    """

    batch_size: int
    test_time_flip: bool
    roi_pooling: str

    def pooled(self, margins: Sequence[float]) -> float:
        return max(margins) if self.roi_pooling == "max" else statistics.fmean(margins)
