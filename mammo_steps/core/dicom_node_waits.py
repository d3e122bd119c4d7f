"""How long a DICOM node waits for the images of an exam before it is scored."""

from dataclasses import dataclass
from sqlite3 import Connection

from mammo_steps.core.dicom_node_arrival import VIEWS

AGAIN_S = 10.0  # before an exam whose scoring failed is tried again, times the tries


@dataclass(frozen=True)
class Waits:
    """Seconds after an exam's last image at which it is ready: with all four views, and without."""

    complete_s: float
    incomplete_s: float

    def set_ready(self, db: Connection, exam: str, now: float) -> None:
        """An image of it has come now, or might have."""
        views = {view for (view,) in db.execute("SELECT view FROM images WHERE exam = ?", (exam,))}
        wait = self.complete_s if views >= VIEWS else self.incomplete_s
        db.execute("UPDATE exams SET ready = ? WHERE exam = ?", (now + wait, exam))

    def anew(self, db: Connection, now: float) -> None:
        """While the node was off nobody could send: what is not scored yet waits for its images from now on."""
        waiting = db.execute("SELECT exam FROM exams WHERE state = 'received' AND tries = 0")
        for (exam,) in waiting.fetchall():
            self.set_ready(db, exam, now)

    def bound(self, db: Connection, now: float, most_tries: int) -> None:
        """Exams that would wait longer than anything waits (the clock was set back) wait from now on."""
        longest_s = max(self.complete_s, self.incomplete_s, AGAIN_S * most_tries)
        late = db.execute("SELECT exam FROM exams WHERE state = 'received' AND ready > ?", (now + longest_s,))
        for (exam,) in late.fetchall():
            self.set_ready(db, exam, now)
