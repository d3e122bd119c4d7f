"""A DICOM node's outbox: what is due to whom, when it is given up, what may be forgotten."""

from collections.abc import Callable
from pathlib import Path

import pytest
from node_queue import PATIENCE, WAITS, again, answer, files, image, ready

from mammo_steps.core import dicom_node_outbox
from mammo_steps.core.dicom_node_files import sha256_of
from mammo_steps.core.dicom_node_outbox import DAMAGED_RESULT, Outbox, Trial
from mammo_steps.core.dicom_node_queue import NodeQueue


@pytest.fixture
def queue(tmp_path: Path) -> NodeQueue:
    return NodeQueue(tmp_path / "queue", WAITS, ["pacs"], most_tries=2)


def test_what_waits_is_tried_for_the_longest_wait_after_a_start() -> None:
    trial = Trial(100, wall=5000, steady=0)
    assert not trial.is_over(5060, 60) and not trial.is_over(5100, 100)
    assert trial.is_over(5101, 101)


def test_a_clock_set_ahead_or_a_machine_that_slept_begins_anew() -> None:
    trial = Trial(100, wall=5000, steady=0)
    assert trial.is_over(5200, 200)
    assert not trial.is_over(90_000, 260)
    assert not trial.is_over(90_060, 320) and trial.is_over(90_120, 380)


def test_small_corrections_of_the_clock_and_one_set_back_change_nothing() -> None:
    trial = Trial(100, wall=5000, steady=0)
    assert not trial.is_over(5090, 60) and trial.is_over(4000, 120)


def test_an_answer_goes_to_every_destination(tmp_path: Path) -> None:
    queue = NodeQueue(tmp_path / "queue", WAITS, ["pacs", "archive"], most_tries=2)
    queue.admit(image(1), now=0)
    assert answer(queue, ready(queue, 100), ["7.1", "7.2"])
    outbox = Outbox(queue, PATIENCE)
    for name in ("pacs", "archive"):
        assert [one.file.read_text() for one in outbox.due(name, now=200)] == ["7.1", "7.2"]
    assert not list(queue.scratch.iterdir())


def test_what_was_sent_is_not_due_again(queue: NodeQueue) -> None:
    queue.admit(image(1), now=0)
    answer(queue, ready(queue, 100), ["7.1", "7.2"])
    outbox = Outbox(queue, PATIENCE)
    outbox.sent(outbox.due("pacs", now=200)[0])
    assert [one.file.read_text() for one in Outbox(again(queue), PATIENCE).due("pacs", now=200)] == ["7.2"]


def test_a_late_image_makes_a_new_answer_and_what_is_superseded_and_unsent_is_sent_no_more(
    queue: NodeQueue,
) -> None:
    queue.admit(image(1), now=0)
    answer(queue, ready(queue, 100), ["7.1", "7.2"])
    queue.admit(image(2), now=300)
    late = ready(queue, 400)
    assert len(late.files) == 2
    answer(queue, late, ["7.2", "7.3"], text=" new")
    due = Outbox(queue, PATIENCE).due("pacs", now=500)
    assert [one.file.read_text() for one in due] == ["7.2", "7.3 new"]  # 7.2 stays as it was made first


def test_an_object_that_an_answer_dropped_and_a_later_one_has_again_is_sent(queue: NodeQueue) -> None:
    for number, uid in ((1, "7.1"), (2, "7.2"), (3, "7.1")):
        queue.admit(image(number), now=1000 * number)
        answer(queue, ready(queue, 1000 * number + 100), [uid])
    assert [one.file.read_text() for one in Outbox(queue, PATIENCE).due("pacs", now=9000)] == ["7.1"]


def test_a_refused_object_waits_longer_each_time_and_is_given_up_in_the_end(queue: NodeQueue) -> None:
    queue.admit(image(1), now=0)
    answer(queue, ready(queue, 100), ["7.1"], now=200)
    outbox = Outbox(queue, PATIENCE)
    now = 200.0
    for wait in (10, 20, 35, 35):
        (delivery,) = outbox.due("pacs", now=now)
        outbox.refused(delivery, "the destination answered A700", now=now)
        assert not outbox.due("pacs", now=now + wait - 1)
        now += wait
    assert outbox.give_up_old([], now=1200) == 0 and outbox.give_up_old([], now=1201) == 1
    assert not outbox.due("pacs", now=1201)
    assert files(queue.results) == ["7.1"] and outbox.forget_old(0, now=10**6) == 0
    assert outbox.retry(now=2000) == (0, 1)
    assert len(outbox.due("pacs", now=2000)) == 1


