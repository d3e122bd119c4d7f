"""Takes ready exams from a DICOM node's queue, has them answered, and keeps the answers."""

import logging
import sqlite3
import threading
from collections.abc import Callable

from mammo_steps.core.dicom_node_files import remove
from mammo_steps.core.dicom_node_queue import NodeQueue, ReadyExam, short
from mammo_steps.core.dicom_node_recovery import DAMAGED_IMAGE
from mammo_steps.core.dicom_node_worker import ANSWER, Worker, WorkerError

log = logging.getLogger("dicom_node")

_IDLE_S, _DISK_S = 0.2, 5.0


class Scoring(threading.Thread):
    """One exam after the other until asked to stop. An exam that fails too often is parked as failed."""

    def __init__(self, queue: NodeQueue, worker: Worker, stop: threading.Event) -> None:
        super().__init__(name="scoring", daemon=True)
        self.queue, self.worker, self.stop = queue, worker, stop
        self.n_answered = 0

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                exam = self.queue.next_exam()
            except sqlite3.Error as error:
                self._wait_for_disk(error)
                continue
            if exam is None:
                self.stop.wait(_IDLE_S)
            else:
                self._answer(exam)

    def _answer(self, exam: ReadyExam) -> None:
        if not exam.is_whole():
            self._note(lambda: self._failed(exam, DAMAGED_IMAGE))
            return
        try:
            scratch = self.queue.make_scratch()
            try:
                made = self.worker.answer(exam.files, scratch)
                self._tell(exam, len(made), self.queue.answered(exam, scratch / ANSWER, made))
            finally:
                remove(scratch)
        except (WorkerError, ValueError) as error:
            reason = str(error)
            self._note(lambda: self._failed(exam, reason))
        except (OSError, sqlite3.Error) as error:  # the disk is full: not this exam's fault
            self._wait_for_disk(error)
            self._note(lambda: self.queue.give_back(exam))

    def _tell(self, exam: ReadyExam, n_objects: int, is_kept: bool) -> None:
        if is_kept:
            self.n_answered += 1
            log.info("exam %s: answered, %d objects to send", short(exam.exam), n_objects)
        else:
            log.info("exam %s: an image came while it was scored, it is scored again", short(exam.exam))

    def _failed(self, exam: ReadyExam, reason: str) -> None:
        if self.stop.is_set():  # the node ended the worker itself
            self.queue.give_back(exam)
            return
        parked = self.queue.failed(exam, reason)
        end = "it is parked as failed" if parked else "it is tried again"
        log.error("exam %s: try %d failed: %s; %s", short(exam.exam), exam.tries, reason, end)

    def _note(self, change: Callable[[], None]) -> None:
        """Make a change of the queue, however long the disk refuses it."""
        while True:
            try:
                change()
                return
            except sqlite3.Error as error:
                self._wait_for_disk(error)
                if self.stop.is_set():  # (the next start finds the exam as being scored, and scores it)
                    return

    def _wait_for_disk(self, error: Exception) -> None:
        log.error("the queue cannot be written (%s): is the disk full?", type(error).__name__)
        self.stop.wait(_DISK_S)
