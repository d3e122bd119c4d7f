"""The receiving side of a DICOM node: C-ECHO, and C-STORE of mammograms into the queue.

An object is acknowledged once it is on the disk. Logs have counts, statuses and keyed hashes alone: pynetdicom's own
log, which quotes what it is sent, is off.
"""

import contextlib
import logging
import queue
import shutil
import sqlite3
import threading
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any, cast

from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from pynetdicom import AE, _config, evt
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from mammo_steps.core import dicom_node_arrival as arriving
from mammo_steps.core.dicom_codes import MG_FOR_PRESENTATION
from mammo_steps.core.dicom_node_arrival import Arrival, RefusedError, Told
from mammo_steps.core.dicom_node_queue import ConflictError, NodeQueue

log = logging.getLogger("dicom_node")

# those that the demo's decoders are tested with, and JPEG Lossless of any predictor
TRANSFER_SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLosslessSV1,
    JPEGLossless,
    JPEGLSLossless,
    JPEG2000Lossless,
    RLELossless,
]
SUCCESS = 0x0000
_LONGEST_COMMAND = 1 << 16  # bytes; a C-STORE's has some 200
# requests of an association that wait: no asynchronous operations are agreed on, so there should be one
_MOST_WAITING = 2
_LONGEST_PDU = 1 << 20  # bytes: of an association request with all it may propose
_REJECTED = {3: "its own AE title is not in `callers`", 7: "it called another AE title than `ae_title`"}


@dataclass(frozen=True)
class Door:
    """Who may come in. ae_title: our own; callers: AE titles that may send; tls: None = no encryption."""

    ae_title: str
    address: str
    port: int
    callers: tuple[str, ...]
    tls: SSLContext | None = None


@dataclass(frozen=True)
class Limits:
    """associations at once; an object's bytes; seconds without a word in an association, and until one is agreed on;
    bytes that stay free on the disk; exams that wait for their answer: above, new ones are put off."""

    associations: int
    object_bytes: int
    pdu_bytes: int
    idle_s: float
    start_s: float
    free_bytes: int
    waiting_exams: int


