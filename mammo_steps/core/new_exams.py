"""From image scores to the scores of a new exam, complete or not.

A view's margin is the mean over its images. A breast's score is the sum over the expected views; a view that is
missing counts as the mean of the breast's other views, so that a sum is always one of so many views. An exam's score is
the larger one of its two breasts', or that of the only one there is. For a complete exam this is the arithmetic of
`core.aggregation`; every other exam bears a flag.
"""

import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mammo_steps.core.bundle import Bundle
from mammo_steps.core.prediction import NETWORKS, ExamPrediction, ImagePrediction, MemberView, Score
from mammo_steps.core.terms import LATERALITIES, Endpoint

ALL_CANCERS = Endpoint.SCREEN_DETECTED_OR_INTERVAL  # what the probability is of


class Flag(StrEnum):
    """What is unusual about an exam that was scored."""

    MISSING_VIEW = "missing_view"  # a breast lacks a view: it counts as the mean of the others
    ONE_BREAST = "one_breast"  # no image of the other breast: the exam's score is this breast's
    REPEATED_VIEW = "repeated_view"  # several images of one view: their mean counts
    OTHER_FILES = "other_files"  # files of the exam were left out
    EMPTY_MAP = "empty_map"  # a saliency map pointed nowhere: its ROI is the breast's middle
    ORIENTATION_CONFLICT = "orientation_conflict"  # the chest wall is not where the header says


FLAG_TEXTS = {
    Flag.MISSING_VIEW: "a breast lacks a view, which counts as the mean of its others",
    Flag.ONE_BREAST: "one breast has no image: the exam's score is the other one's",
    Flag.REPEATED_VIEW: "a view has several images, whose mean counts",
    Flag.OTHER_FILES: "files of the exam were left out",
    Flag.EMPTY_MAP: "a saliency map pointed nowhere: its ROI is the breast's middle",
    Flag.ORIENTATION_CONFLICT: "the chest wall of an image is not where its header says",
}


@dataclass(frozen=True)
class NewExam:
    """What was found of an exam.

    images        rows with image_id, laterality, view, height_px, width_px and orientation_conflict, usable ones alone
    n_left_out    files of it that are no usable image of the study
    drift         sentences, and why it is refused, None = it is not
    """

    patient_id: str
    exam_id: str
    images: Sequence[Mapping[str, Any]]
    n_left_out: int
    drift: tuple[str, ...] = ()
    refused: str | None = None


def breast_score(
    images: Sequence[ImagePrediction], views: Sequence[str], margin: Callable[..., float]
) -> float:
    """The sum over the expected views; `margin` gives that of an image."""
    of_view: dict[str, list[float]] = {}
    for image in sorted(images, key=lambda image: image.image_id):
        of_view.setdefault(image.view, []).append(margin(image))
    means = [own[0] if len(own) == 1 else statistics.fmean(own) for own in of_view.values()]
    missing = len(views) - len(means)  # (images of other views are left out before: core.scorer.as_the_study)
    return sum(means) + missing * statistics.fmean(means)


def breast_scores(
    images: Sequence[ImagePrediction], views: Sequence[str], margin: Callable[..., float]
) -> dict[str, float]:
    """Laterality -> score, of the breasts that have an image."""
    return {
        side: breast_score(own, views, margin)
        for side in LATERALITIES
        if (own := [image for image in images if image.laterality == side])
    }


def predicted(exam: NewExam, views_of: Mapping[str, Sequence[MemberView]], bundle: Bundle) -> ExamPrediction:
    """The exam's scores.

    views_of  image_id -> what each member says of it
    """
    images = tuple(
        ImagePrediction(
            image["image_id"],
            image["laterality"],
            image["view"],
            (image["height_px"], image["width_px"]),
            tuple(views_of[image["image_id"]]),
        )
        for image in sorted(exam.images, key=lambda image: str(image["image_id"]))
        if image["image_id"] in views_of
    )
    refused = exam.refused
    if not images and refused is None:
        refused = "none of its files is an image that the networks can score"
    margins = [
        margin for image in images for own in image.members for margin in (own.holistic, own.attention)
    ]
    if not all(map(math.isfinite, margins)) and refused is None:
        refused = "a network's answer for one of its images is no number"
    if refused is not None:
        return ExamPrediction(exam.patient_id, exam.exam_id, (), {}, {}, (), exam.drift, bundle.name, refused)
    expected = bundle.settings("list_images")["views"]
    breasts: dict[str, dict[str, Score]] = {}
    scores: dict[str, Score] = {}
    for network in NETWORKS:
        of_breast = breast_scores(images, expected, lambda image, n=network: image.margin(n))
        by_member = [
            breast_scores(images, expected, lambda image, n=network, k=k: getattr(image.members[k], n))
            for k in range(len(bundle.members))
        ]
        for side, margin in of_breast.items():
            spread = _spread([own[side] for own in by_member])
            percentile = bundle.reference.percentile("breast", network, margin)
            breasts.setdefault(side, {})[network] = Score(margin, spread, percentile)
        margin = max(of_breast.values())
        scores[network] = Score(
            margin,
            _spread([max(own.values()) for own in by_member]),
            bundle.reference.percentile("exam", network, margin),
            bundle.reference.probability(network, margin, ALL_CANCERS),
        )
    flags = _flags(exam, images, expected)
    return ExamPrediction(
        exam.patient_id, exam.exam_id, images, breasts, scores, flags, exam.drift, bundle.name
    )


def image_score(image: ImagePrediction, network: str, bundle: Bundle) -> Score:
    """An image's own score."""
    margin = image.margin(network)
    spread = _spread([getattr(member, network) for member in image.members])
    return Score(margin, spread, bundle.reference.percentile("image", network, margin))


def _spread(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def _flags(exam: NewExam, images: Sequence[ImagePrediction], views: Sequence[str]) -> tuple[str, ...]:
    n_of = Counter((image.laterality, image.view) for image in images)
    sides = {side for side, _ in n_of}
    known = {str(row["image_id"]): row for row in exam.images}
    found = {
        Flag.MISSING_VIEW: any((side, view) not in n_of for side in sides for view in views),
        Flag.ONE_BREAST: len(sides) < len(LATERALITIES),
        Flag.REPEATED_VIEW: any(n > 1 for n in n_of.values()),
        Flag.OTHER_FILES: exam.n_left_out > 0,
        Flag.EMPTY_MAP: any(member.coa_fallback for image in images for member in image.members),
        Flag.ORIENTATION_CONFLICT: any(known[image.image_id]["orientation_conflict"] for image in images),
    }
    return tuple(str(flag) for flag, is_so in found.items() if is_so)
