"""Every table's columns: type and meaning, enforced at writing; units are in core/units.py."""

from mammo_steps.core.column import Column
from mammo_steps.core.prediction_columns import PREDICTION_TABLES

_WHO = {
    "patient_id": Column("string", "one woman, keyed hash of the archive's id; the unit of splitting"),
    "exam_id": Column("string", "one screening visit, keyed hash"),
}
_IMAGE = {"image_id": Column("string", "one DICOM instance, keyed hash")}
_SIDE = {
    "laterality": Column("string", "L or R"),
    "view": Column("string", "CC or MLO; of a file that is left out any view that its header names"),
}
_SIZE = {
    "height_px": Column("int32", "rows of the stored matrix"),
    "width_px": Column("int32", "columns of the stored matrix"),
}
_HEADER_PIXELS = {
    "photometric": Column("string", "MONOCHROME1 (high is black) or MONOCHROME2"),
    "bits_stored": Column("int16", "bits per stored value"),
    "transfer_syntax": Column("string", "DICOM transfer syntax UID; `pgm` for a film file"),
    "vendor": Column("string", "maker, one of a closed set"),
    "pixel_spacing_mm": Column(
        "double?", "ImagerPixelSpacing corrected for magnification, else PixelSpacing"
    ),
}
# what a header says beside that; kept for files that are left out, too, as far as they have it
_HEADER_FLAGS = {
    "model": Column("string?", "the maker's model, one of a closed set, else `other` and a keyed hash"),
    "intent": Column("string?", "presentation or processing; null = the header does not say"),
    "window": Column("string?", "what the header offers: lut, linear, linear_exact, sigmoid or none"),
    "n_windows": Column("int16?", "number of windows, or of LUTs where there are any"),
    "implant": Column("bool?", "BreastImplantPresent"),
    "implant_displaced": Column("bool?", "a view with the implant pushed back"),
    "partial": Column("bool?", "PartialView: only a part of the breast was meant to be shown"),
    "synthetic": Column("bool?", "computed from tomosynthesis"),
    "burned_in": Column("bool?", "BurnedInAnnotation; null = the header does not say"),
}
_HEADER = _HEADER_PIXELS | {
    "exam_year": Column("int16?", "calendar year of the exam"),
    "exam_day": Column("int32?", "day of the exam, counted from a secret day of its own for each woman"),
    "age_years": Column("int16?", "age at the exam; 90 stands for 90 and above"),
}
_BREAST = {
    "breast_area_px": Column("int64", "pixels of the breast mask, stored matrix"),
    "breast_row": Column("double", "row of the breast mask's centroid, stored matrix"),
    "breast_col": Column("double", "column of the breast mask's centroid, stored matrix"),
}
_FOLD = {
    "fold": Column("int16", "cross-validation fold, 0..K-1"),
    "role": Column("string", "train, validation or test in this fold"),
}
_KIND = {
    "density": Column("string?", "BI-RADS density of the breasts, A to D; null = not known"),
    "cancer_type": Column("string?", "invasive, in_situ or other; null = no cancer or not known"),
}
_MARGIN = {"margin": Column("double", "positive minus negative logit; the image's risk score")}


def _nullable(columns: dict[str, Column]) -> dict[str, Column]:
    return {name: Column(c.type.rstrip("?") + "?", c.meaning) for name, c in columns.items()}


