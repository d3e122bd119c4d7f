"""A DICOM node whose clock jumps ahead removes nothing before what waits could be tried."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from node_queue import PATIENCE, WAITS, answer, files, image, ready
from pydicom.dataset import Dataset

from mammo_steps.core.dicom_node import Node, NodeSettings
from mammo_steps.core.dicom_node_receiving import Door, Limits
from mammo_steps.core.dicom_node_sending import Destination
from mammo_steps.core.dicom_node_worker import Answer

LIMITS = Limits(4, 5_000_000, 131072, idle_s=10, start_s=5, free_bytes=0, waiting_exams=9)
DOOR, PACS = Door("MAMMO", "127.0.0.1", 0, ("PACS",)), Destination("pacs", "PACS", "127.0.0.1", 1)


def no_answer(_: Sequence[Path]) -> list[Dataset]:
    return []


def make_no_answer() -> Answer:
    return no_answer


def test_an_exam_that_was_answered_a_minute_ago_outlives_a_clock_that_jumps_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = NodeSettings(
        DOOR, LIMITS, WAITS, (PACS,), PATIENCE, None, most_tries=2, exam_s=60, keep_s=86400
    )
    node = Node(tmp_path / "queue", settings, make_no_answer)
    try:
        began, steady = time.time(), time.monotonic()
        node.queue.admit(image(1), now=began)
        assert answer(node.queue, ready(node.queue, began + 100), ["7.1"], now=began)
        node.outbox.sent(node.outbox.due("pacs", now=began)[0])
        kept = {}
        for passed_s, ahead_s in ((60, 0), (120, 10 * 86400), (130, 10 * 86400), (190, 10 * 86400)):
            with monkeypatch.context() as clock:
                clock.setattr(time, "monotonic", lambda now=steady + passed_s: now)
                clock.setattr(time, "time", lambda now=began + passed_s + ahead_s: now)
                node._look_back()
            kept[passed_s] = len(files(node.queue.results))
        assert kept == {60: 1, 120: 1, 130: 1, 190: 0}  # (the longest wait, 35 s, has passed: now it is old)
    finally:
        node.stop()
