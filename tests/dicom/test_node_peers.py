"""Peers of a node that do not keep to the protocol: silent, idle, too many, announcing what nobody could hold."""

import contextlib
import socket
import struct
import time
from collections.abc import Iterator

import pytest
from node_programs import Node, free_port, wait_for
from pynetdicom import AE
from pynetdicom.association import Association

LIMITS = {"start_s": 1, "idle_s": 4, "associations": 2}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    node = Node(tmp_path_factory.mktemp("peers"), free_port(), limits=LIMITS)
    node.start()
    yield node
    assert node.stop() == 0


@pytest.fixture
def ours(node: Node) -> Iterator[Node]:
    """The node, which serves on whatever came."""
    yield node
    assert echo(node.port)


def associate(port: int) -> Association:
    entity = AE(ae_title="ECHOSCU")
    entity.add_requested_context("1.2.840.10008.1.1")
    return entity.associate("127.0.0.1", port, ae_title="MAMMO")


def echo(port: int) -> bool:
    association = wait_for(lambda: (a := associate(port)).is_established and a, "association")
    status = association.send_c_echo().Status
    association.release()
    return status == 0


def closed_after(port: int, sent: bytes) -> float:
    """Seconds until the node closes a connection on which this was sent."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), 20) as peer:
        peer.sendall(sent)
        with contextlib.suppress(ConnectionResetError):
            while peer.recv(4096):
                pass
    return time.monotonic() - began


def test_a_connection_that_says_nothing_is_closed(ours: Node) -> None:
    assert 0.5 < closed_after(ours.port, b"") < 10


@pytest.mark.parametrize("kind", [1, 4])
def test_a_pdu_of_four_gigabytes_is_not_waited_for(ours: Node, kind: int) -> None:
    assert closed_after(ours.port, struct.pack(">BBL", kind, 0, 2**32 - 1) + b"x" * 1000) < 10


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9, bytes(500)]
)
def test_what_is_no_dicom_is_closed(ours: Node, sent: bytes) -> None:
    assert closed_after(ours.port, sent) < 10


def test_an_association_without_a_word_is_ended(ours: Node) -> None:
    association = associate(ours.port)
    assert association.is_established
    wait_for(lambda: not association.is_established, "end of it")


def test_more_associations_than_the_limit_are_rejected_until_one_ends(ours: Node) -> None:
    open_ones: list[Association] = []
    wait_for(lambda: (open_ones.append(associate(ours.port)) or open_ones[-1]).is_established, "association")
    wait_for(lambda: (open_ones.append(associate(ours.port)) or open_ones[-1]).is_established, "second one")
    assert associate(ours.port).is_rejected
    assert "too many at once" in ours.log.read_text()
    for association in open_ones:
        association.release()
    assert echo(ours.port)


def test_the_log_quotes_nothing_of_what_came(ours: Node) -> None:
    closed_after(ours.port, b"\x01\x00\x00\x00\x00\x4a" + b"JANE^DOE" * 20)
    assert "JANE" not in ours.log.read_text() and "Traceback" not in ours.log.read_text()
