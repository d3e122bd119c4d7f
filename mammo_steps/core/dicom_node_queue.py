"""The exams of a DICOM node on disk: received, scored, answered; killed at any instant, none is lost.

    exams/<exam>/<image>.dcm         as they were received
    results/<exam>-<change>/<nnn>.dcm   the answer, made once: what is sent again is the same file
    queue.sqlite                     what is true (`core.dicom_node_ledger`)
    incoming/, scratch/              what is not finished; emptied at a start

A file is written, synced and renamed before the row that names it is committed, and an image is acknowledged after
that. So a file that a row names is there; a file that no row names was never acknowledged, and is removed at a start.
Names are keyed hashes of the UIDs; the key lies in the queue.
"""

import hashlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection

from mammo_steps.core.dicom_node_arrival import Arrival
from mammo_steps.core.dicom_node_files import locked, make_folder, remove, sha256_of
from mammo_steps.core.dicom_node_ledger import Ledger, told
from mammo_steps.core.dicom_node_recovery import DAMAGED_IMAGE, fail, queue_pseudonyms, recover
from mammo_steps.core.dicom_node_waits import AGAIN_S, Waits
from mammo_steps.core.files import sync, write_synced
from mammo_steps.core.prediction import SEVERAL_PATIENTS


class ConflictError(Exception):
    """Another object with the same SOPInstanceUID was received before; that one is kept."""


@dataclass(frozen=True)
class ReadyExam:
    """An exam to be scored; `n_changes` tells whether an image came meanwhile. sums: sha256 of each file."""

    exam: str
    n_changes: int
    tries: int
    files: tuple[Path, ...]
    sums: tuple[str, ...]

    def is_whole(self) -> bool:
        """Whether its files are still those that were received."""
        return all(sha256_of(file) == known for file, known in zip(self.files, self.sums, strict=True))


@dataclass(frozen=True)
class MadeObject:
    """One object of an answer: its SOPInstanceUID and its file in the scratch folder."""

    uid: str
    name: str


def short(exam: str) -> str:
    """Of a pseudonym, for log lines."""
    return exam[:9]


