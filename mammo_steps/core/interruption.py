"""Ending in good order when a cluster (SIGTERM) or a user (SIGINT) asks for it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(SystemExit):
    """The job was asked to end, and has saved what it had."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


class Interruption:
    """Notes the first signal that asks the process to end; whoever works looks at `asked` and ends in good order."""

    def __init__(self) -> None:
        self.number: int | None = None

    @property
    def asked(self) -> bool:
        return self.number is not None

    def note(self, number: int, _frame: FrameType | None) -> None:
        self.number = number

    def end(self) -> None:
        """Raise Interrupted, with the code that shells give to a process ended by this signal."""
        raise Interrupted(self.number or signal.SIGTERM)


@contextmanager
def interruptions() -> Iterator[Interruption]:
    """Catch SIGTERM and SIGINT inside the block; a second one of a kind ends the process at once."""
    noted = Interruption()

    def note(number: int, frame: FrameType | None) -> None:
        noted.note(number, frame)
        signal.signal(number, before[number])

    before = {int(number): signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, note)
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
