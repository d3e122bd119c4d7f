"""What a bundle's networks say of a new exam: the numbers that tables, DICOM objects and pages are made of.

A member is a pair of networks, holistic and attention, of one fold (and seed). Scores are margins: an image's is the
mean over the members, a breast's the sum over its views, an exam's the larger one of its breasts
(`core.aggregation`). Places are (row, col), 0-based pixel centres of the matrix as stored in the DICOM file.
"""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

NETWORKS = ("holistic", "attention", "ensemble")  # the scores of every image, breast and exam
SEVERAL_PATIENTS = "its images name more than one patient"  # why an exam is refused


@dataclass(frozen=True)
class MemberView:
    """What one member says of one image.

    member       fold0, fold0_seed2, ...
    holistic, attention   margins
    coa          (row, col); the breast's centroid where the saliency map is empty (`coa_fallback`)
    roi          (row, col) of its first pixel, and side in stored pixels; may reach beyond a small image
    """

    member: str
    holistic: float
    attention: float
    coa: tuple[float, float]
    coa_fallback: bool
    roi: tuple[int, int, int]

    @property
    def ensemble(self) -> float:
        return (self.holistic + self.attention) / 2


@dataclass(frozen=True)
class ImagePrediction:
    """One image; `stored_px` is (H, W) of its matrix, `members` are in the order of the bundle."""

    image_id: str
    laterality: str
    view: str
    stored_px: tuple[int, int]
    members: tuple[MemberView, ...]

    def margin(self, model: str) -> float:
        """Mean over the members of one of `NETWORKS`; the ensemble's is the mean of the two networks' (the paper)."""
        if model == "ensemble":
            return (self.margin("holistic") + self.margin("attention")) / 2
        values: list[float] = [getattr(member, model) for member in self.members]
        return statistics.fmean(values)

    @property
    def shown(self) -> MemberView:
        """The member whose COA lies closest to all others' (the medoid): its ROI is the one that pictures show."""

        def distance(one: MemberView) -> float:
            return sum(math.dist(one.coa, other.coa) for other in self.members)

        return min(self.members, key=distance)  # (the first of equals)


@dataclass(frozen=True)
class Score:
    """margin      mean over the members
    spread      standard deviation over the members; None with one
    percentile  share of the reference (out-of-fold scores of the bundle's exams without cancer) below it, in %
    probability of cancer at screening or before the next one, at the prevalence that the bundle states; exams alone
    """

    margin: float
    spread: float | None
    percentile: float | None
    probability: float | None = None


@dataclass(frozen=True)
class BundleName:
    """Where scores come from. id: first 12 hex digits of the sha256 of the bundle's checksums."""

    study: str
    id: str
    version: int
    synthetic: bool
    members: tuple[str, ...]


@dataclass(frozen=True)
class ExamPrediction:
    """One exam; ids are pseudonyms.

    breasts  laterality -> network -> score, for the breasts that have an image
    scores   network -> score of the exam; empty where no image could be scored
    flags    words of a closed set that say what is unusual (`core.new_exams`): incomplete, repeated views, ...
    drift    sentences: how the exam differs from those that the bundle was trained on (`core.drift`)
    refused  why there is no score: a sentence, or None
    """

    patient_id: str
    exam_id: str
    images: tuple[ImagePrediction, ...]
    breasts: Mapping[str, Mapping[str, Score]]
    scores: Mapping[str, Score]
    flags: tuple[str, ...]
    drift: tuple[str, ...]
    bundle: BundleName
    refused: str | None = None
