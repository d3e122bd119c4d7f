"""A DICOM node's queue: what it keeps, when an exam is ready, what an answer changes, what a kill leaves."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from node_queue import PATIENCE, WAITS, again, answer, files, four, image, ready

from mammo_steps.by_hand.serve_dicom import _outbox
from mammo_steps.core.dicom_node_ledger import Ledger
from mammo_steps.core.dicom_node_outbox import Outbox
from mammo_steps.core.dicom_node_queue import ConflictError, NodeQueue
from mammo_steps.core.dicom_node_recovery import DAMAGED_IMAGE


@pytest.fixture
def queue(tmp_path: Path) -> NodeQueue:
    return NodeQueue(tmp_path / "queue", WAITS, ["pacs"], most_tries=2)


def test_an_exam_with_four_views_is_ready_soon_and_another_one_later(queue: NodeQueue) -> None:
    for arrival in four():
        queue.admit(arrival, now=0)
    queue.admit(image(99, exam=2), now=0)
    assert queue.next_exam(4.9) is None
    assert len(ready(queue, 5).files) == 4
    assert queue.next_exam(99.9) is None
    assert len(ready(queue, 100).files) == 1


def test_the_wait_begins_with_the_last_image(queue: NodeQueue) -> None:
    queue.admit(image(1), now=0)
    queue.admit(image(2, "L-MLO"), now=60)
    assert queue.next_exam(159) is None
    assert ready(queue, 160).n_changes == 2


def test_a_clock_that_is_set_back_holds_nothing_up(queue: NodeQueue) -> None:
    queue.admit(image(1), now=10_000)
    assert queue.next_exam(10_050) is None
    assert queue.next_exam(5_000) is None  # an exam that is not whole is never scored before its wait is over
    assert queue.next_exam(5_000 + WAITS.incomplete_s - 1) is None
    exam = ready(queue, 5_000 + WAITS.incomplete_s)
    answer(queue, exam, ["7.1"], now=20_000)
    outbox = Outbox(queue, PATIENCE)
    assert outbox.due("pacs", now=20_000 - 30) == [] and len(outbox.due("pacs", now=15_000)) == 1


def test_an_image_that_comes_while_the_next_exam_is_looked_for_is_no_clock_set_back(queue: NodeQueue) -> None:
    def admit(patient: int) -> None:
        for number in range(100 * patient, 100 * patient + 100):
            queue.admit(image(number, exam=number, patient=f"P{patient}"))

    with ThreadPoolExecutor(4) as pool:
        received = [pool.submit(admit, patient) for patient in range(4)]
        while not all(one.done() for one in received):
            assert queue.next_exam() is None
        for one in received:
            one.result()


def test_what_was_half_received_before_a_stop_waits_for_the_rest_after_the_start(queue: NodeQueue) -> None:
    half, whole = four()[:2], four(exam=2)
    for arrival in (*half, *whole):
        queue.admit(arrival, now=0)
    queue.close()
    queue = NodeQueue(queue.folder, WAITS, ["pacs"], most_tries=2, now=1000)
    assert queue.next_exam(1004) is None
    assert len(ready(queue, 1005).files) == 4
    assert queue.next_exam(1099) is None and len(ready(queue, 1100).files) == 2


def test_an_image_that_is_here_already_changes_nothing(queue: NodeQueue) -> None:
    assert queue.admit(image(1), now=0)
    assert not queue.admit(image(1), now=50)
    assert ready(queue, 100).n_changes == 1
    assert files(queue.exams) == ["image 1 "] and not list(queue.incoming.iterdir())


def test_another_object_with_the_same_uid_is_refused_and_the_first_one_kept(queue: NodeQueue) -> None:
    queue.admit(image(1, text="first"), now=0)
    with pytest.raises(ConflictError):
        queue.admit(image(1, text="second"), now=0)
    with pytest.raises(ConflictError):
        queue.admit(image(1, text="elsewhere", exam=2), now=0)
    assert files(queue.exams) == ["image 1 first"]


def test_what_is_kept_is_for_its_owner_alone_and_bears_no_id(queue: NodeQueue) -> None:
    queue.admit(image(1), now=0)
    paths = list(queue.folder.rglob("*"))
    assert queue.folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in paths if path.is_dir() or path.suffix == ".dcm")
    assert not [path for path in paths if "1.3.1" in path.name or "1.2.1" in path.name]


def test_a_second_node_may_not_work_on_the_same_queue(queue: NodeQueue) -> None:
    with pytest.raises(ValueError, match="one queue, one node"):
        NodeQueue(queue.folder, WAITS, [], most_tries=2)


def test_an_image_that_comes_while_its_exam_is_scored_voids_that_answer(queue: NodeQueue) -> None:
    queue.admit(image(1), now=0)
    exam = ready(queue, 100)
    queue.admit(image(2), now=101)
    assert not answer(queue, exam, ["7.1"])
    assert not Outbox(queue, PATIENCE).due("pacs", now=300) and not list(queue.results.iterdir())
    assert len(ready(queue, 201).files) == 2


def test_images_of_two_patients_in_one_exam_are_not_scored(queue: NodeQueue) -> None:
    queue.admit(image(1, patient="P1"), now=0)
    queue.admit(image(2, patient="P2"), now=0)
    assert queue.next_exam(100) is None
    assert queue.ledger.counts(100).reasons == {"its images name more than one patient": 1}


def test_an_exam_that_fails_is_tried_as_often_as_is_said_and_then_parked(queue: NodeQueue) -> None:
    queue.admit(image(1), now=0)
    assert not queue.failed(ready(queue, 100), "no luck", now=100)
    assert queue.next_exam(109) is None  # ten seconds after the first try
    assert queue.failed(ready(queue, 110), "no luck", now=110)
    assert queue.next_exam(10**6) is None
    assert queue.ledger.counts(0).reasons == {"no luck": 1}
    assert files(queue.exams) == ["image 1 "]
    assert Outbox(queue, PATIENCE).retry(now=500) == (1, 0)
    assert ready(queue, 500).tries == 1


def test_a_try_counts_even_if_the_node_dies_in_it_and_not_if_it_ends_in_good_order(queue: NodeQueue) -> None:
    queue.admit(image(1), now=0)
    ready(queue, 100)
    queue = again(queue)
    exam = ready(queue, 100)
    assert exam.tries == 2
    queue.give_back(exam)
    assert ready(queue, 100).tries == 2
    queue = again(queue)  # twice it was what the node died with
    assert queue.next_exam(1000) is None
    assert queue.ledger.counts(0).reasons == {"the node ended while it was scored, 2 times": 1}


def test_what_is_asked_between_a_kill_and_the_next_start_parks_no_exam(queue: NodeQueue) -> None:
    queue.admit(image(1), now=0)
    assert ready(queue, 100).tries == 1
    queue.close()  # as a kill leaves it: being scored
    _outbox(queue.folder).queue.close()
    assert ready(again(queue), 100).tries == 2


@pytest.mark.parametrize("uids", [[], ["7.1", "7.1"]])
def test_an_answer_of_nothing_or_with_one_uid_twice_is_none(queue: NodeQueue, uids: list[str]) -> None:
    queue.admit(image(1), now=0)
    with pytest.raises(ValueError, match="the answer is empty, or has two objects with one UID"):
        answer(queue, ready(queue, 100), uids)


def test_an_answer_may_not_have_the_uid_of_another_exams_answer(queue: NodeQueue) -> None:
    for exam in (1, 2):
        queue.admit(image(exam, exam=exam), now=0)
    answer(queue, ready(queue, 100), ["7.1"])
    with pytest.raises(ValueError, match="another exam's answer"):
        answer(queue, ready(queue, 100), ["7.1"], text=" again")
    assert files(queue.results) == ["7.1"]


def test_what_a_kill_left_half_done_is_put_away_at_the_next_start(queue: NodeQueue) -> None:
    queue.admit(image(1), now=0)
    exam = queue.exam_of("1.2.1")
    for leftover in (
        "incoming/a",
        f"exams/{exam}/i0.dcm",
        "exams/e0/i1.dcm",
        "results/e0-1/000.dcm",
        "scratch/b/c",
    ):
        (queue.folder / leftover).parent.mkdir(exist_ok=True)
        (queue.folder / leftover).write_text("never acknowledged")
    queue = again(queue)
    assert files(queue.folder) == ["image 1 "]
    assert not list(queue.incoming.iterdir()) and not list(queue.scratch.iterdir())
    assert not (queue.exams / "e0").exists() and not (queue.results / "e0-1").exists()


def test_an_exam_whose_file_was_taken_away_is_failed_and_not_scored_without_it(queue: NodeQueue) -> None:
    queue.admit(image(1), now=0)
    next(queue.exams.rglob("*.dcm")).unlink()
    queue = again(queue)
    assert queue.next_exam(1000) is None
    assert queue.ledger.counts(0).reasons == {DAMAGED_IMAGE: 1}


def test_a_file_that_was_changed_while_it_waited_is_told_and_mended_by_what_is_sent_again(
    queue: NodeQueue,
) -> None:
    for arrival in four():
        queue.admit(arrival, now=0)
    exam = ready(queue, 5)
    assert exam.is_whole()
    for file in exam.files[:2]:
        file.write_text("something else")
    assert not exam.is_whole()
    assert queue.failed(exam, DAMAGED_IMAGE, now=6)  # at the first try: another one would not help
    assert queue.ledger.counts(7).reasons == {DAMAGED_IMAGE: 1}
    assert Outbox(queue, PATIENCE).retry(now=8) == (1, 0) and not ready(queue, 8).is_whole()
    queue = again(queue)
    assert [queue.admit(arrival, now=10) for arrival in four()].count(True) == 2
    assert ready(queue, 15).is_whole()


def test_a_queue_of_another_version_is_refused(queue: NodeQueue) -> None:
    with queue.ledger.transaction() as db:
        db.execute("PRAGMA user_version = 9")
    with pytest.raises(ValueError, match="has version 9, this program knows 3"):
        again(queue)


@pytest.mark.parametrize("is_there", [True, False])
def test_received_images_without_a_ledger_are_not_thrown_away(queue: NodeQueue, is_there: bool) -> None:
    queue.admit(image(1), now=0)
    queue.admit(image(2), now=0)
    answer(queue, ready(queue, 100), ["7.1"])
    queue.close()
    for file in queue.folder.glob("queue.sqlite*"):
        file.unlink()
    if is_there:
        (queue.folder / "queue.sqlite").touch()
    wanted = "queue.sqlite is missing or empty, but .* 2 received images and 1 results.* Put the ledger back"
    for _ in range(2):
        with pytest.raises(ValueError, match=wanted):
            NodeQueue(queue.folder, WAITS, ["pacs"], most_tries=2)
    assert len(files(queue.folder)) == 3 and (queue.folder / "queue.sqlite").exists() == is_there


def test_a_ledger_keeps_its_key(queue: NodeQueue) -> None:
    key = queue.folder / "id_key"
    key.unlink()
    queue = again(queue)  # nothing was named by the old one
    queue.admit(image(1), now=0)
    queue = again(queue)
    key.unlink()
    with pytest.raises(ValueError, match="id_key is missing: .* Put the file back from a backup"):
        again(queue)
    key.mkdir()
    with pytest.raises(ValueError, match="key cannot be used: .*id_key is missing"):
        NodeQueue(queue.folder, WAITS, [], most_tries=2)
    key.rmdir()
    key.write_text("short")
    with pytest.raises(ValueError, match="id_key is no whole key: it has 5 .* Put the file back"):
        NodeQueue(queue.folder, WAITS, [], most_tries=2)
    key.write_text("a key of another queue")
    with pytest.raises(ValueError, match="id_key is another key than .* Put the file back from a backup"):
        NodeQueue(queue.folder, WAITS, [], most_tries=2)


def test_a_damaged_ledger_and_one_that_may_not_be_read_are_told_apart(queue: NodeQueue) -> None:
    queue.close()
    file = queue.folder / "queue.sqlite"
    file.write_bytes(b"no database, for a hundred bytes and more: " * 10)
    for read_only in (True, False):
        with pytest.raises(
            ValueError, match="queue.sqlite is damaged, or no node's ledger: .* Put the ledger back"
        ):
            Ledger(queue.folder, read_only)
    file.unlink()
    file.mkdir()
    with pytest.raises(ValueError, match="queue.sqlite cannot be used: unable to open"):
        Ledger(queue.folder)


def test_a_ledger_with_damaged_pages_is_refused(queue: NodeQueue) -> None:
    for number in range(100):
        queue.admit(image(number, exam=number), now=0)
    queue.close()
    file = queue.folder / "queue.sqlite"
    content = bytearray(file.read_bytes())
    content[8192:-4096] = b"x" * len(content[8192:-4096])
    file.write_bytes(content)
    with pytest.raises(ValueError, match="queue.sqlite is damaged"):
        NodeQueue(queue.folder, WAITS, [], most_tries=2)
    assert len(files(queue.exams)) == 100


def test_a_file_is_no_queue(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file cannot be a queue: it is a file. Wanted a folder"):
        NodeQueue(tmp_path / "file", WAITS, [], most_tries=2)
    with pytest.raises(ValueError, match="cannot be a queue: .*file/queue: Not a directory"):
        NodeQueue(tmp_path / "file/queue", WAITS, [], most_tries=2)


def test_a_file_that_is_no_exams_is_left_alone(queue: NodeQueue, caplog: pytest.LogCaptureFixture) -> None:
    (queue.exams / "notes.txt").write_text("mine")
    queue = again(queue)
    assert (queue.exams / "notes.txt").read_text() == "mine"
    assert "has a file in it that is no exam's" in caplog.text


def test_a_change_that_fails_half_way_changes_nothing(queue: NodeQueue) -> None:
    queue.admit(image(1), now=0)
    with pytest.raises(io.UnsupportedOperation), queue.ledger.transaction() as db:
        db.execute("UPDATE exams SET tries = 7")
        raise io.UnsupportedOperation
    assert queue.ledger.rows("SELECT tries FROM exams") == [(0,)]
