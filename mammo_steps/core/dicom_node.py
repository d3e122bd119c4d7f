"""A DICOM node around one function that answers an exam: receives, queues, has it answered, sends the answer on.

receive (threads of pynetdicom) -> queue on disk -> one worker process -> results on disk -> one sender a destination
"""

import logging
import shlex
import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext

from mammo_steps.core.dicom_headers import quiet_pydicom
from mammo_steps.core.dicom_node_outbox import Outbox, Patience, Trial
from mammo_steps.core.dicom_node_queue import NodeQueue
from mammo_steps.core.dicom_node_receiving import Door, Limits, Receiving
from mammo_steps.core.dicom_node_scoring import Scoring
from mammo_steps.core.dicom_node_sending import Destination, Sending
from mammo_steps.core.dicom_node_waits import Waits
from mammo_steps.core.dicom_node_worker import MakeAnswer, Worker, WorkerError

log = logging.getLogger("dicom_node")

_LINE_EVERY_S = 60.0
_END_S = 30.0  # for what is being sent


@dataclass(frozen=True)
class NodeSettings:
    """keep_s: how long answered exams stay; exam_s: longest scoring of one; most_tries of one."""

    door: Door
    limits: Limits
    waits: Waits
    destinations: tuple[Destination, ...]
    patience: Patience
    sending_tls: SSLContext | None
    most_tries: int
    exam_s: float
    keep_s: float


class Node:
    """Works from `start` to `stop`. ValueError if what answers cannot be made, or the queue cannot be used."""

    def __init__(self, folder: Path, settings: NodeSettings, make_answer: MakeAnswer) -> None:
        quiet_pydicom()
        threading.excepthook = _told_by_kind
        self.settings, self._stop = settings, threading.Event()
        names = [one.name for one in settings.destinations]
        self.worker = Worker(make_answer, settings.exam_s)
        self._start_worker()  # (before a folder is made: what answers may not be whole)
        try:
            self.queue = NodeQueue(folder, settings.waits, names, settings.most_tries)
        except BaseException:
            self.worker.stop()
            raise
        self.outbox = Outbox(self.queue, settings.patience)
        self.receiving = Receiving(self.queue, settings.door, settings.limits)
        self.scoring = Scoring(self.queue, self.worker, self._stop)
        self.senders = [
            Sending(self.outbox, settings.door.ae_title, one, self._stop, settings.sending_tls)
            for one in settings.destinations
        ]
        self._trial = Trial(settings.patience.longest_s, time.time(), time.monotonic())
        self._next_line, self._told = 0.0, ""

    def _start_worker(self) -> None:
        try:
            self.worker.start()
        except WorkerError as error:
            raise ValueError(f"exams cannot be answered: {error}") from error

    def start(self) -> int:
        """The port; ValueError if it is taken."""
        self._tell_strangers()
        for thread in self._threads:
            thread.start()
        try:
            port = self.receiving.start()
        except OSError as error:
            where = f"{self.settings.door.address}:{self.settings.door.port}"
            raise ValueError(f"cannot listen at {where}: {error.strerror}") from error
        log.info("listening at %s:%d as %s", self.settings.door.address, port, self.settings.door.ae_title)
        return port

    def _tell_strangers(self) -> None:
        names = [one.name for one in self.settings.destinations]
        for name, n_objects in self.outbox.strangers(names).items():
            log.warning(
                "%d objects wait for the destination '%s', which the config does not name: nobody sends them. Call one "
                "of the destinations so again (its ae_title, address and port may be new), or end the node and let "
                "them go: --drop %s --queue %s",
                *(n_objects, name, shlex.quote(name), shlex.quote(str(self.queue.folder))),
            )

    @property
    def _threads(self) -> Sequence[threading.Thread]:
        return [self.scoring, *self.senders]

    def tend(self) -> bool:
        """What is due every second or so. False if a part of the node has died: better to begin anew."""
        for thread in self._threads:
            if not thread.is_alive():
                log.error("the thread '%s' has died", thread.name)
                return False
        if time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _LINE_EVERY_S
            try:
                self._look_back()
            except (OSError, sqlite3.Error) as error:
                log.error("the queue cannot be written (%s): is the disk full?", type(error).__name__)
        return True

    def _look_back(self) -> None:
        # (what waited while the node was off is tried first; a clock that was just set ahead makes nothing old)
        if self._trial.is_over(time.time(), time.monotonic()):
            self._let_go()
        counts = self.queue.ledger.counts(time.time())
        came = ", ".join(f"{n} {what}" for what, n in self.receiving.counts.items() if n)
        line = (
            f"exams: {counts.received} wait for images, {counts.ready} ready, {counts.scoring} being scored, "
            f"{counts.unsent} to be sent, {counts.sent} sent, {counts.failed} failed; "
            f"objects since the start: {came or 'none'}"
        )
        if line != self._told:
            self._told = line
            log.info(line)

    def _let_go(self) -> None:
        """Of what is old."""
        given_up = self.outbox.give_up_old([one.destination.name for one in self.senders if one.is_down])
        if given_up:
            log.error("%d objects were not sent in time and are given up; they are kept", given_up)
        forgotten = self.outbox.forget_old(self.settings.keep_s)
        if forgotten:
            log.info("%d exams that were answered long ago were removed", forgotten)

    def stop(self) -> None:
        """In good order: no more is received, an exam being scored is given back, what is being sent is finished."""
        self.receiving.stop()
        self._stop.set()
        self.worker.kill()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(_END_S)
        self.worker.stop()
        self.queue.close()


def _told_by_kind(error: threading.ExceptHookArgs) -> None:
    """A traceback of a thread of pynetdicom's may quote what it was sent."""
    log.error("a thread ended with %s", error.exc_type.__name__)
