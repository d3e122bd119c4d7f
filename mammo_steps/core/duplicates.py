"""Files that say they are the same image (the same SOP Instance UID, hashed)."""

import pandas as pd

from mammo_steps.core.terms import Reason

# what copies of one image agree in; how they are encoded may differ, and whether their pixels do is not looked at
_SAME = ["patient_id", "exam_id", "laterality", "view", "height_px", "width_px", "photometric"]


def duplicate_reasons(index: pd.DataFrame) -> pd.Series:
    """Per row of an `index` why it is no image of its own, NaN where it is one, or is left out anyway.

    Of copies the first in the given order is taken. Files that share an id and differ in woman, exam, breast, view or
    size are different images, and which of them bears its own id cannot be told: all of them are out.
    """
    taken = index[index["reason"].isna()]
    repeats = taken[taken["image_id"].duplicated(keep=False)]
    kinds = repeats.groupby("image_id")[_SAME].nunique(dropna=False).max(axis=1)
    differs = repeats["image_id"].map(kinds) > 1
    again = repeats["image_id"].duplicated()
    reasons = pd.Series(None, index=index.index, dtype="str")
    reasons.loc[again[again].index] = Reason.DUPLICATE_INSTANCE.value
    reasons.loc[differs[differs].index] = Reason.DUPLICATE_CONFLICT.value
    return reasons


def repeats_within(index: pd.DataFrame) -> pd.Series:
    """`duplicate_reasons` of one intake's files: of copies the largest is taken, which is no cut-off one."""
    return duplicate_reasons(index.sort_values("file_bytes", ascending=False, kind="stable")).sort_index()
