"""What a DICOM node has still to send, and what it may forget."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mammo_steps.core.dicom_node_files import remove
from mammo_steps.core.dicom_node_queue import NodeQueue

DAMAGED_RESULT = (
    "a result was changed on the disk before it was sent, or is gone: let it be scored again (--retry)"
)


@dataclass(frozen=True)
class Patience:
    """Seconds: first wait after a refusal, doubled every time up to the longest; given up after so many seconds."""

    first_s: float
    longest_s: float
    give_up_s: float

    def wait_s(self, n_tries: int) -> float:
        """Before the next one, after `n_tries` of them."""
        return float(min(self.longest_s, self.first_s * 2.0 ** min(n_tries - 1, 30)))

    @property
    def enough_tries(self) -> int:
        """After so many the wait is the longest."""
        return next((n for n in range(1, 31) if self.wait_s(n) >= self.longest_s), 31)


class Trial:
    """Whether all that waits could be tried, since the node began or the clock was set ahead (or the machine slept).

    wall, steady: `time.time()` and `time.monotonic()`
    """

    def __init__(self, longest_s: float, wall: float, steady: float) -> None:
        self.longest_s, self._since, self._ahead_s = longest_s, steady, wall - steady

    def is_over(self, wall: float, steady: float) -> bool:
        before_s, self._ahead_s = self._ahead_s, wall - steady
        if self._ahead_s - before_s > self.longest_s:
            self._since = steady
        return steady - self._since > self.longest_s


@dataclass(frozen=True)
class Delivery:
    """One object to one destination."""

    number: int
    exam: str
    file: Path
    sha256: str
    tries: int


class Outbox:
    """The part of a queue that senders work on."""

    def __init__(self, queue: NodeQueue, patience: Patience) -> None:
        self.queue, self.ledger, self.patience = queue, queue.ledger, patience

    def due(self, destination: str, most: int = 200, now: float | None = None) -> list[Delivery]:
        """What was tried least comes first: an object that the destination cannot stand keeps no other waiting."""
        now = time.time() if now is None else now
        query = (
            "SELECT number, exam, file, sha256, tries FROM deliveries JOIN objects USING (object) "
            "WHERE destination = ? AND state = 'waiting' AND (due <= ? OR due > ?) ORDER BY tries, number LIMIT ?"
        )
        # (later than any wait: the clock was set back)
        rows = self.ledger.rows(query, destination, now, now + self.patience.longest_s, most)
        return [
            Delivery(number, exam, self.queue.results / file, *rest) for number, exam, file, *rest in rows
        ]

    def give_up_old(self, down: Sequence[str], now: float | None = None) -> int:
        """How many deliveries were given up now: old ones that were refused until the wait was the longest, or whose
        destination is down. What waits its turn behind a backlog is not given up.
        """
        now = time.time() if now is None else now
        with self.ledger.transaction() as db:
            return db.execute(
                "UPDATE deliveries SET state = 'given_up', reason = coalesce(reason, 'not reached in time') "
                "WHERE state = 'waiting' AND since < ? "
                f"AND (tries >= ? OR destination IN ({', '.join('?' for _ in down)}))",
                (now - self.patience.give_up_s, self.patience.enough_tries, *down),
            ).rowcount

    def waits(self, delivery: Delivery) -> bool:
        """Whether it is still to be sent: a newer answer, or `--drop`, may have taken it back."""
        query = "SELECT 1 FROM deliveries WHERE number = ? AND state = 'waiting'"
        return bool(self.ledger.rows(query, delivery.number))

    def sent(self, delivery: Delivery) -> None:
        """The destination has acknowledged it."""
        with self.ledger.transaction() as db:
            db.execute("UPDATE deliveries SET state = 'sent' WHERE number = ?", (delivery.number,))

    def refused(self, delivery: Delivery, reason: str, now: float | None = None) -> None:
        """To be sent again, later; other objects go on meanwhile."""
        now = time.time() if now is None else now
        n_tries = delivery.tries + 1
        with self.ledger.transaction() as db:
            db.execute(
                "UPDATE deliveries SET tries = ?, due = ?, reason = ? WHERE number = ?",
                (n_tries, now + self.patience.wait_s(n_tries), reason, delivery.number),
            )

    def damaged(self, delivery: Delivery) -> None:
        """Its file is not the one that was written: nobody gets it, its exam fails and can be scored again.

        Destinations that have the object keep it; the next answer's file takes the damaged one's place.
        """
        with self.ledger.transaction() as db:
            db.execute(
                "DELETE FROM deliveries WHERE state != 'sent' AND object = "
                "(SELECT object FROM deliveries WHERE number = ?)",
                (delivery.number,),
            )
            db.execute(  # (the change makes an answer that is on its way void, and the next one another folder)
                "UPDATE exams SET n_changes = n_changes + 1, reason = ?, "
                "state = CASE state WHEN 'answered' THEN 'failed' ELSE state END WHERE exam = ?",
                (DAMAGED_RESULT, delivery.exam),
            )

    def forget_old(self, keep_s: float, now: float | None = None) -> int:
        """Remove exams whose answers were all sent, so many seconds after their last change; how many.

        Failed exams, and those with results that were given up, stay until someone has seen to them.
        """
        now = time.time() if now is None else now
        with self.ledger.held():  # (no image may come into a folder that is to go)
            forgotten, folders = self._forget(now - keep_s)
            gone = [self.queue.put_aside(folder) for folder in folders if folder.exists()]
        for folder in gone:  # (a kill before leaves folders that no row names: removed at the next start)
            remove(folder)
        return forgotten

    def _forget(self, before: float) -> tuple[int, list[Path]]:
        """Strike exams out of the ledger; how many, and the folders that are to go."""
        with self.ledger.transaction() as db:
            found = db.execute(
                "SELECT exam FROM exams WHERE state = 'answered' AND changed < ? AND exam NOT IN ("
                "SELECT exam FROM deliveries JOIN objects USING (object) WHERE deliveries.state != 'sent')",
                (before,),
            ).fetchall()
            folders: list[Path] = []
            for (exam,) in found:
                rows = db.execute("SELECT file FROM objects WHERE exam = ?", (exam,)).fetchall()
                folders += [self.queue.exams / exam]
                folders += sorted({(self.queue.results / file).parent for (file,) in rows})
                db.execute(
                    "DELETE FROM deliveries WHERE object IN (SELECT object FROM objects WHERE exam = ?)",
                    (exam,),
                )
                for table in ("objects", "images", "exams"):
                    db.execute(f"DELETE FROM {table} WHERE exam = ?", (exam,))
        return len(found), folders

    def strangers(self, destinations: Sequence[str]) -> dict[str, int]:
        """Objects still to be sent, by destination, to others than these: nobody sends them."""
        rows = self.ledger.rows(
            "SELECT destination, count(*) FROM deliveries WHERE state != 'sent' GROUP BY destination"
        )
        return {name: n for name, n in rows if name not in destinations}

    def drop(self, destination: str) -> int:
        """Send nothing more to a destination; how many objects it does not get. ValueError if there are none."""
        with self.ledger.transaction() as db:
            n_dropped = db.execute(
                "DELETE FROM deliveries WHERE state != 'sent' AND destination = ?", (destination,)
            ).rowcount
        if not n_dropped:
            others = ", ".join(f"{name} ({n})" for name, n in self.strangers([destination]).items())
            raise ValueError(
                f"{self.queue.folder}: no object waits for a destination {destination}; "
                f"some wait for: {others or 'none'}"
            )
        return n_dropped

    def retry(self, now: float | None = None) -> tuple[int, int]:
        """Try failed exams and given-up deliveries anew; how many of each."""
        now = time.time() if now is None else now
        with self.ledger.transaction() as db:
            exams = db.execute(
                "UPDATE exams SET state = 'received', tries = 0, ready = ? WHERE state = 'failed'", (now,)
            ).rowcount
            deliveries = db.execute(
                "UPDATE deliveries SET state = 'waiting', tries = 0, since = ?, due = ? WHERE state = 'given_up'",
                (now, now),
            ).rowcount
        return exams, deliveries
