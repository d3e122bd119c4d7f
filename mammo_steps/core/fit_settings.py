"""How a network is trained."""

import math
from dataclasses import dataclass

from mammo_steps.core.augment import AugmentSettings

SCHEDULES = ("constant", "cosine", "one_cycle")


@dataclass(frozen=True)
class FitSettings:
    """config/config.yaml says what each default is for.

    input_px                side of the network's square input
    epochs                  an epoch is every positive once and the negatives that go with them
    batch_size              images per step of the optimiser
    negatives_per_positive  negatives drawn for each positive in an epoch
    shuffle_buffer          negatives that are shuffled at a time, see `core.sampling.Draw`
    learning_rate           highest rate of the schedule
    schedule                see `rate_at`
    weight_decay            of AdamW
    label_smoothing         share of a target that is spread evenly over both classes (Szegedy et al. 2016, section 7)
    ema_decay               the kept weights are a moving average over steps, `ema_decay` of the old and the rest of the
                            new; None = the last weights themselves
    augment                 random changes of the training images
    """

    input_px: int
    epochs: int
    batch_size: int
    negatives_per_positive: float
    shuffle_buffer: int
    learning_rate: float
    schedule: str
    weight_decay: float
    label_smoothing: float
    ema_decay: float | None
    augment: AugmentSettings

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule is {self.schedule!r}, wanted one of {SCHEDULES}")


def rate_at(share: float, schedule: str) -> float:
    """The learning rate after `share` (0..1) of all steps, as a part of its highest.

    `constant`; `cosine` falls from the highest to 0; `one_cycle` rises over the first 30 % of steps, then falls to 0.
    """
    if schedule == "constant":
        return 1.0
    rise = 0.3 if schedule == "one_cycle" else 0.0
    if share < rise:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * share / rise)) / 2
    return (1 + math.cos(math.pi * (share - rise) / (1 - rise))) / 2
