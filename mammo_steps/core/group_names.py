"""What a subgroup of evaluation.json is called."""

from collections.abc import Mapping
from typing import Any

from mammo_steps.core.page_words import words as in_words

_BY = {
    "vendor": "",
    "model": "",
    "exam_year": "",
    "age_years": "age ",
    "density": "density ",
    "outcome": "",
    "cancer_type": "",
    "lesion_type": "",
    "view": "",
}


def group_label(row: Mapping[str, Any]) -> str:
    """`age 50-54`, `mass with specks`; a small group bears a mark."""
    words = in_words(str(row["group"]))
    if words in ("unknown", "other"):
        words = f"{str(row['by']).replace('_', ' ')} {words}"
    return f"{_BY.get(row['by'], row['by'] + ' ')}{words}{' †' if row['small'] else ''}"
