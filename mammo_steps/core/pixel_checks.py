"""Checks of the decoded sample. Thresholds stand where they are used."""

from typing import Any

import pandas as pd

from mammo_steps.core.verdict import Finding, Level, graded, part, rule_text

FEWEST = 5  # images of a machine whose median grey is compared
GREY_LOOK = 30.0  # of 255


def grey_table(sample: pd.DataFrame) -> list[dict[str, Any]]:
    """Quartiles of the mean grey inside the breast (0..255), by machine; `dots`: (grey, fallback?) by image."""
    rows = []
    sample = sample.assign(model=sample["model"].astype("object").fillna("not said"))
    for (vendor, model), own in sample.groupby(["vendor", "model"]):
        own = own[own["mean_grey"].notna()]
        if own.empty:
            continue
        greys = own["mean_grey"]
        dots = sorted(zip(greys, own["intensity"] == "fallback", strict=True))
        quartiles = greys.quantile([0.25, 0.5, 0.75]).tolist()
        names = dict(zip(("q1", "median", "q3"), quartiles, strict=True))
        rows.append({"vendor": vendor, "model": model, "n": len(greys), "dots": dots, **names})
    return rows


def decode_table(sample: pd.DataFrame) -> list[dict[str, Any]]:
    """By encoding: images, median and slowest decoding in milliseconds, median rate in megapixels per second."""
    rows = []
    decoded = sample[sample["decode_s"].notna()]
    for syntax, own in decoded.groupby("syntax"):
        ms = 1000 * own["decode_s"].astype("float64")
        rate = own["height_px"] * own["width_px"] / 1000 / ms
        rows.append(
            {
                "syntax": syntax,
                "n": len(own),
                "median_ms": float(ms.median()),
                "max_ms": float(ms.max()),
                "megapixels_per_s": float(rate.median()),
            }
        )
    return rows


def check_pixels(sample: pd.DataFrame, n_images: int, workers: int) -> list[Finding]:
    """sample: one row per examined image; n_images: of the archive; workers: processes that will read them."""
    if sample.empty:
        return []
    usable = sample[sample["reason"].isna()]
    return [
        _left_out(sample),
        _fallback(usable),
        _orientation(sample),
        _greys(usable),
        _time(sample, n_images, workers),
    ]


def _left_out(sample: pd.DataFrame) -> Finding:
    counts = sample["reason"].dropna().value_counts()
    n, of = int(counts.sum()), len(sample)
    words = ", ".join(f"{str(reason).replace('_', ' ')} {n_own:,}" for reason, n_own in counts.items())
    return Finding(
        graded(n / of, 0, 0.2),
        "Sampled images whose pixels cannot be used",
        part(n, of, "images") + (f": {words}" if words else ""),
        rule_text(0, 0.2),
        "What is lost in the sample will be lost in the archive; each takes its exam along.",
        "Look at them in the contact sheet; their reason stands below them.",
    )


def _fallback(usable: pd.DataFrame) -> Finding:
    is_fallback = usable["intensity"] == "fallback"
    n, of = int(is_fallback.sum()), len(usable)
    medians = [usable.loc[own, "mean_grey"].median() for own in (is_fallback, ~is_fallback)]
    greys = f"; their median grey is {medians[0]:.0f}, the others' {medians[1]:.0f}" if 0 < n < of else ""
    return Finding(
        graded(n / of if of else 0.0, 0.01),
        "Sampled images without a usable window",
        part(n, of, "images") + greys,
        rule_text(0.01),
        "Their grey levels come from percentiles inside the breast. All or none is fair; a mixture is two looks.",
        "See whether they are of one machine; ask for headers with windows.",
    )


def _orientation(sample: pd.DataFrame) -> Finding:
    known = sample["orientation_conflict"].dropna()
    n, of = int(known.astype(bool).sum()), len(known)
    return Finding(
        graded(n / of if of else 0.0, 0, 0.1),
        "Sampled images whose breast lies on the other side",
        part(n, of, "images"),
        rule_text(0, 0.1),
        "Either the picture was mirrored or the header names the wrong breast: then a label may be on the wrong side.",
        "Look at them in the contact sheet. If a whole machine is mirrored, have the headers corrected.",
    )


def _greys(usable: pd.DataFrame) -> Finding:
    rows = [row for row in grey_table(usable) if row["n"] >= FEWEST]
    medians = [row["median"] for row in rows]
    spread = max(medians) - min(medians) if medians else 0.0
    return Finding(
        Level.LOOK if spread > GREY_LOOK else Level.FINE,
        "Grey levels by machine",
        f"medians of the mean grey inside the breast differ by {spread:.0f} of 255 between {len(rows)} machines"
        if len(rows) > 1
        else f"nothing to compare: {len(rows)} machine(s) with {FEWEST} sampled images or more",
        f"look above {GREY_LOOK:.0f}",
        "A silent mismatch of windows shows here: one machine's pictures are darker or flatter than the others'.",
        "Compare their rows of the contact sheet, right-hand pictures.",
    )


def _time(sample: pd.DataFrame, n_images: int, workers: int) -> Finding:
    median = float(sample["total_s"].median())
    hours = n_images * float(sample["total_s"].mean()) / workers / 3600
    return Finding(
        Level.FINE,
        "Time to read all pixels",
        f"{median:.2f} s an image (median); about {hours:,.1f} h for {n_images:,} images with {workers} processes",
        "none",
        "So you know how long make_shards will take on this machine and storage.",
        "More shards at once, or more make_shards.workers.",
    )