class NodeQueue:
    """The queue in `folder`, for one process; ValueError if another one has it open."""

    def __init__(
        self,
        folder: Path,
        waits: Waits,
        destinations: Sequence[str],
        most_tries: int,
        now: float | None = None,
    ) -> None:
        self.folder, self.waits = folder, waits
        self.destinations, self.most_tries = tuple(destinations), most_tries
        self.exams, self.results = folder / "exams", folder / "results"
        self.incoming, self.scratch = folder / "incoming", folder / "scratch"
        try:
            self._make_folders()
            self._lock = locked(folder)
            self._open(now)
        except OSError as error:
            what = "it is a file" if folder.is_file() else f"{error.filename}: {error.strerror}"
            raise ValueError(
                f"{folder} cannot be a queue: {what}. Wanted a folder of your own on a local disk, or one to be made"
            ) from error

    def _open(self, now: float | None) -> None:
        try:
            self.ledger = Ledger(self.folder)
            self.pseudonyms = queue_pseudonyms(self.folder / "id_key", self.ledger)
            with told(self.ledger.file):
                recover(self.ledger, self.folder, self.most_tries)
                with self.ledger.transaction() as db:
                    self.waits.anew(db, time.time() if now is None else now)
        except BaseException:
            self._lock.close()
            raise

    def _make_folders(self) -> None:
        for own in (self.folder, self.exams, self.results, self.incoming, self.scratch):
            own.mkdir(parents=own == self.folder, exist_ok=True, mode=0o700)
        self.folder.chmod(0o700)
        sync(self.folder)
        sync(self.folder.parent)

    def close(self) -> None:
        self.ledger.close()
        self._lock.close()

    # -- receiving

    def exam_of(self, study_uid: str) -> str:
        return self.pseudonyms.exam(study_uid)

    def knows(self, exam: str) -> bool:
        return bool(self.ledger.rows("SELECT 1 FROM exams WHERE exam = ?", exam))

    def n_waiting(self) -> int:
        """Exams that are not answered yet."""
        ((n,),) = self.ledger.rows("SELECT count(*) FROM exams WHERE state IN ('received', 'scoring')")
        return int(n)

    def admit(self, arrival: Arrival, now: float | None = None) -> bool:
        """Keep an image; it is on the disk when this returns. False: it was here before, and nothing changed.

        ConflictError if another object has the same UID; OSError or sqlite3.OperationalError if the disk refuses.
        """
        now = time.time() if now is None else now
        exam, image = self.exam_of(arrival.study_uid), self.pseudonyms.image(arrival.uid)
        patient = self.pseudonyms.patient(arrival.patient)
        file_sha256 = hashlib.sha256(arrival.content).hexdigest()
        scratch = self.incoming / secrets.token_hex(8)
        try:
            write_synced(scratch, arrival.content)
            with self.ledger.transaction() as db:
                if self._has(db, image, arrival.sha256):
                    return False
                self._place(scratch, exam, image)
                self._note_exam(db, exam, now)
                row = (image, exam, patient, arrival.view, arrival.sha256, file_sha256)
                db.execute("INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?, ?, ?)", row)
                self.waits.set_ready(db, exam, now)
            return True
        finally:
            scratch.unlink(missing_ok=True)

    def _has(self, db: Connection, image: str, sha256: str) -> bool:
        """Whether an image is here, and whole as far as one knows: what is damaged is taken anew."""
        known = db.execute(
            "SELECT sha256, file_sha256, exam, reason FROM images JOIN exams USING (exam) WHERE image = ?",
            (image,),
        ).fetchone()
        if known is None:
            return False
        if known[0] != sha256:
            raise ConflictError
        _, file_sha256, exam, reason = known
        return bool(reason != DAMAGED_IMAGE) or sha256_of(self.exams / exam / f"{image}.dcm") == file_sha256

    def _place(self, scratch: Path, exam: str, image: str) -> None:
        folder = self.exams / exam
        make_folder(folder)
        scratch.rename(folder / f"{image}.dcm")
        sync(folder)

    @staticmethod
    def _note_exam(db: Connection, exam: str, now: float) -> None:
        """A late image makes an answered or failed exam one to be answered anew."""
        db.execute(
            "INSERT INTO exams VALUES (?, 'received', 1, ?, 0, 0, NULL) ON CONFLICT (exam) DO UPDATE SET "
            "n_changes = n_changes + 1, changed = excluded.changed, tries = 0, "
            "state = CASE state WHEN 'scoring' THEN 'scoring' ELSE 'received' END",
            (exam, now),
        )

    # -- scoring

    def next_exam(self, now: float | None = None) -> ReadyExam | None:
        """The exam that waits longest, now being scored; the try counts from here, whatever becomes of it."""
        with self.ledger.transaction() as db:
            now = time.time() if now is None else now  # (nothing is received meanwhile)
            self.waits.bound(db, now, self.most_tries)
            found = db.execute(
                "SELECT exam, n_changes, tries FROM exams WHERE state = 'received' AND ready <= ? "
                "ORDER BY ready LIMIT 20",
                (now,),
            )
            for exam, n_changes, tries in found.fetchall():
                images = db.execute(
                    "SELECT image, patient, file_sha256 FROM images WHERE exam = ? ORDER BY image", (exam,)
                ).fetchall()
                if len({patient for _, patient, _ in images}) > 1:
                    fail(db, exam, SEVERAL_PATIENTS)
                    continue
                db.execute("UPDATE exams SET state = 'scoring', tries = ? WHERE exam = ?", (tries + 1, exam))
                files = tuple(self.exams / exam / f"{image}.dcm" for image, _, _ in images)
                return ReadyExam(exam, n_changes, tries + 1, files, tuple(known for _, _, known in images))
        return None

    def put_aside(self, folder: Path) -> Path:
        """Move a folder to where it is removed at the next start, if not before; its new place."""
        return folder.rename(self.scratch / secrets.token_hex(8))

    def make_scratch(self) -> Path:
        """An empty folder for one answer."""
        folder = self.scratch / secrets.token_hex(8)
        folder.mkdir(mode=0o700)
        return folder

    def answered(
        self, exam: ReadyExam, scratch: Path, made: Sequence[MadeObject], now: float | None = None
    ) -> bool:
        """Keep an answer, to be sent to every destination. False: an image came meanwhile, it is scored again.

        An object of an earlier answer with the same UID stays as it is, unless its file was damaged. What an earlier
        answer has that this one has not, and that was not sent yet, is sent no more. ValueError if the answer is empty
        or not of this exam alone.
        """
        now = time.time() if now is None else now
        if not made or len({one.uid for one in made}) != len(made):
            raise ValueError("the answer is empty, or has two objects with one UID")
        target = self.results / f"{exam.exam}-{exam.n_changes}"
        for one in made:
            sync(scratch / one.name)
        sync(scratch)
        try:
            with self.ledger.transaction() as db:
                if not _is_unchanged(db, exam):
                    return False
                remove(target)
                scratch.rename(target)
                sync(self.results)
                kept = self._note_objects(db, exam.exam, target, made, now)
                db.execute(
                    "UPDATE exams SET state = 'answered', changed = ? WHERE exam = ?", (now, exam.exam)
                )
        except BaseException:
            remove(target)
            raise
        finally:
            remove(scratch)
        if not kept:
            remove(target)
        return True

    def _note_objects(
        self, db: Connection, exam: str, folder: Path, made: Sequence[MadeObject], now: float
    ) -> int:
        """How many are new, or take a damaged one's place."""
        names = {self.pseudonyms.image(one.uid): folder / one.name for one in made}
        marks = ", ".join("?" * len(names))
        if db.execute(
            f"SELECT 1 FROM objects WHERE object IN ({marks}) AND exam != ?", (*names, exam)
        ).fetchone():
            raise ValueError("the answer has the UID of another exam's answer")
        rows = db.execute("SELECT object, file, sha256 FROM objects WHERE exam = ?", (exam,)).fetchall()
        old = {name for name, _, _ in rows}
        whole = {name for name, file, sha256 in rows if sha256_of(self.results / file) == sha256}
        for name in old - names.keys():
            db.execute("DELETE FROM deliveries WHERE object = ? AND state != 'sent'", (name,))
        new = {name: file for name, file in names.items() if name not in whole}
        for name, file in new.items():
            row = (name, exam, f"{folder.name}/{file.name}", sha256_of(file))
            db.execute(
                "INSERT INTO objects VALUES (?, ?, ?, ?) ON CONFLICT (object) DO UPDATE SET file = excluded.file, "
                "sha256 = excluded.sha256",
                row,
            )
        for name in names:  # (one of an earlier answer may have been dropped, or be sent already)
            for destination in self.destinations:
                db.execute(
                    "INSERT OR IGNORE INTO deliveries (object, destination, state, since, due, tries) "
                    "VALUES (?, ?, 'waiting', ?, ?, 0)",
                    (name, destination, now, now),
                )
        return len(new)

    def failed(self, exam: ReadyExam, reason: str, now: float | None = None) -> bool:
        """Note a failed try; True if it was the last one, and the exam is parked as failed."""
        now = time.time() if now is None else now
        with self.ledger.transaction() as db:
            if not _is_unchanged(db, exam):
                return False
            if exam.tries >= self.most_tries or reason == DAMAGED_IMAGE:
                fail(db, exam.exam, reason)
                return True
            db.execute(
                "UPDATE exams SET state = 'received', reason = ?, ready = ? WHERE exam = ?",
                (reason, now + AGAIN_S * exam.tries, exam.exam),
            )
        return False

    def give_back(self, exam: ReadyExam) -> None:
        """The node ends in good order: this try does not count."""
        with self.ledger.transaction() as db:
            db.execute(
                "UPDATE exams SET state = 'received', tries = tries - 1 WHERE exam = ? AND state = 'scoring'",
                (exam.exam,),
            )


def _is_unchanged(db: Connection, exam: ReadyExam) -> bool:
    """If an image came since scoring began, the exam is received anew, and the answer void."""
    (n_changes,) = db.execute("SELECT n_changes FROM exams WHERE exam = ?", (exam.exam,)).fetchone()
    if n_changes == exam.n_changes:
        return True
    db.execute("UPDATE exams SET state = 'received', tries = 0 WHERE exam = ?", (exam.exam,))
    return False
