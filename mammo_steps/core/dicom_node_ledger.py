"""What is true of a DICOM node's exams, in one small SQLite database that survives a kill and a power cut.

Every change is one transaction that is on the disk before anyone is told of it (write-ahead log, synchronous FULL).
SQLite's write-ahead log wants a local disk: no NFS. Ids are keyed hashes (`core.ids`); the DICOM files themselves lie
beside the database.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FILE = "queue.sqlite"
_VERSION = 3
_RESTORE = (
    f"Put the ledger back from a backup ({FILE} with its -wal, if there is one), or move the queue's folder away, "
    "start with a new one and let the exams be sent again"
)
_TABLES = """
CREATE TABLE id_key (
    tag TEXT NOT NULL            -- of the key that made the ids below (core.ids.key_tag); one row
);
CREATE TABLE exams (
    exam TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('received', 'scoring', 'answered', 'failed')),
    n_changes INTEGER NOT NULL,  -- grows with every image
    changed REAL NOT NULL,       -- when its last image came, or its answer was made; seconds since 1970
    ready REAL NOT NULL,         -- not to be scored before
    tries INTEGER NOT NULL,
    reason TEXT                  -- why the last try failed
);
CREATE TABLE images (
    image TEXT PRIMARY KEY,
    exam TEXT NOT NULL REFERENCES exams,
    patient TEXT NOT NULL,
    view TEXT NOT NULL,          -- 'L-CC', ...; '' where the header does not say
    sha256 TEXT NOT NULL,        -- of the dataset as it came
    file_sha256 TEXT NOT NULL    -- of the file that was written
);
CREATE INDEX images_of ON images (exam);
CREATE TABLE objects (
    object TEXT PRIMARY KEY,
    exam TEXT NOT NULL REFERENCES exams,
    file TEXT NOT NULL,          -- below results/
    sha256 TEXT NOT NULL         -- of that file
);
CREATE INDEX objects_of ON objects (exam);
CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY,
    object TEXT NOT NULL REFERENCES objects,
    destination TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'given_up')),
    since REAL NOT NULL,
    due REAL NOT NULL,
    tries INTEGER NOT NULL,
    reason TEXT,
    UNIQUE (object, destination)
);
CREATE INDEX deliveries_due ON deliveries (destination, state, due);
CREATE INDEX exams_ready ON exams (state, ready);
"""


@dataclass(frozen=True)
class Counts:
    """Exams by where they are; deliveries by destination and state; failed exams and their reasons.

    received  wait for more images; `ready` for the scorer; `unsent` have results that wait to be sent
    """

    received: int
    ready: int
    scoring: int
    unsent: int
    sent: int
    failed: int
    images: int
    deliveries: dict[str, dict[str, int]]
    reasons: dict[str, int]


@contextmanager
def told(file: Path) -> Iterator[None]:
    """ValueError, with what to do, for an error of the database in the block."""
    try:
        yield
    except sqlite3.OperationalError as error:  # no rights, a lock, no room
        raise ValueError(f"{file} cannot be used: {error}") from error
    except sqlite3.DatabaseError as error:
        raise ValueError(f"{file} is damaged, or no node's ledger: {error}. {_RESTORE}") from error


def _check_nothing_is_kept(file: Path) -> None:
    """The first start on a new ledger removes what it does not name: here, that would be everything."""
    n_images, n_results = (sum(1 for _ in file.parent.glob(f"{kind}/*/*")) for kind in ("exams", "results"))
    if n_images or n_results:
        raise ValueError(
            f"{file} is missing or empty, but beside it lie {n_images} received images and {n_results} results, "
            f"which only the ledger can name. {_RESTORE}"
        )


class Ledger:
    """The database of one queue; for threads of one process. `read_only` for those that only look."""

    def __init__(self, folder: Path, read_only: bool = False) -> None:
        self.file = file = folder / FILE
        if read_only and not file.is_file():
            raise ValueError(f"{folder} is no queue of a DICOM node: it has no {FILE}")
        if not file.exists():
            _check_nothing_is_kept(file)
        self._lock = threading.RLock()
        with told(file):
            self._open(file, read_only)

    def _open(self, file: Path, read_only: bool) -> None:
        self._db = sqlite3.connect(
            f"{file.resolve().as_uri()}?mode={'ro' if read_only else 'rwc'}",
            uri=True, isolation_level=None, check_same_thread=False, timeout=30,
        )  # fmt: skip
        self._check_version(file, read_only)
        if not read_only:
            file.chmod(0o600)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA foreign_keys = ON")
            (found,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError("its pages contradict each other")

    def _check_version(self, file: Path, read_only: bool) -> None:
        (found,) = self._db.execute("PRAGMA user_version").fetchone()
        if found == 0:
            _check_nothing_is_kept(file)
        if found == 0 and not read_only:
            self._db.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {_VERSION}; COMMIT;")
        elif found != _VERSION:
            raise ValueError(
                f"{file} has version {found}, this program knows {_VERSION}: let the version that made it empty the "
                "queue, or start with a new folder"
            )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else of this process uses the ledger in the block."""
        with self._lock:
            yield

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that the block changes is on the disk when it is left, or none of it."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # (SQLite itself may have rolled back: disk full)
                    self._db.execute("ROLLBACK")
                raise

    def rows(self, query: str, *values: object) -> list[tuple]:  # type: ignore[type-arg]
        with self._lock:
            return self._db.execute(query, values).fetchall()

    def counts(self, now: float) -> Counts:
        states = dict(self.rows("SELECT state, count(*) FROM exams GROUP BY state"))
        ((ready,),) = self.rows("SELECT count(*) FROM exams WHERE state = 'received' AND ready <= ?", now)
        ((unsent,),) = self.rows(
            "SELECT count(DISTINCT o.exam) FROM deliveries d JOIN objects o USING (object) JOIN exams e USING (exam) "
            "WHERE d.state != 'sent' AND e.state = 'answered'"
        )
        ((images,),) = self.rows("SELECT count(*) FROM images")
        deliveries: dict[str, dict[str, int]] = {}
        for destination, state, n in self.rows(
            "SELECT destination, state, count(*) FROM deliveries GROUP BY destination, state ORDER BY 1, 2"
        ):
            deliveries.setdefault(destination, {})[state] = n
        reasons = dict(
            self.rows(
                "SELECT reason, count(*) FROM exams WHERE state = 'failed' GROUP BY reason ORDER BY 2 DESC"
            )
        )
        return Counts(
            states.get("received", 0) - ready, ready, states.get("scoring", 0), unsent,
            states.get("answered", 0) - unsent, states.get("failed", 0), images, deliveries, reasons,
        )  # fmt: skip

    def close(self) -> None:
        with self._lock:
            self._db.close()
