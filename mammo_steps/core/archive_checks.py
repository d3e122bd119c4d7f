"""Checks of what the headers say, with or without labels. Thresholds stand where they are used."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from mammo_steps.core.archive_tables import taken
from mammo_steps.core.terms import Reason
from mammo_steps.core.verdict import Finding, Level, graded, part, rule_text

DAMAGED = (Reason.UNREADABLE_HEADER, Reason.FILE_GONE)


@dataclass(frozen=True)
class Headers:
    """What the checks look at.

    files       one row per file (core.archive_tables)
    exams       one row per exam (core.eligibility.exam_frame)
    age_range   of the cohort, None = any age
    width_px    of the holistic image
    """

    files: pd.DataFrame
    exams: pd.DataFrame
    age_range: Sequence[float] | None
    width_px: int

    @property
    def images(self) -> pd.DataFrame:
        return taken(self.files)

    def n(self, *reasons: Reason) -> int:
        """Files that are out for one of these reasons."""
        return int(self.files["reason"].isin(reasons).sum())


def check_headers(headers: Headers) -> list[Finding]:
    """Every check; where nothing is taken at all, the first ones alone."""
    checks = CHECKS if len(headers.images) else CHECKS[:2]
    return [check(headers) for check in checks]


def _flagged(images: pd.DataFrame, name: str) -> int:
    return int((images[name] == True).sum())  # noqa: E712 - nulls are neither


def _files_taken(headers: Headers) -> Finding:
    n_out, n = len(headers.files) - len(headers.images), len(headers.files)
    share = n_out / n if n else 1.0
    return Finding(
        Level.STOP if not len(headers.images) else graded(share, 0.1),
        "Files left out by their headers",
        part(n_out, n, "files"),
        "look above 10 %, stop if none is taken",
        "Archives hold reports, special views and raw images beside mammograms; but a wrong setting hides here, too.",
        "Go through the reasons below; where one should not be there, its line says which setting takes such files.",
    )


def _damaged(headers: Headers) -> Finding:
    n, of = headers.n(*DAMAGED), len(headers.files)
    return Finding(
        graded(n / of if of else 0, 0, 0.2),
        "Files that could not be opened or have a damaged header",
        part(n, of, "files"),
        rule_text(0, 0.2),
        "Lost files make exams incomplete; a mount that comes and goes loses different ones each time.",
        "Check mount, links and permissions, and fetch damaged files again.",
    )


def _duplicates(headers: Headers) -> Finding:
    n, of = headers.n(Reason.DUPLICATE_INSTANCE), len(headers.files)
    return Finding(
        graded(n / of, 0.01),
        "Images that are there more than once",
        part(n, of, "files"),
        rule_text(0.01),
        "The largest file is taken. Whether the others show the same pixels is not looked at; many copies point to an "
        "export that was run twice.",
        "Ask how the archive was made. Copies with ids of their own are not found by their ids.",
    )


def _contradicting_copies(headers: Headers) -> Finding:
    n, of = headers.n(Reason.DUPLICATE_CONFLICT), len(headers.files)
    return Finding(
        graded(n / of, 0),
        "Different images with one id",
        part(n, of, "files"),
        rule_text(0),
        "Files that bear one image's id and differ in woman, exam, breast, view or size are all left out.",
        "Find them with translate_ids and have their ids put right: the export may have mixed up more.",
    )


def _exam_ids(headers: Headers) -> Finding:
    n, of = int((headers.exams["n_women"] > 1).sum()), len(headers.exams)
    return Finding(
        graded(n / of, 0, 0.05),
        "Exams with several patient ids",
        part(n, of, "exams"),
        rule_text(0, 0.05),
        "A woman who has two ids could be in training and test at once; an exam of two women has no outcome.",
        "Check read_headers.settings.exam_id_field; some data sets write an id per image and need their own adapter.",
    )


def _complete(headers: Headers) -> Finding:
    exams = headers.exams
    n, of = int((exams["missing"] != "").sum()), len(exams)
    slots = exams["missing"].str.split().explode().value_counts()
    lacking = ", ".join(f"{slot} {n:,}" for slot, n in slots.items())
    return Finding(
        graded(n / of, 0.2, 0.9),
        "Exams that lack an expected view",
        part(n, of, "exams") + (f"; lacking: {lacking}" if lacking else ""),
        rule_text(0.2, 0.9),
        "Only complete exams are in the cohort. Views lost for one reason are often lost for one machine or one year.",
        "See which reasons take images away; list_images.views says which views are expected.",
    )


def _intents(headers: Headers) -> Finding:
    kinds = headers.images["intent"].fillna("not said").value_counts()
    n_said = len(kinds.drop("not said", errors="ignore"))
    other = headers.n(Reason.FOR_PROCESSING, Reason.FOR_PRESENTATION)
    found = ", ".join(f"{kind} {n:,}" for kind, n in kinds.items())
    doubtful = len(kinds) > 1 or other > len(headers.images)
    return Finding(
        Level.STOP if n_said > 1 else Level.LOOK if doubtful else Level.FINE,
        "Images for presentation and raw images",
        f"taken: {found}; left out because of the other intent: {other:,} files",
        "stop if both are taken; look if more were left out than taken, or if only some headers say",
        "Raw and processed images look different; a network can tell hospitals and years apart by that alone.",
        "read_headers.settings.presentation_intent chooses one kind.",
    )


def _computed(headers: Headers) -> Finding:
    n_taken, of = _flagged(headers.images, "synthetic"), len(headers.images)
    n_out, n_frames = headers.n(Reason.SYNTHETIC), headers.n(Reason.MULTI_FRAME)
    mixed = 0 < n_taken < of
    return Finding(
        Level.LOOK if mixed or n_out + n_frames else Level.FINE,
        "Tomosynthesis and images computed from it",
        f"taken: {part(n_taken, of, 'images')}; left out: {n_out:,} computed images, {n_frames:,} of several frames",
        "look if any",
        "Exams with tomosynthesis may lack ordinary images, and are often of one site, one period, or of suspicion.",
        "Compare these exams' outcomes with the others'. Do not mix computed and ordinary images without need.",
    )


def _windows(headers: Headers) -> Finding:
    known = headers.images["window"].dropna()
    n = int((known == "none").sum())
    return Finding(
        graded(n / len(known) if len(known) else 0, 0.01),
        "Headers without a window or LUT",
        part(n, len(known), "images") if len(known) else "not known",
        rule_text(0.01),
        "Their grey levels come from percentiles of the breast instead: a mixture of both is a mixture of two looks.",
        "See whether they are of one machine or one export; ask for the headers' window if it was stripped.",
    )


def _no_spacing(headers: Headers) -> Finding:
    n, of = int(headers.images["pixel_spacing_mm"].isna().sum()), len(headers.images)
    return Finding(
        graded(n / of, 0.01),
        "Images without pixel spacing",
        part(n, of, "images"),
        rule_text(0.01),
        "Images are resized by width, so training does not need it; places in mm and checks of scale do.",
        "Nothing for a first run. Do not report sizes in mm.",
    )


def _spacing_differs(headers: Headers) -> Finding:
    images = headers.images
    spacings = images.assign(mm=images["pixel_spacing_mm"].round(3)).dropna(subset=["mm"])
    groups = spacings.groupby(["vendor", "model", "size"], dropna=False)["mm"].nunique()
    n, of = int((groups > 1).sum()), len(groups)
    return Finding(
        graded(n, 0),
        "Several pixel spacings for one machine and matrix",
        part(n, of, "pairs of machine and matrix"),
        rule_text(0),
        "One detector has one spacing: a second one means magnification views, resampled exports or wrong headers.",
        "See the table of sizes; magnified views belong out of the cohort.",
    )


def _narrow(headers: Headers) -> Finding:
    n, of = _flagged(headers.images, "narrow"), len(headers.images)
    return Finding(
        graded(n / of, 0),
        f"Images narrower than {headers.width_px} pixels",
        part(n, of, "images"),
        rule_text(0),
        "They are enlarged for the network and have less detail than the others.",
        "Fine if rare. If many, make make_shards.settings.holistic_width_px and train_holistic.fit.input_px smaller.",
    )


def _bits(headers: Headers) -> Finding:
    n, of = int((headers.images["bits_stored"] <= 8).sum()), len(headers.images)
    return Finding(
        graded(n / of, 0.0),
        "Images with 8 bits or fewer",
        part(n, of, "images"),
        rule_text(0),
        "Mammograms have 10 bits or more; 8 bits mean digitised film, a screen capture or an export that was windowed.",
        "Ask how these were made, and do not mix them with others.",
    )


def _lossy(headers: Headers) -> Finding:
    n, of = _flagged(headers.images, "lossy"), len(headers.images)
    return Finding(
        graded(n / of, 0),
        "Images encoded in a way that may have lost detail",
        part(n, of, "images"),
        rule_text(0),
        "Lossy compression blurs small calcifications, and is a mark of a site or a period. Loss before the last "
        "encoding is not seen here.",
        "Ask for the originals; if there are none, look whether outcomes are as frequent among these images.",
    )


def _ages(headers: Headers) -> Finding:
    n, of = int(headers.exams["age_years"].isna().sum()), len(headers.exams)
    wanted = headers.age_range is not None
    return Finding(
        graded(n / of, 0.01, 0.99) if wanted else Level.FINE,
        "Exams without the woman's age",
        part(n, of, "exams"),
        f"{rule_text(0.01, 0.99)} (list_images.age_range is set)"
        if wanted
        else "none: list_images.age_range is null",
        "Exams of unknown age are left out where an age range is set.",
        "Set list_images.age_range to null, or have ages put back into the headers.",
    )


def _dates(headers: Headers) -> Finding:
    undated = headers.exams[headers.exams["exam_year"].isna()]
    several = headers.exams["patient_id"].duplicated(keep=False)
    n, of = int(several[undated.index].sum()), int(several.sum())
    return Finding(
        graded(n, 0),
        "Undated exams of women with several",
        part(n, of, "exams of women with several"),
        rule_text(0),
        "Which came first cannot be told, so exams after a cancer and later cancer-free exams are not found.",
        "Have at least shifted dates put back into the headers.",
    )


def _burned_in(headers: Headers) -> Finding:
    said = headers.images["burned_in"].notna()
    n, of = _flagged(headers.images, "burned_in"), len(headers.images)
    return Finding(
        graded(n, 0),
        "Text burned into the picture",
        f"{part(n, of, 'images')}; {int((~said).sum()):,} headers do not say",
        "look if any header says so",
        "It may name a woman, and a network can read marks. Headers are often silent or wrong about it.",
        "Look at the contact sheet; clean these images before anything is shared. This page itself shows pictures.",
    )


def _implants(headers: Headers) -> Finding:
    n, of = _flagged(headers.images, "implant"), len(headers.images)
    displaced = _flagged(headers.images, "implant_displaced") + headers.n(Reason.IMPLANT_DISPLACED)
    return Finding(
        graded(n, 0),
        "Breasts with an implant",
        f"{part(n, of, 'images')}; {displaced:,} views with it pushed back; left out: {headers.n(Reason.IMPLANT):,}",
        "look if any is taken",
        "An implant hides tissue and changes grey levels; exams with one have twice as many views.",
        "Decide on read_headers.settings.implants before training, not after.",
    )


CHECKS: tuple[Callable[[Headers], Finding], ...] = (
    _files_taken,
    _damaged,
    _duplicates,
    _contradicting_copies,
    _exam_ids,
    _complete,
    _intents,
    _computed,
    _windows,
    _no_spacing,
    _spacing_differs,
    _narrow,
    _bits,
    _lossy,
    _ages,
    _dates,
    _burned_in,
    _implants,
)
