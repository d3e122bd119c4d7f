"""OMI-DB, the OPTIMAM Mammography Image Database: women of the UK screening programme (Halling-Brown et al. 2021).

    source      medphys.royalsurrey.nhs.uk/omidb, doi 10.1148/ryai.2020200103
    terms       by application and data-sharing agreement with Cancer Research UK / Royal Surrey
    size        172,282 women by May 2020, with all cancers of a screened population, interval cancers included
    archive     the folder IMAGES: <client>/<study>/<image>.dcm. Ids are taken from these paths. Most views exist
                twice, FOR PROCESSING and FOR PRESENTATION: `presentation_intent` takes one kind, and the other
                is no reason to leave an exam out
    labels      the folder DATA: nbss_<client>.json and imagedb_<client>.json of each client. A file changed in
                place does not change the folder's time: `touch` the folder to have the cohort listed again
    metadata    none
    exam        one study. It is a screening exam if its date is one of screening in its episode (or if the
                episode has nothing but screening)
    outcome     by the rule that the database's own package publishes (omidb 0.13.1, classificationtools), with
                `outcome_windows` for its months. screen_detected (theirs: M): a malignant biopsy or operation in
                the exam's own episode. A cancer of a later episode, an interval case (CIP) or another (MP), is
                interval, or prior where she was screened again before the diagnosis or the windows say so.
                benign (B): a benign biopsy or operation, no cancer. normal (N, NA, NAB): the rest
    diagnosis   stated for interval cases, else of the first malignant biopsy or operation. An interval case
                without any tissue result is believed, one with tissue that is not malignant is not
    follow-up   months to the woman's last episode without cancer; none = no such episode after this one
    side        of the malignant opinions, or as entered for the interval cancer
    undefined   not_screening: studies of assessment, biopsy, clinic, operation, and of interval episodes.
                not_recorded: no episode; a date that fits no event; an event of this or a later episode without
                any opinion. no_pathology: operated, or a biopsy called suspicious or uncertain, and neither
                benign nor malignant. events_contradict: one date for screening and another event; an interval
                case with tissue that is not malignant. after_surgery: operated, or a cancer, in an earlier
                episode. dates_missing: a study, or an episode among several, without a date. dates_contradict,
                outside_windows: see `core.outcomes`
    faults      names of files in upper and lower case; a study may name no episode, or one that does not exist:
                then the episode with an event on its day is taken; opinions are codes or words; a study has the
                DICOM images of several purposes
    not there   scores of single readers

Why the package `omidb` (MIT) is not used: it calls itself experimental, logs clients' ids, goes on without a
client whose files it cannot read, gives clients in no fixed order, and brings a plotting library. The layout is
read here, in `omi_db_episodes`, and a test compares both where the package is installed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mammo_steps.core.labels import ExamLabel, FactsOf, ImageFacts, Windows, side_of
from mammo_steps.core.outcomes import outcome_of_cancer
from mammo_steps.core.terms import Outcome, Undefined
from mammo_steps.datasets.label_tables import NOT_READ
from mammo_steps.datasets.omi_db_episodes import Client, Episode, Study, read_clients

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

DAYS_PER_MONTH = 365.25 / 12

_CLIENT = re.compile(r"(?:demd|optm)\d+")

Decided = tuple[Outcome, Undefined | None]


def read_labels(path: Path, windows: Windows) -> list[ExamLabel]:
    """One label per study; `row` is the place of the woman's folder in the order of names."""
    labels = [_label(client, study, windows) for client in read_clients(path) for study in client.studies]
    if not labels:
        raise ValueError(
            f"{path}: no client has a study; wanted OMI-DB's folder DATA with imagedb_<client>.json"
        )
    return labels


def _label(client: Client, study: Study, windows: Windows) -> ExamLabel:
    episode = _episode_of(study, client)
    breasts, follow_up = "", None
    why = _unusable(study, episode, client)
    if why or episode is None or study.day is None:
        decided: Decided = Outcome.UNKNOWN, why
    else:
        later = _others(episode, client, later=True)
        decided, breasts = _outcome(study.day, episode, later, windows)
        follow_up = _follow_up_months(study.day, later)
    return ExamLabel(
        patient_id=client.patient_id,
        exam_id=study.exam_id,
        outcome=decided[0],
        cancer_laterality=side_of(breasts),
        follow_up_months=follow_up,
        row=client.number,
        undefined=decided[1],
        **NOT_READ,
    )


