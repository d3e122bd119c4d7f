"""What if exams with low scores were not read, or read once? Counted on exams that readers did read.

Exams are sorted by score. Of the share with the lowest scores nobody recalls any (`unread`), or only the first
reader's word counts (`single`); the others are recalled as they were, by either reader. Screen-detected cancers that
would then not be recalled are missed; interval cancers were not recalled at the time, so those among the exams above
the limit are what a second look could gain. That a reader who knows the score reads otherwise is not in it.
"""

from dataclasses import dataclass

import numpy as np

from mammo_steps.core.auc import Bools, Floats

STEPS = 101  # shares 0, 0.01, .. 1


@dataclass(frozen=True)
class Readings:
    """Exams (n,) that count in a triage.

    screen_detected, interval  the cancers
    weight    how many times an exam counts in shares and rates (`core.prevalence.negative_weight`)
    first     recalled by reader 1: 1, 0, NaN not read; either  recalled by either, NaN unless both have read
    """

    screen_detected: Bools
    interval: Bools
    weight: Floats
    first: Floats
    either: Floats


def triage(scores: Floats, exams: Readings) -> dict[str, list[float | None]]:
    """Columns of a table with a row per share of exams below the limit; scores (n,) must be finite.

    Tied exams fall on the same side: `share_below` is the share that does lie below, never more than was asked
    for; shares that would repeat a row are left out. Readers' columns count exams that both have read.
    """
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    total = exams.weight.sum()
    cumulated = np.append(0.0, np.cumsum(exams.weight[order])) / total
    starts = np.append(np.flatnonzero(np.append(True, np.diff(ranked) > 0)), ranked.size)  # no ties are cut
    asked = np.linspace(0, 1, STEPS)
    cuts = np.unique(starts[np.searchsorted(cumulated[starts], asked + 1e-9, side="right") - 1])

    def below(what: Floats | Bools) -> Floats:
        counts: Floats = np.append(0.0, np.cumsum(np.asarray(what, dtype=np.float64)[order]))[cuts]
        return counts

    both = np.isfinite(exams.either) & np.isfinite(exams.first)
    either, first = np.where(both, exams.either, 0.0), np.where(both, exams.first, 0.0)
    n_read = float((exams.weight * both).sum())
    found = exams.screen_detected & (either == 1)
    columns: dict[str, Floats] = {
        "limit": np.append(ranked, np.inf)[cuts],
        "share_below": cumulated[cuts],
        "n_below": below(np.ones(scores.size)),
        "screen_detected_below": below(exams.screen_detected),
        "interval_below": below(exams.interval),
        "interval_above": exams.interval.sum() - below(exams.interval),
    }
    if n_read:
        recalled = float((exams.weight * either).sum())
        lost, kept = below(exams.weight * either), below(exams.weight * first)
        columns |= {
            "unread.readings_saved": below(exams.weight * both) / n_read,
            "unread.recall_rate": (recalled - lost) / n_read,
            "unread.screen_detected_missed": below(found),
            "single.readings_saved": below(exams.weight * both) / (2 * n_read),
            "single.recall_rate": (recalled - lost + kept) / n_read,
            "single.screen_detected_missed": below(found & (first == 0)),
        }
    return {name: [float(value) for value in values] for name, values in columns.items()}
