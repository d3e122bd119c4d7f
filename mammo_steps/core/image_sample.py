"""A few images that stand for an archive: spread over its machines, matrices and encodings.

Images of one stratum come in an order that depends on their ids and the seed alone. They are dealt in rounds,
one of each stratum, the largest stratum first, so that a rare machine is seen as well as a frequent one.
"""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

import pandas as pd

from mammo_steps.core.randomness import ordered

STRATA = ["vendor", "model", "intent", "size", "transfer_syntax", "photometric", "window"]


def _rounds(groups: Sequence[Sequence[str]]) -> Iterator[str]:
    for one_round in zip_longest(*groups):
        yield from (image_id for image_id in one_round if image_id is not None)


def sampled_images(images: pd.DataFrame, n: int, seed: int) -> list[str]:
    """Up to n image_ids of the `files` that are taken, in the order in which they were dealt."""
    groups = images.groupby(STRATA, dropna=False, sort=True)["image_id"]
    dealt = [ordered(list(ids), "doctor", seed) for _, ids in groups]
    dealt.sort(key=len, reverse=True)
    return [image_id for image_id, _ in zip(_rounds(dealt), range(n), strict=False)]


def sheet_images(rows: Sequence[Any], n: int) -> list[Any]:
    """Up to n of the examined images for the contact sheet; those left out come first, in up to half of it.

    rows  in the order in which they were dealt, each with its `reason`
    """
    out = [row for row in rows if row["reason"] is not None]
    fine = [row for row in rows if row["reason"] is None]
    n_out = max(min(len(out), n // 2), n - len(fine)) if n else 0
    return [*out[:n_out], *fine[: max(0, n - n_out)]]
