"""Peers that would fill a DICOM node's memory: commands without end, requests that wait for no answer."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from node_queue import WAITS
from pynetdicom import AE
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE

from mammo_steps.core.dicom_codes import MG_FOR_PRESENTATION
from mammo_steps.core.dicom_node_queue import NodeQueue
from mammo_steps.core.dicom_node_receiving import Door, Limits, Receiving

LIMITS = Limits(
    associations=4, object_bytes=5_000_000, pdu_bytes=131072, idle_s=10, start_s=5, free_bytes=0, waiting_exams=9
)  # fmt: skip


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Receiving]:
    queue = NodeQueue(tmp_path / "queue", WAITS, [], most_tries=2)
    receiving = Receiving(queue, Door("MAMMO", "127.0.0.1", 0, ("PACS",)), LIMITS)
    yield receiving
    receiving.stop()
    queue.close()


@pytest.fixture
def peer(node: Receiving) -> Iterator[socket.socket]:
    """The bare connection of an association."""
    entity = AE("PACS")
    entity.add_requested_context(MG_FOR_PRESENTATION, "1.2.840.10008.1.2.1")
    association = entity.associate("127.0.0.1", node.start(), ae_title="MAMMO")
    assert association.is_established
    connection: Any = association.dul.socket
    yield connection.socket
    association.kill()


def pdu(control: int, chunk: bytes) -> bytes:
    value = struct.pack(">LBB", len(chunk) + 2, 1, control) + chunk
    return struct.pack(">BBL", 4, 0, len(value)) + value


def store_request(number: int) -> bytes:
    wanted = C_STORE()
    wanted.MessageID, wanted.Priority = number, 2
    wanted.AffectedSOPClassUID, wanted.AffectedSOPInstanceUID = MG_FOR_PRESENTATION, f"1.2.{number}"
    wanted.DataSet = BytesIO(bytes(1000))
    message = C_STORE_RQ()
    message.primitive_to_message(wanted)
    values = [value for part in message.encode_msg(1, 16384) for value in part.presentation_data_value_list]
    return b"".join(pdu(blob[0], blob[1:]) for _, blob in values)


def is_aborted(node: Receiving) -> bool:
    end = time.monotonic() + 10
    while not node.counts["aborted"] and time.monotonic() < end:
        time.sleep(0.02)
    return node.counts["aborted"] == 1


def test_a_command_without_end_ends_its_association(
    node: Receiving, peer: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    with contextlib.suppress(OSError):  # (closed meanwhile)
        for _ in range(20):
            peer.sendall(pdu(1, bytes(120_000)))
    assert is_aborted(node) and "a command of more than 65536 bytes" in caplog.text


def test_requests_that_wait_for_no_answer_end_their_association(
    node: Receiving, peer: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    slow, served = threading.Event(), []

    def check_room() -> None:
        served.append(1)
        slow.wait(20)

    monkeypatch.setattr(node, "_check_room", check_room)
    peer.sendall(b"".join(store_request(number) for number in range(1, 21)))
    assert is_aborted(node) and "more than 2 requests that waited for no answer" in caplog.text
    slow.set()
    time.sleep(0.5)
    assert len(served) <= 2
