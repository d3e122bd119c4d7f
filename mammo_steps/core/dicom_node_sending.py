"""Sends a DICOM node's results on, one thread for each destination."""

import hashlib
import io
import logging
import sqlite3
import threading
import time
from dataclasses import dataclass
from ssl import SSLContext

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association

from mammo_steps.core.dicom_node_outbox import DAMAGED_RESULT, Delivery, Outbox
from mammo_steps.core.dicom_node_queue import short

log = logging.getLogger("dicom_node")

_IDLE_S, _DISK_S = 0.3, 5.0
_TIMEOUT_S = 60.0
_PLAIN = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))
_MOST_KINDS = 40  # three contexts each: an association offers 128 at most


@dataclass(frozen=True)
class Destination:
    name: str
    ae_title: str
    address: str
    port: int


class Sending(threading.Thread):
    """Sends what is due to one destination until asked to stop.

    An object that was sent, but whose sending could not be noted before a kill, is sent again: the same file, the same
    UID. The receiver then has it twice or once, and it is the same object.
    """

    def __init__(
        self,
        outbox: Outbox,
        own_title: str,
        destination: Destination,
        stop: threading.Event,
        tls: SSLContext | None = None,
    ) -> None:
        super().__init__(name=f"to {destination.name}", daemon=True)
        self.outbox, self.own_title, self.destination = outbox, own_title, destination
        self.stop, self.tls = stop, tls
        self.n_sent, self._n_down = 0, 0
        self._down_since, self._down_s = 0.0, 0.0

    @property
    def is_down(self) -> bool:
        """Whether the destination could not be reached for the longest wait on end, tried at its begin and its end."""
        return self._n_down > 1 and self._down_s >= self.outbox.patience.longest_s

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                self._turn()
            except sqlite3.Error as error:  # (what was sent and could not be noted is sent again)
                log.error("the queue cannot be written (%s): is the disk full?", type(error).__name__)
                self.stop.wait(_DISK_S)

    def _turn(self) -> None:
        due = self.outbox.due(self.destination.name)
        if not due:
            self._n_down = 0  # (nobody tries it)
            self.stop.wait(_IDLE_S)
        elif self._send(due):
            self._n_down = 0
        else:
            now = time.monotonic()
            if self._n_down == 0:
                self._down_since = now
            self._n_down, self._down_s = self._n_down + 1, now - self._down_since
            wait_s = self.outbox.patience.wait_s(self._n_down)
            log.warning(
                "destination %s cannot be reached, %d objects wait; next try in %.0f s",
                *(self.destination.name, len(due), wait_s),
            )
            self.stop.wait(wait_s)

    def _send(self, due: list[Delivery]) -> bool:
        """False if the destination cannot be reached, or is lost on the way."""
        objects = self._readable(due)
        if not objects:
            return True
        try:
            association = self._associate([dataset for _, dataset in objects])
        except OSError:  # its name is not known (now)
            return False
        if not association.is_established:
            return self._takes_none(association, objects)
        sent_before = self.n_sent
        try:
            for delivery, dataset in objects:
                if self.stop.is_set():
                    return True
                if self.outbox.waits(delivery) and not self._store(association, delivery, dataset):
                    # (perhaps for this object's sake: the others are not to wait behind it)
                    self._refused(delivery, "the association was lost while it was sent")
                    return self.n_sent > sent_before
            return True
        finally:
            if association.is_established:
                association.release()

    def _takes_none(self, association: Association, objects: list[tuple[Delivery, Dataset]]) -> bool:
        """True if the destination is there, but takes no object of these kinds; each is refused by itself."""
        if association.accepted_contexts or not association.rejected_contexts:
            return False
        for delivery, _ in objects:
            self._refused(delivery, "the destination takes no such object")
        return True

    def _readable(self, due: list[Delivery]) -> list[tuple[Delivery, Dataset]]:
        """As many as one association can offer contexts for."""
        objects: list[tuple[Delivery, Dataset]] = []
        kinds = set()
        for delivery in due:
            try:
                content = delivery.file.read_bytes()
                if hashlib.sha256(content).hexdigest() != delivery.sha256:
                    self._damaged(delivery)
                    continue
                dataset = pydicom.dcmread(io.BytesIO(content))
            except FileNotFoundError:
                self._damaged(delivery)
                continue
            except Exception as error:  # (a disk that cannot be read: the others go on)
                self.outbox.refused(delivery, f"its file cannot be read ({type(error).__name__})")
                continue
            kinds.add((dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID))
            if len(kinds) > _MOST_KINDS:
                break
            objects.append((delivery, dataset))
            if len(objects) == 50:  # (all of them are in memory)
                break
        return objects

    def _damaged(self, delivery: Delivery) -> None:
        self.outbox.damaged(delivery)
        log.error("exam %s: %s", short(delivery.exam), DAMAGED_RESULT)

    def _associate(self, datasets: list[Dataset]) -> Association:
        entity = AE(ae_title=self.own_title)
        entity.connection_timeout = entity.acse_timeout = 15.0
        entity.dimse_timeout = entity.network_timeout = _TIMEOUT_S
        offered: dict[str, list[str]] = {}
        for dataset in datasets:
            wanted = [str(dataset.file_meta.TransferSyntaxUID), *_PLAIN]
            known = offered.setdefault(str(dataset.SOPClassUID), [])
            known += [syntax for syntax in dict.fromkeys(wanted) if syntax not in known]
        for storage_class, syntaxes in offered.items():
            for syntax in syntaxes:  # one context each: the destination may not choose for us
                entity.add_requested_context(storage_class, syntax)
        where = self.destination
        tls = (self.tls, where.address) if self.tls else None
        return entity.associate(where.address, where.port, ae_title=where.ae_title, tls_args=tls)

    def _store(self, association: Association, delivery: Delivery, dataset: Dataset) -> bool:
        """False if the association is lost."""
        try:
            _make_plain(dataset, association)
            status = association.send_c_store(dataset).get("Status")
        except (ValueError, AttributeError) as error:  # no context was accepted for it
            self._refused(delivery, f"the destination takes no such object ({type(error).__name__})")
            return True
        except RuntimeError:
            return False
        if status is None:
            return False
        if status == 0 or status & 0xF000 == 0xB000:  # PS3.4 B.2.3: Bxxx is a warning, the object was stored
            self.outbox.sent(delivery)
            self.n_sent += 1
        else:
            self._refused(delivery, f"the destination answered {status:04X}")
        return True

    def _refused(self, delivery: Delivery, reason: str) -> None:
        self.outbox.refused(delivery, reason)
        log.warning("exam %s: %s: %s", short(delivery.exam), self.destination.name, reason)


def _make_plain(dataset: Dataset, association: Association) -> None:
    """Decompress an object (all of ours are without loss) where the destination does not take its encoding."""
    own = dataset.file_meta.TransferSyntaxUID
    taken = [
        context.transfer_syntax[0]
        for context in association.accepted_contexts
        if context.abstract_syntax == dataset.SOPClassUID
    ]
    if own.is_compressed and taken and own not in taken:
        dataset.decompress(generate_instance_uid=False)
