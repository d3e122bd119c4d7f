"""What the columns of the CSV files mean; units by the rule of tables (core/units.py). A CSV has no room for it.

And which names of columns are the project's own. Any other may be an identity, where a table has no header.
"""

import itertools
from collections.abc import Container
from pathlib import PurePath

from mammo_steps.core.columns import TABLES
from mammo_steps.core.terms import Outcome

_INTERVAL = {"ci_low": "lower end of the 95 % interval", "ci_high": "upper end of the 95 % interval"}

# name of the file -> column -> meaning
CSV_COLUMNS = {
    "auc.csv": {
        "model": "holistic, attention, ensemble, published, adapted or outside model, or readers",
        "endpoint": "what is positive: screen_detected, screen_detected_or_interval or interval",
        "unit": "what is counted: an image, a breast or an exam",
        "protocol": "all: every negative; sampled: as many as the paper drew",
        "pooling": "pooled: all folds as one; fold_mean: mean of the folds' AUCs",
        "auc": "area under the ROC curve; empty = not run, or not to be estimated",
        **_INTERVAL,
        "ci_method": "how the interval was made",
        "n_positive": "positives counted",
        "n_negative": "negatives counted",
    },
    "history.csv": {
        "epoch": "number, from 1",
        "n_positive": "positives that it trained on",
        "n_negative": "negatives that it trained on",
        "learning_rate": "of its last step",
        "train_loss": "mean cross-entropy in training",
        "validation_loss": "mean cross-entropy of validation women, negatives weighing as in training",
        "validation_auc": "per image, of validation women",
        "kept": "1: these weights were kept",
    },
    "localisation.csv": {
        "locator": "what places the ROI: the COA or a baseline",
        "role": "of the images in their fold",
        "lesion_type": "of the lesions looked for; all = any",
        "n_images": "positive images with known lesions",
        "n_hit": "of them those whose ROI holds a lesion's centre; of a random ROI expected",
        "hit_rate": "n_hit over n_images",
        **_INTERVAL,
        "roi_area_over_median_breast_area": "how large the ROI is",
    },
    "crop_audit.csv": {
        "height_px": "rows of the stored matrix",
        "width_px": "columns of the stored matrix",
        "n_images": "images of this size",
        "breast_share_outside": "share of breast pixels that the network does not see",
        "lesion_share_outside": "share of known lesions whose centre it does not see",
        "n_measured": "images whose breast was measured",
        "n_lesions": "known lesions",
    },
}

_OF_PRIVATE_TABLES = (
    *("cancer_laterality", "reader_1_left", "reader_1_right", "reader_2_left", "reader_2_right"),
    *("follow_up_months", "days_to_diagnosis", "recalled", "density", "cancer_type", "sop_instance_uid"),
    *("lesion_id", "lesion_type", "malignant", "row", "col", "radius_px", "contrast", "score", "number"),
)
_OF_DOCTOR = (
    *("level", "title", "found", "rule", "why", "do", "reason", "detail", "n", "unlabelled"),
    *("files", "taken", "left_out", "images", "exams", "women", "exam_year", "syntax", "lossy"),
    *("size", "spacing_mm", "holistic_height_px", "rows_in_crop", "mean_grey", "decode_s", "total_s"),
    *map(str, Outcome),
)
KNOWN = frozenset(itertools.chain(_OF_PRIVATE_TABLES, _OF_DOCTOR, *TABLES.values(), *CSV_COLUMNS.values()))


def shown_name(name: str, place: int, known: Container[str] = KNOWN) -> str:
    """A column's name if it is the project's own, else its place, counted from 1."""
    return name if name in known else f"column {place}"


def meanings(path: PurePath) -> dict[str, str]:
    """Column -> meaning; empty for another file."""
    return CSV_COLUMNS.get(path.name, {})
