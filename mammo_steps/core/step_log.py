"""What the end of a step's log tells: how far a training is, what a step that is done took."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

_END = 8192  # bytes that are read of a log
_TRAINING = re.compile(
    r": fold \d+:? (?P<what>step|epoch) (?P<n>\d+) of (?P<of>\d+)\b.*?"
    r"(?P<rate>\d+) images/s.*? (?P<left>(?:\d+ days?, )?\d+:\d\d:\d\d) left$"
)


@dataclass(frozen=True)
class TrainingLine:
    """The latest line of a training's log that says how far it is; `what` is step or epoch."""

    what: str
    n: int
    of: int
    images_per_s: int
    left_s: int


def last_lines(log: Path) -> list[str]:
    """The lines at the end of a log; none where there is no such file."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _END))
            return file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def training_line(log: Path) -> TrainingLine | None:
    """None for another step's log, or before the first half minute."""
    for line in reversed(last_lines(log)):
        if found := _TRAINING.search(line):
            n, of, rate = int(found["n"]), int(found["of"]), int(found["rate"])
            return TrainingLine(found["what"], n, of, rate, _seconds(found["left"]))
    return None


def wall_s(log: Path) -> float | None:
    """What the step's last line says that it took; None while it runs."""
    for line in reversed(last_lines(log)):
        if line.startswith("cost: "):
            return float(json.loads(line[len("cost: ") :])["wall_s"])
    return None


def _seconds(left: str) -> int:
    """Of a timedelta as text."""
    days, _, clock = left.rpartition(", ")
    h, m, s = map(int, clock.split(":"))
    return int(days.split()[0] if days else 0) * 86400 + h * 3600 + m * 60 + s