class Receiving:
    """Serves from `start` to `stop`, in threads of its own."""

    def __init__(self, queue: NodeQueue, door: Door, limits: Limits) -> None:
        self.queue, self.door, self.limits = queue, door, limits
        self._count_lock = threading.Lock()
        self.counts = dict.fromkeys(("stored", "duplicate", "refused", "rejected", "aborted"), 0)
        self._entity = entity = AE(ae_title=door.ae_title)
        entity.require_called_aet = True
        entity.require_calling_aet = list(door.callers)
        entity.maximum_associations = limits.associations
        entity.maximum_pdu_size = limits.pdu_bytes
        entity.acse_timeout = limits.start_s
        entity.dimse_timeout = entity.network_timeout = limits.idle_s
        entity.add_supported_context(Verification)
        entity.add_supported_context(MG_FOR_PRESENTATION, list(TRANSFER_SYNTAXES))
        self._server: Any = None

    def start(self) -> int:
        """The port that it listens at; OSError if it is taken."""
        _config.LOG_HANDLER_LEVEL = "none"
        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
        handlers: list[Any] = [
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_CONN_OPEN, self._bound_connection),
            (evt.EVT_ESTABLISHED, self._bound_silence),
            (evt.EVT_PDU_RECV, self._bound_memory),
            (evt.EVT_REJECTED, self._rejected),
        ]
        self._server = self._entity.start_server(
            (self.door.address, self.door.port),
            block=False,
            evt_handlers=handlers,
            ssl_context=self.door.tls,
        )
        return int(self._server.server_address[1])

    def stop(self) -> None:
        """Associations that are open are aborted; what was acknowledged is on the disk."""
        self._entity.shutdown()

    def _count(self, what: str) -> None:
        with self._count_lock:
            self.counts[what] += 1

    def _store(self, event: Event) -> int:
        """The status of one C-STORE."""
        try:
            self._check_room()
            request, context = cast(C_STORE, event.request), event.context
            told = Told(
                str(context.abstract_syntax),
                str(request.AffectedSOPClassUID),
                str(request.AffectedSOPInstanceUID),
                str(context.transfer_syntax),
            )
            return self._keep(arriving.arrival_of(told, request.DataSet))
        except RefusedError as refused:
            return self._refused(refused.status, refused.why)
        except ConflictError:
            return self._refused(
                arriving.NOT_UNDERSTOOD,
                "another object with its SOPInstanceUID was received before, and is kept",
            )
        except (OSError, sqlite3.Error) as error:
            return self._refused(
                arriving.NO_RESOURCES, f"the queue cannot be written ({type(error).__name__})"
            )
        except Exception as error:  # pydicom raises almost anything at a hostile object
            return self._refused(arriving.NOT_UNDERSTOOD, f"it cannot be read ({type(error).__name__})")

    def _check_room(self) -> None:
        free = shutil.disk_usage(self.queue.folder).free
        if free < self.limits.free_bytes:
            raise RefusedError(
                arriving.NO_RESOURCES,
                f"{free / 1e6:.0f} MB are free on the queue's disk, {self.limits.free_bytes / 1e6:.0f} have to stay",
            )

    def _keep(self, arrival: Arrival) -> int:
        exam = self.queue.exam_of(arrival.study_uid)
        if not self.queue.knows(exam) and self.queue.n_waiting() >= self.limits.waiting_exams:
            raise RefusedError(
                arriving.NO_RESOURCES, f"{self.limits.waiting_exams} exams wait for an answer: no new ones"
            )
        if self.queue.admit(arrival):
            self._count("stored")
        else:
            self._count("duplicate")
        return SUCCESS

    def _refused(self, status: int, why: str) -> int:
        log.warning("an object was refused, %04X: %s", status, why)
        self._count("refused")
        return status

    def _rejected(self, event: Event) -> None:
        primitive = event.assoc.acceptor.primitive
        code = getattr(primitive, "diagnostic", None) if getattr(primitive, "result_source", 0) == 1 else None
        why = _REJECTED.get(code or 0, "too many at once, or nothing in common")
        log.warning("an association was rejected: %s", why)
        self._count("rejected")

    def _bound_memory(self, event: Event) -> None:
        """End an association that sends more than we want to hold; there is no status for that."""
        dimse = event.assoc.dimse
        why = self._too_much(dimse)
        if why is None:
            return
        if not event.assoc._sent_abort:  # (what was on its way still comes)
            log.warning("an association was aborted: %s", why)
            self._count("aborted")
            event.assoc.abort(block=False)
        message = dimse.message
        for held in (message.encoded_command_set, message.data_set) if message is not None else ():
            if held is not None:
                held.seek(0)
                held.truncate()
        with contextlib.suppress(queue.Empty):
            while True:
                dimse.msg_queue.get_nowait()

    def _too_much(self, dimse: DIMSEServiceProvider) -> str | None:
        if dimse.msg_queue.qsize() > _MOST_WAITING:
            return f"more than {_MOST_WAITING} requests that waited for no answer"
        if dimse.message is None:
            return None
        if dimse.message.encoded_command_set.tell() > _LONGEST_COMMAND:
            return f"a command of more than {_LONGEST_COMMAND} bytes"
        if dimse.message.data_set is not None and dimse.message.data_set.tell() > self.limits.object_bytes:
            return f"an object of more than {self.limits.object_bytes} bytes"
        return None

    def _bound_silence(self, event: Event) -> None:
        """An association that stops in the middle of a PDU is lost after `idle_s`."""
        connection: Any = event.assoc.dul.socket
        connection.socket.settimeout(self.limits.idle_s)

    def _bound_connection(self, event: Event) -> None:
        """Close a connection that stops in the middle of its first PDU, or announces one beyond any sense.

        pynetdicom 3.0.4 would wait for the rest for ever: it sets its time limit on the listening socket alone.
        """
        socket: Any = event.assoc.dul.socket
        socket.socket.settimeout(self.limits.start_s)
        receive, most = socket.recv, max(_LONGEST_PDU, self.limits.pdu_bytes + 6)

        def bounded(n_bytes: int) -> bytearray:
            if n_bytes > most:
                raise OSError(f"a PDU of {n_bytes} bytes")
            return bytearray(receive(n_bytes))

        socket.recv = bounded
