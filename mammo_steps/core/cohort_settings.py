"""What an exam of the cohort is: the settings of list_images, which others look at, too."""

from collections.abc import Sequence
from dataclasses import dataclass

from mammo_steps.core.eligibility import Rules
from mammo_steps.core.terms import LATERALITIES

IN_TRAINING = ("negative", "leave_out")


@dataclass(frozen=True)
class CohortSettings:
    """What an exam of the cohort is.

    views                 expected once for each breast
    extra_images          an exam with more images than that: "exclude" it (the paper), or keep the "best" image
                          of each view, see `core.eligibility.best_first`
    age_range             first and last age in years, or null
    follow_up_months      follow-up that `normal` needs, or else a later cancer-free exam; null = none. A
                          label table without follow-up is taken at its word
    interval_in_training  "negative" (the paper) or "leave_out"
    prior_in_training     the same for exams before a later cancer
    require_pixel_spacing images without pixel spacing are left out; `mm_per_px` of later steps needs it
    """

    views: Sequence[str]
    extra_images: str
    age_range: Sequence[float] | None
    follow_up_months: float | None
    interval_in_training: str
    prior_in_training: str
    require_pixel_spacing: bool

    def __post_init__(self) -> None:
        if self.extra_images not in ("exclude", "best"):
            raise ValueError(f"extra_images is {self.extra_images!r}, wanted exclude or best")
        for value in (self.interval_in_training, self.prior_in_training):
            if value not in IN_TRAINING:
                raise ValueError(f"..._in_training is {value!r}, wanted one of {', '.join(IN_TRAINING)}")

    @property
    def slots(self) -> list[str]:
        """The images of a complete exam, such as L-CC."""
        return [f"{laterality}-{view}" for laterality in LATERALITIES for view in self.views]

    def rules(self, has_follow_up: bool) -> Rules:
        return Rules(
            age_range=None if self.age_range is None else (self.age_range[0], self.age_range[1]),
            follow_up_months=self.follow_up_months if has_follow_up else None,
            n_images=len(self.slots) if self.extra_images == "exclude" else None,
        )
