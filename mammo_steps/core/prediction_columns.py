"""Columns of the tables of new exams' scores, below predictions/ (`core.columns` has all others)."""

from mammo_steps.core.column import Column
from mammo_steps.core.fact_names import NUMBERS, WORDS
from mammo_steps.core.prediction import NETWORKS

_WHO = {
    "patient_id": Column("string", "one woman, keyed hash of the archive's id"),
    "exam_id": Column("string", "one screening visit, keyed hash"),
}
_IMAGE = {
    "image_id": Column("string", "one DICOM instance, keyed hash"),
    **_WHO,
    "laterality": Column("string", "L or R"),
    "view": Column("string", "CC or MLO"),
}
_PLACE = {
    "coa_row": Column("double", "centre of attention, 0-based pixel centre of the stored matrix"),
    "coa_col": Column("double", "centre of attention, 0-based pixel centre of the stored matrix"),
    "coa_fallback": Column("bool", "true: empty saliency map, the breast's centroid was taken"),
    "row_px": Column("int32", "first row of the ROI in the stored matrix; may be negative in a small image"),
    "col_px": Column("int32", "first column of the ROI in the stored matrix"),
    "side_px": Column("int32", "side of the ROI in the stored matrix"),
}


def _scores(what: str, null: str = "") -> dict[str, Column]:
    columns: dict[str, Column] = {}
    for network in NETWORKS:
        columns[network] = Column(f"double{null}", f"{what}, mean over the members; {network} model")
        columns[f"{network}_spread"] = Column(
            "double?", "standard deviation of the members' own scores; null with one member"
        )
        columns[f"{network}_percentile"] = Column(
            f"double{null}", "share of the bundle's exams without cancer that score lower, in %"
        )
    return columns


PREDICTION_TABLES: dict[str, dict[str, Column]] = {
    # predictions/*/members.parquet: one row per image and member
    "new_members": {
        **_IMAGE,
        "member": Column("string", "the bundle's networks: fold0, fold0_seed2, ..."),
        "holistic": Column("double", "margin of the member's holistic model"),
        "attention": Column("double", "margin of its attention model"),
        **_PLACE,
    },
    # predictions/images.parquet: COA and ROI are those of the member whose COA lies closest to all others'
    "new_images": {
        **_IMAGE,
        "height_px": Column("int32", "rows of the stored matrix"),
        "width_px": Column("int32", "columns of the stored matrix"),
        **_scores("margin"),
        **_PLACE,
    },
    # predictions/breasts.parquet
    "new_breasts": {
        **_WHO,
        "laterality": Column("string", "L or R"),
        **_scores("sum over the expected views"),
    },
    # predictions/*/facts.parquet: what each image is like, as the drift guard sees it (`core.image_facts`)
    "new_facts": {
        "image_id": Column("string", "one DICOM instance, keyed hash"),
        "exam_id": Column("string", "one screening visit, keyed hash"),
        **{name: Column("string", f"{name} of the image, a word of a closed set") for name in WORDS},
        **{name: Column("double?", "see core.image_facts; null = not known") for name in NUMBERS},
        "strange": Column("string", "kinds of facts that the training cohort did not have; empty = none"),
    },
    # predictions/exams.parquet: every exam of which the archive has a file, scored or not
    "new_exams": {
        **_WHO,
        "patient_id": Column(
            "string?", "one woman, keyed hash of the archive's id; null = no file names one"
        ),
        **_scores("the larger breast's score", null="?"),
        **{
            f"{network}_probability": Column(
                "double?",
                "of cancer at this screening or before the next, at the prevalence that the bundle states",
            )
            for network in NETWORKS
        },
        "n_images": Column("int32", "images that were scored"),
        "n_left_out": Column("int32", "files of the exam that were left out"),
        "flags": Column("string", "what is unusual about the exam, words of a closed set; empty = nothing"),
        "drift": Column(
            "string", "how it differs from the exams that the networks learned from; empty = not"
        ),
        "refused": Column("string?", "why there is no score; null = scored"),
        "bundle": Column("string", "id of the bundle that scored it"),
    },
}
