"""What Info.txt of mini-MIAS says about each film, and which woman and breast a film number stands for."""

import re
from dataclasses import dataclass
from pathlib import Path

from mammo_steps.core.artefacts import reading

FILM_PX = 1024
KINDS = ("CALC", "CIRC", "SPIC", "MISC", "ARCH", "ASYM")

_FILM_LINE = re.compile(r"mdb\d{3}")
_ENTRY = re.compile(
    rf"mdb(?P<film>\d{{3}})\s+[FGD]\s+(?:NORM|(?P<kind>{'|'.join(KINDS)})\s+(?P<severity>[BM]))"
    r"(?:\s+(?P<x>\d+)\s+(?P<y>\d+)\s+(?P<radius>\d+))?(?:\s+\*NOTE.*)?\s*"
)


@dataclass(frozen=True)
class Abnormality:
    """One abnormality of a film.

    kind       class in Info.txt, one of KINDS
    place      (row, col) of its centre in the 1024 x 1024 film, 0-based from the top left; None = not stated
    radius_px  of a circle around it; None = not stated
    """

    kind: str
    malignant: bool
    place: tuple[int, int] | None
    radius_px: int | None


@dataclass(frozen=True)
class Film:
    """What Info.txt says of one film. `line` is the first line about it."""

    number: int
    line: int
    found: tuple[Abnormality, ...] = ()


def _abnormality(entry: re.Match[str]) -> Abnormality | None:
    """None for a normal film. Info.txt counts x to the right, y upwards from the bottom left; here from 0."""
    if entry["kind"] is None:
        return None
    stated = entry["x"] is not None
    return Abnormality(
        kind=entry["kind"],
        malignant=entry["severity"] == "M",
        place=(FILM_PX - 1 - int(entry["y"]), int(entry["x"])) if stated else None,
        radius_px=int(entry["radius"]) if stated else None,
    )


def read_info(path: Path) -> dict[int, Film]:
    """The films by number; one film may have several lines, the prose around them is passed over."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: there is no such file; `labels` has to name the database's Info.txt"
        )
    films: dict[int, Film] = {}
    for line, text in enumerate(reading(path).read_text(encoding="latin-1").splitlines(), start=1):
        if not _FILM_LINE.match(text):
            continue
        entry = _ENTRY.fullmatch(text)
        if not entry:
            raise ValueError(
                f"{path}: line {line} is not `film tissue NORM` or `film tissue class B|M [x y radius]`: "
                "wanted the database's Info.txt"
            )
        number = int(entry["film"])
        film = films.get(number, Film(number, line))
        found = _abnormality(entry)
        films[number] = Film(number, film.line, film.found + ((found,) if found else ()))
    if not films:
        raise ValueError(f"{path}: no line about a film (`mdb001 ...`); wanted the database's Info.txt")
    return dict(sorted(films.items()))


def woman_of(number: int) -> str:
    """Films 2k-1 and 2k -> `MIAS<k>`."""
    return f"MIAS{(number + 1) // 2:03d}"


def laterality_of(number: int) -> str:
    return "R" if number % 2 else "L"
