"""Sending to destinations that cannot be reached or go away; what real ones answer is tested in tests/dicom."""

import socket
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import BasicTextSRStorage, ExplicitVRLittleEndian

from mammo_steps.core import dicom_node_sending
from mammo_steps.core.dicom_node_outbox import Patience
from mammo_steps.core.dicom_node_sending import Destination, Sending

PACS = Destination("pacs", "PACS", "pacs.example", 104)


def report() -> Dataset:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = BasicTextSRStorage
    return made


class Outbox(SimpleNamespace):
    """Deliveries by name; what became of them."""

    def __init__(self, *due: str, taken_back: tuple[str, ...] = ()) -> None:
        self.told: list[tuple[str, str]] = []
        super().__init__(
            due=lambda _: [SimpleNamespace(exam=name) for name in due],
            patience=Patience(0.01, 0.01, 1000),
            waits=lambda one: one.exam not in taken_back,
            sent=lambda one: self.told.append((one.exam, "sent")),
            refused=lambda one, why: self.told.append((one.exam, why)),
        )


def sending(outbox: Outbox, monkeypatch: pytest.MonkeyPatch, association: Any = None) -> Sending:
    made = Sending(outbox, "MAMMO", PACS, threading.Event())
    monkeypatch.setattr(made, "_readable", lambda due: [(one, report()) for one in due])
    if association is not None:
        monkeypatch.setattr(made, "_associate", lambda _: association)
    return made


def association(*statuses: int | None) -> SimpleNamespace:
    """One that answers so; None: it is lost instead."""
    answers = iter(statuses)
    return SimpleNamespace(
        is_established=bool(statuses),
        accepted_contexts=[],
        rejected_contexts=[] if statuses else ["every"],
        send_c_store=lambda _: {"Status": next(answers)},
        release=lambda: None,
    )


def test_a_destination_whose_name_is_not_known_now_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror("name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    ours = sending(Outbox("a"), monkeypatch)
    ours._turn()
    ours._turn()
    assert caplog.text.count("destination pacs cannot be reached, 1 objects wait") == 2


def test_an_object_at_which_the_association_is_lost_keeps_no_other_one_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox("a", "b")
    sending(outbox, monkeypatch, association(None))._turn()
    assert outbox.told == [("a", "the association was lost while it was sent")]  # (now due later, behind b)
    assert "cannot be reached" in caplog.text


def test_a_destination_that_takes_some_objects_before_it_goes_away_is_not_down(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox("a", "b", "c")
    sending(outbox, monkeypatch, association(0, None))._turn()
    assert [name for name, _ in outbox.told] == ["a", "b"] and outbox.told[0] == ("a", "sent")
    assert "cannot be reached" not in caplog.text


def test_a_destination_is_down_when_it_was_not_reached_for_the_longest_wait_on_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(dicom_node_sending, "time", SimpleNamespace(monotonic=lambda: now))
    outbox = Outbox("a", "b")
    outbox.patience = Patience(0.001, 0.01, 1000)
    ours, there = sending(outbox, monkeypatch), association(*[0] * 9)

    def turn(what: SimpleNamespace, at: float) -> bool:
        nonlocal now
        now = at
        monkeypatch.setattr(ours, "_associate", lambda _: what)
        ours._turn()
        return ours.is_down

    rejected = association()
    rejected.rejected_contexts = []
    assert not turn(rejected, 100) and not turn(rejected, 100.009) and turn(rejected, 100.011)
    assert not turn(there, 200) and not turn(rejected, 300)
    now = 400  # a while after a single failure
    assert not ours.is_down


def test_a_destination_that_takes_no_such_objects_is_not_down(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox("a", "b")
    sending(outbox, monkeypatch, association())._turn()
    assert outbox.told == [(name, "the destination takes no such object") for name in ("a", "b")]
    assert "cannot be reached" not in caplog.text


def test_what_was_taken_back_meanwhile_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = Outbox("a", "b", taken_back=("a",))
    sending(outbox, monkeypatch, association(0))._turn()
    assert outbox.told == [("b", "sent")]
