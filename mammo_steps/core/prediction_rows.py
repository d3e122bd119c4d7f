"""Predictions as rows of the tables `new_members`, `new_images`, `new_breasts` and `new_exams`."""

from collections.abc import Iterator, Mapping
from typing import Any

from mammo_steps.core.bundle import Bundle
from mammo_steps.core.new_exams import image_score
from mammo_steps.core.prediction import NETWORKS, ExamPrediction, MemberView, Score

Row = dict[str, Any]


def _of_scores(scores: Mapping[str, Score]) -> Row:
    found: Row = {}
    for network, score in scores.items():
        found[network] = score.margin
        found[f"{network}_spread"] = score.spread
        found[f"{network}_percentile"] = score.percentile
    return found


def _place(view: MemberView) -> Row:
    row_px, col_px, side_px = view.roi
    return {
        "coa_row": view.coa[0], "coa_col": view.coa[1], "coa_fallback": view.coa_fallback,
        "row_px": row_px, "col_px": col_px, "side_px": side_px,
    }  # fmt: skip


def _who(exam: ExamPrediction) -> Row:
    return {"patient_id": exam.patient_id, "exam_id": exam.exam_id}


def member_rows(exam: ExamPrediction) -> Iterator[Row]:
    for image in exam.images:
        own = {**_who(exam), "image_id": image.image_id, "laterality": image.laterality, "view": image.view}
        for view in image.members:
            yield {
                **own,
                "member": view.member,
                "holistic": view.holistic,
                "attention": view.attention,
                **_place(view),
            }


def image_rows(exam: ExamPrediction, bundle: Bundle) -> Iterator[Row]:
    for image in exam.images:
        scores = {network: image_score(image, network, bundle) for network in NETWORKS}
        height_px, width_px = image.stored_px
        yield {
            **_who(exam), "image_id": image.image_id, "laterality": image.laterality, "view": image.view,
            "height_px": height_px, "width_px": width_px, **_of_scores(scores), **_place(image.shown),
        }  # fmt: skip


def breast_rows(exam: ExamPrediction) -> Iterator[Row]:
    for laterality, scores in exam.breasts.items():
        yield {**_who(exam), "laterality": laterality, **_of_scores(scores)}


def exam_row(exam: ExamPrediction, n_left_out: int) -> Row:
    probabilities = {f"{network}_probability": score.probability for network, score in exam.scores.items()}
    return {
        **_who(exam), **_of_scores(exam.scores), **probabilities,
        "n_images": len(exam.images), "n_left_out": n_left_out,
        "flags": ", ".join(exam.flags), "drift": " ".join(exam.drift),
        "refused": exam.refused, "bundle": exam.bundle.id,
    }  # fmt: skip
