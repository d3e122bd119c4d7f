"""From image scores to exam scores."""

import pandas as pd


def exam_scores(images: pd.DataFrame, scores: pd.Series) -> pd.Series:
    """Exam score by exam_id: over the two breasts the maximum of the sum over a breast's images.

    images  columns image_id, exam_id, laterality, in the order of image_id: sums are the same in every run
    scores  by image_id; every image has to have one
    """
    missing = ~images["image_id"].isin(scores.index)
    if missing.any():
        n_exams = images.loc[missing, "exam_id"].nunique()
        raise ValueError(
            f"{int(missing.sum())} images of {n_exams} exams have no test margin: rerun their folds"
        )
    scored = images.assign(score=images["image_id"].map(scores))
    breasts = scored.groupby(["exam_id", "laterality"])["score"].sum()
    exams: pd.Series = breasts.groupby("exam_id").max()
    return exams