def test_exams_are_forgotten_when_all_was_sent_and_some_time_has_passed(queue: NodeQueue) -> None:
    for exam in (1, 2):
        queue.admit(image(exam, exam=exam), now=0)
        answer(queue, ready(queue, 100), [f"7.{exam}"], now=200)
    outbox = Outbox(queue, PATIENCE)
    outbox.sent(outbox.due("pacs", now=200)[0])
    assert outbox.forget_old(100, now=299) == 0
    assert outbox.forget_old(100, now=301) == 1
    assert files(queue.exams) == ["image 2 "] and files(queue.results) == ["7.2"]
    assert queue.admit(image(1), now=400)  # what comes again is a new exam


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_text("7.1 of someone else")])
def test_a_result_that_was_changed_before_it_was_sent_is_sent_after_it_was_made_anew(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    queue = NodeQueue(tmp_path / "queue", WAITS, ["pacs", "archive"], most_tries=2)
    outbox = Outbox(queue, PATIENCE)
    queue.admit(image(1), now=0)
    answer(queue, ready(queue, 100), ["7.1", "7.2"])
    outbox.sent(outbox.due("archive", now=200)[0])
    damage(outbox.due("pacs", now=200)[0].file)
    outbox.damaged(outbox.due("pacs", now=200)[0])
    assert queue.ledger.counts(300).reasons == {DAMAGED_RESULT: 1}
    assert [one.file.read_text() for one in outbox.due("pacs", now=300)] == ["7.2"]
    assert outbox.forget_old(0, now=10**6) == 0
    outbox.retry(now=300)
    assert answer(queue, ready(queue, 300), ["7.1", "7.2"], text=" new")
    due = outbox.due("pacs", now=300)
    assert sorted(one.file.read_text() for one in due) == ["7.1 new", "7.2"]
    assert all(sha256_of(one.file) == one.sha256 for one in due)
    assert [one.file.read_text() for one in outbox.due("archive", now=300)] == ["7.2"]  # 7.1 it has


def test_objects_for_a_destination_that_is_no_more_are_told_and_can_be_let_go(queue: NodeQueue) -> None:
    queue.admit(image(1), now=0)
    answer(queue, ready(queue, 100), ["7.1", "7.2"])
    queue = again(queue, ("archive",))
    outbox = Outbox(queue, PATIENCE)
    assert outbox.strangers(["archive"]) == {"pacs": 2} and outbox.strangers(["pacs"]) == {}
    outbox.give_up_old(["pacs"], now=10**6)
    assert outbox.strangers(["archive"]) == {"pacs": 2}
    with pytest.raises(ValueError, match=r"no object waits for a destination pax; some wait for: pacs \(2\)"):
        outbox.drop("pax")
    assert outbox.drop("pacs") == 2 and outbox.strangers([]) == {}
    assert outbox.forget_old(0, now=10**6) == 1


def test_an_image_that_comes_while_its_exam_is_forgotten_is_kept(
    queue: NodeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.admit(image(1), now=0)
    assert answer(queue, ready(queue, 100), ["7.1"])
    outbox = Outbox(queue, PATIENCE)
    outbox.sent(outbox.due("pacs", now=300)[0])
    removed = dicom_node_outbox.remove

    def slowly(folder: Path) -> None:
        queue.admit(image(2, "L-MLO"), now=10_000)
        removed(folder)

    monkeypatch.setattr(dicom_node_outbox, "remove", slowly)
    assert outbox.forget_old(keep_s=10, now=10_000) == 1
    assert files(queue.exams) == ["image 2 "] and ready(queue, 10_100).is_whole()


def test_an_old_object_that_was_refused_once_is_not_given_up(queue: NodeQueue) -> None:
    queue.admit(image(1), now=0)
    answer(queue, ready(queue, 100), ["7.1"], now=200)
    outbox = Outbox(queue, PATIENCE)
    for _ in range(2):  # the next wait is the longest
        outbox.refused(outbox.due("pacs", now=5000)[0], "the destination answered A700", now=4000)
        assert outbox.give_up_old([], now=5000) == 0
    outbox.refused(outbox.due("pacs", now=5000)[0], "the destination answered A700", now=5000)
    assert outbox.give_up_old([], now=5000) == 1


def test_what_was_refused_is_due_behind_what_was_not_tried(queue: NodeQueue) -> None:
    queue.admit(image(1), now=0)
    assert answer(queue, ready(queue, 100), ["7.1", "7.2"])
    outbox = Outbox(queue, PATIENCE)
    first, second = outbox.due("pacs", now=300)
    outbox.refused(first, "no", now=300)
    assert [one.number for one in outbox.due("pacs", now=400)] == [second.number, first.number]


def test_a_backlog_that_takes_long_to_send_is_not_given_up_unless_its_destination_is_down(
    queue: NodeQueue,
) -> None:
    queue.admit(image(1), now=0)
    answer(queue, ready(queue, 100), ["7.1", "7.2"], now=200)
    outbox = Outbox(queue, PATIENCE)
    for _ in range(3):  # (waits of 10, 20, 35 s)
        first = min(outbox.due("pacs", now=4000), key=lambda one: one.number)
        outbox.refused(first, "the destination answered A700", now=200)
    assert outbox.give_up_old(["archive"], now=5000) == 1
    assert [one.file.read_text() for one in outbox.due("pacs", now=5000)] == ["7.2"]
    assert outbox.give_up_old(["archive", "pacs"], now=5000) == 1
    assert outbox.due("pacs", now=5000) == []