def _episode_of(study: Study, client: Client) -> Episode | None:
    """The episode that the study names, else the one with an event on its day."""
    if study.episode_id and study.episode_id in client.episodes:
        return client.episodes[study.episode_id]
    on_day = (e for e in client.episodes.values() if any(study.day in event.days for event in e.events))
    return next(on_day, None) if study.day else None


def _others(episode: Episode, client: Client, later: bool) -> list[Episode]:
    """The woman's later (or earlier) episodes, in the order of their days, as far as they have one."""
    dated = [(e.day, e) for e in client.episodes.values() if e is not episode and e.day and episode.day]
    return [e for day, e in sorted(dated, key=lambda pair: pair[0]) if (day >= (episode.day or day)) == later]


def _unusable(study: Study, episode: Episode | None, client: Client) -> Undefined | None:
    if episode is None:
        return Undefined.NOT_RECORDED
    if study.day is None:
        return Undefined.DATES_MISSING
    if episode.interval:
        return Undefined.NOT_SCREENING
    why = _no_screening(study.day, episode)
    if why:
        return why
    if any(e.day is None for e in client.episodes.values()):
        return Undefined.DATES_MISSING
    if any(e.cancer or e.interval or _operated(e) for e in _others(episode, client, later=False)):
        return Undefined.AFTER_SURGERY
    return None


def _no_screening(day: date, episode: Episode) -> Undefined | None:
    on_day = {event.kind for event in episode.events if day in event.days}
    kinds = on_day or {event.kind for event in episode.events}
    if kinds == {"SCREENING"}:
        return None
    if not on_day:
        return Undefined.NOT_RECORDED
    return Undefined.EVENTS_CONTRADICT if "SCREENING" in on_day else Undefined.NOT_SCREENING


def _operated(episode: Episode) -> bool:
    return any(event.kind == "SURGERY" for event in episode.events)


def _outcome(day: date, episode: Episode, later: Sequence[Episode], windows: Windows) -> tuple[Decided, str]:
    """The outcome of a screening exam on this day, and the breasts with its cancer."""
    if episode.malignant:
        decided = outcome_of_cancer(((episode.cancer_day or day) - day).days, True, windows)
        return decided, "" if decided[1] else episode.malignant
    if not all(e.complete for e in (episode, *later)):
        return (Outcome.UNKNOWN, Undefined.NOT_RECORDED), ""
    cancer = next((e for e in later if e.cancer or e.interval), None)
    if cancer is None:
        return _without_cancer(episode), ""
    if not cancer.cancer:  # an interval case whose tissue was not malignant
        return (Outcome.UNKNOWN, Undefined.EVENTS_CONTRADICT), ""
    found = cancer.cancer_day
    n_days = (found - day).days if found else None
    again = any(day < other <= found for e in (episode, *later) for other in e.screened) if found else False
    decided = outcome_of_cancer(n_days, False, windows, again)
    return decided, "" if decided[1] else cancer.malignant or cancer.interval_sides


def _without_cancer(episode: Episode) -> Decided:
    if any(event.breasts("OB") for event in episode.tissue):
        return Outcome.BENIGN, None
    if _operated(episode) or any(event.breasts("OS", "OU") for event in episode.tissue):
        return Outcome.UNKNOWN, Undefined.NO_PATHOLOGY
    return Outcome.NORMAL, None


def _follow_up_months(day: date, later: Sequence[Episode]) -> float | None:
    last = max((e.day for e in later if e.day and not e.cancer and not e.interval), default=None)
    return None if last is None or last <= day else (last - day).days / DAYS_PER_MONTH


def image_facts(metadata: Path | None) -> FactsOf:
    """The ids of woman and exam from the path <client>/<study>/<image>.dcm; other paths leave them to the header."""
    if metadata is not None:
        raise ValueError(f"metadata is {metadata}, wanted null: omi_db reads its facts from the paths")
    return _facts


def _facts(relative: str, ds: Dataset) -> ImageFacts:
    parts = PurePosixPath(relative).parts
    if len(parts) < 3 or not _CLIENT.fullmatch(parts[-3]):
        return ImageFacts()
    return ImageFacts(patient_id=parts[-3], exam_id=parts[-2])
