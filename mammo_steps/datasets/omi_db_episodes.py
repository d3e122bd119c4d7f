"""What OMI-DB's JSON files say of one woman: her episodes with their events, and her studies.

The layout is the one that the `omidb` package reads: DATA/<client>/nbss_<client>.json (or NBSS_...) holds the
screening programme's record, DATA/<client>/imagedb_<client>.json the list of studies. Studies are not JSON
objects of their own: a study's keys beside its date and its episode's id are its series.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

EVENTS = ("SCREENING", "ASSESSMENT", "CLINICAL", "BIOPSYWIDE", "BIOPSYFINE", "SURGERY")
TISSUE = ("BIOPSYWIDE", "BIOPSYFINE", "SURGERY")
OPINIONS = {"Benign": "OB", "Malignant": "OM", "Normal": "ON", "Suspicious": "OS", "Uncertain": "OU"}
INTERVAL = ("CI", "Interval case")

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Event:
    """One event of an episode: its kind (of EVENTS), its days, and the opinion of each breast (OB, OM, ...)."""

    kind: str
    days: tuple[date, ...]
    left: str | None
    right: str | None

    def breasts(self, *opinions: str) -> str:
        """The breasts (`L`, `R`) with one of these opinions."""
        return "".join(side for side, said in (("L", self.left), ("R", self.right)) if said in opinions)


@dataclass(frozen=True)
class Episode:
    """One episode of the screening programme.

    interval        it was opened for a cancer that came between two screening exams
    diagnosed       day of that diagnosis
    interval_sides  breasts with an entry under INTERVALCANCER
    """

    events: tuple[Event, ...]
    interval: bool
    opened: date | None
    diagnosed: date | None
    interval_sides: str

    @property
    def tissue(self) -> tuple[Event, ...]:
        return tuple(event for event in self.events if event.kind in TISSUE)

    @property
    def malignant(self) -> str:
        """Breasts with a malignant biopsy or operation."""
        return "".join(event.breasts("OM") for event in self.tissue)

    @property
    def cancer(self) -> bool:
        """Of an interval episode without any tissue result its kind is believed."""
        return bool(self.malignant) or (self.interval and not self.tissue)

    @property
    def complete(self) -> bool:
        """Every event but screening has an opinion of a breast."""
        return all(event.left or event.right for event in self.events if event.kind != "SCREENING")

    @property
    def screened(self) -> tuple[date, ...]:
        return tuple(day for event in self.events if event.kind == "SCREENING" for day in event.days)

    @property
    def day(self) -> date | None:
        """Its first day."""
        days = [day for event in self.events for day in event.days]
        return min(days) if days else self.diagnosed if self.interval else self.opened

    @property
    def cancer_day(self) -> date | None:
        """Day of the diagnosis: as stated, else of the first malignant biopsy or operation, else its first day."""
        days = [day for event in self.tissue if event.breasts("OM") for day in event.days]
        return self.diagnosed or min(days, default=self.day)


@dataclass(frozen=True)
class Study:
    exam_id: str
    day: date | None
    episode_id: str | None


@dataclass(frozen=True)
class Client:
    """One woman; `number` is the place of her folder in the order of names."""

    patient_id: str
    number: int
    episodes: Mapping[str, Episode]
    studies: tuple[Study, ...]


def _day(text: str | None) -> date | None:
    if not text:
        return None
    return datetime.strptime(text, "%Y-%m-%d" if "-" in text else "%Y%m%d").date()


def _event(kind: str, said: Json) -> Event:
    """An event's days stand with its breasts (screening), their lesions, or with itself."""
    days = [_day(said.get("dateperformed"))]
    for side in ("L", "R"):
        of_breast: Json = said.get(side) or {}
        if kind == "SCREENING":
            days.append(_day(of_breast.get("DateTaken")))
        else:
            days += [_day(lesion.get("DatePerformed")) for lesion in of_breast.values()]
    left, right = (said.get(name) or None for name in ("left_opinion", "right_opinion"))
    return Event(
        kind=kind,
        days=tuple(sorted({day for day in days if day})),
        left=OPINIONS.get(left, left) if left else None,
        right=OPINIONS.get(right, right) if right else None,
    )


def _events(said: Json) -> Iterator[Event]:
    for kind in EVENTS:
        if said.get(kind) is not None:
            yield _event(kind, said[kind])
    for other in (said.get("OTHERSCREENING") or {}).values():
        yield _event("SCREENING", other)


def _episode(said: Json) -> Episode:
    interval: Json = said.get("INTERVALCANCER") or {}
    return Episode(
        events=tuple(_events(said)),
        interval=said.get("EpisodeType") in INTERVAL,
        opened=_day(said.get("EpisodeOpenedDate")),
        diagnosed=_day(said.get("IntervalCancerDateOfDiagnosis")),
        interval_sides="".join(side for side in ("L", "R") if interval.get(side)),
    )


def _json(folder: Path, kind: str) -> Json | None:
    """The file of this kind; None if there is none."""
    for prefix in (kind, kind.upper()):
        path = folder / f"{prefix}_{folder.name}.json"
        if path.is_file():
            found: Json = json.loads(path.read_text(encoding="utf-8"))
            return found
    return None


def _client(folder: Path, number: int) -> Client | None:
    """None where the folder has no list of studies."""
    images, record = _json(folder, "imagedb"), _json(folder, "nbss")
    if images is None:
        return None
    studies = [
        Study(exam_id, _day(said.get("StudyDate")), str(said["EpisodeID"]) if said.get("EpisodeID") else None)
        for exam_id, said in (images.get("STUDIES") or {}).items()
        if isinstance(said, dict)
    ]
    episodes = {key: _episode(said) for key, said in (record or {}).items() if isinstance(said, dict)}
    return Client(folder.name, number, episodes, tuple(studies))


def read_clients(data: Path) -> Iterator[Client]:
    """The women of DATA in the order of their folders' names; messages tell a folder's place in it, not its name."""
    if not data.is_dir():
        raise ValueError(f"{data}: no folder; `labels` has to name OMI-DB's folder DATA")
    folders = sorted(path for path in data.iterdir() if path.is_dir() and path.name[:4] in ("demd", "optm"))
    if not folders:
        raise ValueError(f"{data}: no folder of a client (demd..., optm...); wanted OMI-DB's folder DATA")
    for number, folder in enumerate(folders, start=1):
        try:
            client = _client(folder, number)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise ValueError(
                f"{data}: the JSON files of client folder {number} of {len(folders)}, by name, are not as OMI-DB "
                f"writes them ({type(error).__name__}): fetch them again, or move the folder away"
            ) from None
        if client:
            yield client