TABLES: dict[str, dict[str, Column]] = {
    # intakes/{intake}/index.parquet: one row per file found in the archive
    "index": {
        "file_id": Column("string", "keyed hash of the file's path below the archive"),
        **_nullable(_IMAGE | _WHO | _SIDE | _SIZE | _HEADER),
        **_HEADER_FLAGS,
        "acquired_s": Column("double?", "seconds between the exam's first image and this one"),
        "file_bytes": Column("int64", "size of the file"),
        "shard": Column("string?", "shard the image goes to"),
        "reason": Column("string?", "why the file is left out; null = taken"),
        "detail": Column("string?", "what was found; never text from a header"),
    },
    # <private>/intakes/{intake}/headers/{chunk}.parquet: one row per file, ids and dates as in the archive
    "headers": {
        "path": Column("string", "path below the archive"),
        **_nullable(_IMAGE | _WHO | _SIDE | _SIZE | _HEADER_PIXELS),
        "exam_date": Column("string?", "YYYY-MM-DD"),
        "acquired": Column("string?", "acquisition date and time, ISO 8601"),
        "age_years": Column("int16?", "age at the exam; 90 stands for 90 and above"),
        **_HEADER_FLAGS,
        "model": Column("string?", "the maker's model, one of a closed set, else what the header says"),
        "file_bytes": Column("int64", "size of the file"),
        "reason": Column("string?", "why the file is left out; null = taken"),
        "detail": Column("string?", "what was found; never text from a header"),
    },
    # shards/{shard}/images.parquet: one row per file of the shard's list
    "shard_images": {
        **_IMAGE,
        "reason": Column("string?", "why the image is left out; null = taken"),
        "detail": Column("string?", "what was found; never text from a header"),
        "recipe": Column("string", "hash of the intensity recipe that made the shard"),
        **_nullable(_SIZE | _BREAST),
        "flipped": Column(
            "bool?", "true: shards hold the mirror image of the stored matrix (chest wall left)"
        ),
        "orientation_conflict": Column(
            "bool?", "true: the chest wall is on the side where the header does not expect it"
        ),
        "intensity": Column(
            "string?", "where grey levels came from: window, lut, fallback (percentiles) or raw"
        ),
        "voi": Column("string?", "JSON: how a tile's value becomes a grey level (core.windowing.Voi)"),
        "holistic_row_group": Column("int32?", "row group of holistic.parquet"),
        "holistic_height_px": Column("int32?", "rows of the holistic image"),
        "holistic_width_px": Column("int32?", "columns of the holistic image"),
        "enlarged": Column("bool?", "true: the stored matrix is narrower than the holistic image"),
        "tile_side_px": Column(
            "int32?", "side of a full tile; those at the right and lower edge are smaller"
        ),
        "tile_row_groups": Column(
            "list<int32>?", "row group of tiles.parquet per tile, row-major; -1 = constant"
        ),
        "tile_values": Column("list<uint16>?", "the value of a constant tile, else 0"),
    },
    # shards/{shard}/holistic.parquet: one row group per image, in the order of image_id
    "holistic": {
        **_IMAGE,
        "height_px": Column("int32", "rows"),
        "width_px": Column("int32", "columns"),
        "bits": Column("int8", "8 or 16: bits per grey level"),
        "pixels": Column("binary", "row-major grey levels, little-endian; chest wall left, 0 = background"),
    },
    # shards/{shard}/tiles.parquet: one row group per tile that is not constant
    "tiles": {
        **_IMAGE,
        "tile_row": Column("int32", "tile's row in the grid; first pixel row = tile_row x side"),
        "tile_col": Column("int32", "tile's column in the grid"),
        "pixels": Column("binary", "encoded tile (core.tiles), uint16 before windowing, stored orientation"),
    },
    # cohort/images.parquet: one row per image of the cohort
    "images": {
        **_IMAGE,
        **_WHO,
        **_SIDE,
        "shard": Column("string", "shard that holds the image"),
        "outcome": Column("string", "outcome of the exam"),
        **_KIND,
        "target": Column("int8?", "training target: 1, 0, or null = not trained on"),
        **_SIZE,
        **_HEADER,
        **_BREAST,
        "flipped": Column("bool", "shards hold the mirror image of the stored matrix"),
        "holistic_row_group": Column("int32", "row group of the shard's holistic.parquet"),
        "holistic_height_px": Column("int32", "rows of the holistic image"),
        "holistic_width_px": Column("int32", "columns of the holistic image"),
    },
    # cohort/labels.parquet: one row per exam of the cohort, ids hashed
    "labels": {
        **_WHO,
        "outcome": Column("string", "outcome of the exam"),
        "cancer_laterality": Column("string?", "L, R or both; null = no cancer or unknown side"),
        **_KIND,
        "reader_1_left": Column("double?", "first reader's score of the left breast; null = not read"),
        "reader_1_right": Column("double?", "first reader's score of the right breast"),
        "reader_2_left": Column("double?", "second reader's score of the left breast"),
        "reader_2_right": Column("double?", "second reader's score of the right breast"),
        "exam_year": Column("int16?", "calendar year of the exam"),
        "age_years": Column("int16?", "age at the exam"),
        "vendor": Column("string", "maker"),
    },
    # cohort/excluded.parquet: one row per file, exam or label that is not in the cohort
    "excluded": {
        "level": Column("string", "file, image, exam or label"),
        "file_id": Column("string?", "keyed hash of the file's path"),
        **_nullable(_IMAGE | _WHO),
        "outcome": Column("string?", "outcome of the exam where it is known"),
        "reason": Column("string", "one reason, from a closed set"),
        "detail": Column("string?", "what was found and what was wanted"),
    },
    # cohort/exams.parquet: one row per exam of the cohort
    "exams": {
        **_WHO,
        "outcome": Column("string", "outcome of the exam"),
        "cancer_laterality": Column("string?", "L, R or both"),
        **_KIND,
        "reader_1_left": Column("double?", "first reader's score of the left breast"),
        "reader_1_right": Column("double?", "first reader's score of the right breast"),
        "reader_2_left": Column("double?", "second reader's score of the left breast"),
        "reader_2_right": Column("double?", "second reader's score of the right breast"),
        "exam_year": Column("int16?", "calendar year of the exam"),
        "age_years": Column("int16?", "age at the exam"),
        "vendor": Column("string", "maker"),
        "fold": Column("int16", "the fold that tests this exam"),
        "use": Column("string", "train_and_test, or test (evaluated, never trained on)"),
    },
    # cohort/roles.parquet: one row per fold and woman
    "roles": {
        "patient_id": Column("string", "one woman"),
        **_FOLD,
    },
    # holistic/{fold}/images.parquet: every image that this fold trains on or scores
    "holistic_scores": {
        **_IMAGE,
        **_WHO,
        **_SIDE,
        **_FOLD,
        **_MARGIN,
        "coa_row": Column("double", "centre of attention, 0-based pixel centre of the stored matrix"),
        "coa_col": Column("double", "centre of attention, 0-based pixel centre of the stored matrix"),
        "coa_fallback": Column("bool", "true: empty saliency map, the breast's centroid was taken"),
        "further_coa_rows": Column(
            "list<double>", "further centres of attention, in the order in which they were found"
        ),
        "further_coa_cols": Column("list<double>", "the same; empty unless coas_per_image > 1"),
        "top_outside_breast": Column("double", "share of the top pixels that lie outside the breast mask"),
        "top_spread_px": Column("double", "rms distance of the top pixels from the COA, stored matrix"),
    },
    # attention/{fold}/rois/{shard}.parquet: one row group per ROI
    "rois": {
        **_IMAGE,
        "number": Column("int16", "0: around the image's COA; 1, 2, ...: around its further ones"),
        "row_px": Column("int32", "first row of the ROI in the stored matrix; the stored crop is wider"),
        "col_px": Column("int32", "first column of the ROI in the stored matrix"),
        "side_px": Column("int32", "side of the ROI in the stored matrix"),
        "stored_side_px": Column(
            "int32", "side of the crop in `pixels`: the ROI and a margin of real pixels"
        ),
        "margin_px": Column("int32", "of the crop in `pixels`, on each side of the ROI"),
        "bits": Column("int8", "8 or 16"),
        "pixels": Column("binary", "row-major grey levels, chest wall left, 0 outside the image"),
    },
    # attention/{fold}/images.parquet
    "attention_scores": {**_IMAGE, **_WHO, **_SIDE, **_FOLD, **_MARGIN},
    # wu2019/{shard}/exams.parquet: one row per exam of the cohort in the shard
    "wu2019_scores": {
        **_WHO,
        "reason": Column(
            "string?", "why the exam has no scores: views, no_breast or too_small; null = scored"
        ),
        "detail": Column("string?", "what was found"),
        **{
            f"{prefix}{side}_{kind}": Column("double?", f"probability, {model} network")
            for model, prefix in (("image-and-heatmaps", ""), ("image-only", "image_"))
            for kind in ("benign", "malignant")
            for side in ("left", "right")
        },
        "features": Column(
            "list<float>",
            "1024: means of the last maps of the image-and-heatmaps network, 256 each of L-CC, R-CC, L-MLO, R-MLO; "
            "empty where there are no scores",
        ),
    },
    # wu2019/{shard}/patches.parquet: one row per image; a heatmap is the mean over the patches that cover a pixel
    "wu2019_patches": {
        **_IMAGE,
        "top_px": Column("int32", "first row of the breast's crop in the stored matrix"),
        "left_px": Column("int32", "first column of the crop in the stored matrix"),
        "height_px": Column("int32", "rows of the crop"),
        "width_px": Column("int32", "columns of the crop"),
        "mirrored": Column("bool", "true: patches count columns from the crop's right edge as stored"),
        "patch_rows": Column("list<int32>", "first row of each patch row in the crop; patches are 256 x 256"),
        "patch_cols": Column("list<int32>", "first column of each patch column, chest wall left"),
        "benign": Column(
            "list<float>", "probability per patch; columns are the outer loop, rows the inner one"
        ),
        "malignant": Column("list<float>", "the same"),
    },
    # wu2019/adapted/{fold}/exams.parquet: exams that the fold's head learned from, chose by or tests
    "adapted_scores": {**_WHO, **_FOLD, **_MARGIN},
    # scores/outside.parquet: one row per outside model and exam of the cohort that it scored
    "outside_scores": {
        "model": Column("string", "its name in the config"),
        "exam_id": Column("string", "one screening visit"),
        "score": Column("double", "higher = more suspicious"),
    },
    # scores/exams.parquet: one row per exam, out-of-fold only
    "exam_scores": {
        **_WHO,
        "outcome": Column("string", "outcome of the exam"),
        "fold": Column("int16", "the fold whose networks gave the scores: the one that never saw the woman"),
        "holistic": Column("double", "max over breasts of the sum over views of the holistic margin"),
        "attention": Column("double", "the same of the attention margin"),
        "ensemble": Column("double", "the same of the mean of the two margins"),
        "wu2019": Column(
            "double?", "max over breasts of Wu et al.'s probability of malignancy; null = not scored"
        ),
        "wu2019_adapted": Column("double?", "margin of the adapted head; null = not scored"),
        "reader_1": Column("double?", "max over breasts of the first reader's score; null = not read"),
        "reader_2": Column("double?", "max over breasts of the second reader's score"),
        "two_readers": Column("double?", "max over breasts of the two readers' sum; null = not read by both"),
    },
    **PREDICTION_TABLES,
}
