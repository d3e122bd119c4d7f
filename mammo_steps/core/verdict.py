"""What was checked of an archive, and whether it is fine, needs a look, or stops the study."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from mammo_steps.core.page_words import percent


class Level(StrEnum):
    STOP = "stop"
    LOOK = "look"
    FINE = "fine"


@dataclass(frozen=True)
class Finding:
    """One check.

    title  what was checked          found  the number
    rule   the thresholds            why    why it matters
    do     what to do if it is not fine
    """

    level: Level
    title: str
    found: str
    rule: str
    why: str
    do: str


def graded(value: float, look: float, stop: float | None = None) -> Level:
    """FINE up to `look`, LOOK above it, STOP above `stop`."""
    if stop is not None and value > stop:
        return Level.STOP
    return Level.LOOK if value > look else Level.FINE


def rule_text(look: float, stop: float | None = None) -> str:
    """The thresholds of `graded` for a share."""
    first = "look if any" if look == 0 else f"look above {percent(look, 0 if look >= 0.01 else 1)}"
    return first if stop is None else f"{first}, stop above {percent(stop, 0)}"


def part(n: int, of: int, what: str) -> str:
    """n of all `what`, with the share: `3 of 1,200 images (0.2 %)`."""
    share = f" ({percent(n / of, 0 if n in (0, of) else 1)})" if of else ""
    return f"{n:,} of {of:,} {what}{share}"


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    order = list(Level)
    return sorted(findings, key=lambda finding: order.index(finding.level))


def headline(findings: Sequence[Finding]) -> str:
    """The verdict in one sentence."""
    n = {level: sum(finding.level == level for finding in findings) for level in Level}
    if n[Level.STOP]:
        say = "says" if n[Level.STOP] == 1 else "say"
        return f"Do not start yet: {n[Level.STOP]} of {len(findings)} checks {say} stop."
    if n[Level.LOOK]:
        need = "needs" if n[Level.LOOK] == 1 else "need"
        return f"Nothing stops the study; {n[Level.LOOK]} of {len(findings)} checks {need} a look first."
    return f"All {len(findings)} checks are fine."
