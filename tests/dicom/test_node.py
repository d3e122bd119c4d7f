"""A node among dcmtk's programs: who may come in, what is refused how, and that each exam is answered once."""

import contextlib
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from made_files import edit, make_dicom, put
from node_programs import REPO, Node, Receiver, Sender, dcmtk, echoscu, make_exam, storescu, wait_for

MakeNode = Callable[..., Node]
PROCESSING, CT = "1.2.840.10008.5.1.4.1.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2"


def test_the_process_that_receives_loads_no_network() -> None:
    """What scores is a process of its own, begun anew when it dies."""
    program = "import sys, mammo_steps.by_hand.serve_dicom; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=REPO, check=False).returncode == 0


def test_exams_are_answered_and_the_answers_sent_on(
    node: MakeNode, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.start()
    ours = node()
    ours.start()
    assert echoscu(ours.port).returncode == 0
    for number in (1, 2, 3):
        make_exam(tmp_path / "out", number)
    assert storescu(ours.port, "+sd", tmp_path / "out").returncode == 0
    wait_for(lambda: len(receiver.received()) == 3, "three answers")
    assert storescu(ours.port, "+sd", tmp_path / "out").returncode == 0  # all of it once more
    time.sleep(1.5)
    assert all(sum(times.values()) == 1 for times in receiver.received().values())
    status = wait_for(lambda: "3 exams answered and sent" in (told := ours.status()) and told, "sent exams")
    assert "objects to pacs: 3 sent" in status and "12 images" in status
    assert ours.stop() == 0
    answer = next(receiver.folder.iterdir())
    dumped = subprocess.run(
        [dcmtk("dcmdump"), str(answer)], capture_output=True, text=True, check=True
    ).stdout
    assert "4 images; for research use" in dumped


def test_what_waited_while_the_node_was_off_for_long_is_tried_before_it_is_given_up(
    node: MakeNode, receiver: Receiver, tmp_path: Path
) -> None:
    ours = node()
    ours.start()
    make_exam(tmp_path / "out", 1)
    assert storescu(ours.port, "+sd", tmp_path / "out").returncode == 0
    wait_for(lambda: "wait to be sent" in ours.status() and "1 waiting" in ours.status(), "an answer")
    ours.kill()
    with contextlib.closing(sqlite3.connect(ours.queue / "queue.sqlite")) as db, db:
        due = (
            time.time() + 3.5
        )  # (a start takes some of it; more than longest_wait_s would be a clock set back)
        db.execute("UPDATE deliveries SET since = since - 365 * 86400, due = ?", (due,))
    receiver.start()
    ours = node(sending={"longest_wait_s": 5})
    ours.start()
    wait_for(lambda: len(receiver.received()) == 1, "the answer")


def test_killed_at_any_time_it_goes_on_where_it_was(
    node: MakeNode, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.start()
    ours = node()
    for number in range(1, 13):
        make_exam(tmp_path / "out", number)
    for wait_s in (0.4, 1.0, 1.6):
        ours.start()
        sender = Sender(tmp_path / "out", ours.port)
        time.sleep(wait_s)
        ours.kill()
        sender.end()
    ours.start()
    Sender(tmp_path / "out", ours.port).end()
    assert Sender.n_acknowledged(tmp_path / "out") == 48
    wait_for(lambda: len(receiver.received()) == 12, "twelve answers")
    wait_for(lambda: "12 exams answered and sent" in ours.status(), "sent exams")
    assert len(receiver.received()) == 12
    assert all(len(checksums) == 1 for checksums in receiver.received().values())


def test_associations_of_strangers_are_rejected_with_the_reason(node: MakeNode, tmp_path: Path) -> None:
    ours = node()
    ours.start()
    make_exam(tmp_path / "out", 1)
    for told in (
        echoscu(ours.port, caller="STRANGER"),
        storescu(ours.port, "+sd", tmp_path / "out", caller="STRANGER"),
    ):
        assert told.returncode != 0 and "Calling AE Title Not Recognized" in told.stderr
    told = echoscu(ours.port, called="ANY-SCP")
    assert told.returncode != 0 and "Called AE Title Not Recognized" in told.stderr
    assert "0 images" in ours.status()
    assert "STRANGER" not in ours.log.read_text()


def statuses(told: "subprocess.CompletedProcess[str]") -> list[str]:
    return re.findall(r"Received Store Response \((.*)\)", told.stdout + told.stderr)


def test_malformed_objects_are_refused_with_their_status_and_the_rest_goes_on(
    node: MakeNode, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.start()
    ours = node()
    ours.start()
    good = make_exam(tmp_path / "good", 1)
    bad = tmp_path / "bad"
    make_dicom(bad / "no_study.dcm", ids=("P9", "1.2.9", "1.2.9.1"), change=put(StudyInstanceUID="x"))
    make_dicom(bad / "no_image.dcm", ids=("P9", "1.2.9", "1.2.9.2"), change=put(PixelData=None))
    make_dicom(
        bad / "raw.dcm", ids=("P9", "1.2.9", "1.2.9.3"), change=put(PresentationIntentType="FOR PROCESSING")
    )
    sent = {file.stem: statuses(storescu(ours.port, file)) for file in sorted(bad.iterdir())}
    assert sent["no_study"] == sent["no_image"] == ["Error: CannotUnderstand"]
    assert sent["raw"] == ["Error: DataSetDoesNotMatchSOPClass"]
    for storage_class in (PROCESSING, CT):
        other = make_dicom(bad / "other.dcm")
        edit(other, put(SOPClassUID=storage_class))
        told = storescu(ours.port, "-R", other)
        assert told.returncode != 0 and not statuses(told)  # no context was agreed on
    assert storescu(ours.port, "+sd", good).returncode == 0
    wait_for(lambda: len(receiver.received()) == 1, "the good exam's answer")
    changed = make_dicom(bad / "changed.dcm", ids=("P1", "1.2.1", "1.2.1.1"))
    assert statuses(storescu(ours.port, changed)) == [
        "Error: CannotUnderstand"
    ]  # another object, the same UID
    log = ours.log.read_text()
    assert "an object was refused, C000" in log and "an object was refused, A900" in log
    assert "P9" not in log and "SYNTHETIC" not in log and "1.2.9" not in log


@pytest.mark.long
def test_exams_that_cannot_be_scored_are_parked_with_their_reason_and_the_rest_goes_on(
    node: MakeNode, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.start()
    ours = node("make_stubborn_answer", scoring={"tries": 1, "exam_s": 2})
    ours.start()
    for number, patient in enumerate(["RAISE", "DIE", "HANG", "FINE"], start=1):
        make_exam(tmp_path / "out", number, patient)
    storescu(ours.port, "+sd", tmp_path / "out")
    wait_for(lambda: "3 exams failed" in ours.status(), "three failed exams")
    wait_for(lambda: len(receiver.received()) == 1, "the fine exam's answer")
    status = ours.status()
    assert "1 failed: ValueError in light_node.py" in status
    assert "1 failed: the scoring process was ended (SIGKILL: perhaps out of memory)" in status
    assert "1 failed: it took more than 2 s" in status
    assert "must not be logged" not in ours.log.read_text() + status
    ours.stop()
    assert "3 exams will be scored again, 0 objects" in ours.ask("--retry")
    ours.maker = "make_light_answer"
    ours.start()
    wait_for(lambda: len(receiver.received()) == 4, "all answers")


@pytest.mark.long
def test_an_exam_that_finds_the_disk_full_is_put_off_and_that_is_no_try(
    node: MakeNode, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.start()
    ours = node("make_stubborn_answer", scoring={"tries": 1})
    ours.start()
    (ours.queue / "full").touch()
    storescu(ours.port, "+sd", make_exam(tmp_path / "out", 1, "FULL"))
    line = "the queue cannot be written (DiskFullError): is the disk full?"
    wait_for(lambda: ours.log.read_text().count(line) > 1, "two attempts")
    (ours.queue / "full").unlink()
    wait_for(lambda: len(receiver.received()) == 1, "its answer")
    assert "parked as failed" not in ours.log.read_text()


@pytest.mark.long
def test_asked_to_end_it_gives_back_the_exam_that_is_being_scored(
    node: MakeNode, receiver: Receiver, tmp_path: Path
) -> None:
    ours = node("make_stubborn_answer", scoring={"tries": 1})
    ours.start()
    storescu(ours.port, "+sd", make_exam(tmp_path / "out", 1, "HANG"))
    wait_for(lambda: "1 exams being scored" in ours.status(), "scoring")
    began = time.monotonic()
    assert ours.stop() == 0 and time.monotonic() - began < 30
    assert "0 exams failed" in ours.status() and "1 exams ready" in ours.status()
    receiver.start()
    ours.maker = "make_light_answer"
    ours.start()
    wait_for(lambda: len(receiver.received()) == 1, "its answer")


@pytest.mark.long
def test_while_a_destination_is_down_results_wait(node: MakeNode, receiver: Receiver, tmp_path: Path) -> None:
    ours = node()
    ours.start()
    storescu(ours.port, "+sd", make_exam(tmp_path / "out", 1))
    wait_for(lambda: "cannot be reached" in ours.log.read_text(), "a line about it")
    assert "1 exams answered, wait to be sent" in ours.status()
    ours.stop()
    ours.config.write_text(ours.config.read_text().replace("name: pacs", "name: new_pacs"))
    ours.start()
    wait_for(lambda: "1 objects wait for the destination 'pacs'" in ours.log.read_text(), "a warning")
    ours.stop()
    ours.config.write_text(ours.config.read_text().replace("name: new_pacs", "name: pacs"))
    ours.start()
    receiver.start()
    wait_for(lambda: "1 exams answered and sent" in ours.status(), "a sent exam")
    assert [sum(times.values()) for times in receiver.received().values()] == [1]


def test_files_that_were_damaged_in_the_queue_are_neither_scored_nor_sent_until_they_are_mended(
    node: MakeNode, receiver: Receiver, tmp_path: Path
) -> None:
    ours = node(wait={"complete_s": 2, "incomplete_s": 3600})
    ours.start()
    for number in (1, 2):
        storescu(ours.port, "+sd", make_exam(tmp_path / str(number), number))
        wait_for(lambda n=number: len(list(ours.queue.glob("exams/*/*.dcm"))) == 4 * n, "images")
        if number == 1:
            wait_for(lambda: "1 exams answered" in ours.status(), "an answer")
    result = next(ours.queue.glob("results/*/*.dcm"))
    result.write_bytes(result.read_bytes()[:-20])
    answered = result.parent.name.split("-")[0]
    for file in ours.queue.glob("exams/*/*.dcm"):
        if file.parent.name != answered:
            file.write_bytes(file.read_bytes().replace(b"P2", b"P3"))
    receiver.start()
    status = wait_for(lambda: "2 exams failed" in (told := ours.status()) and told, "failed exams")
    assert "1 failed: a received image was changed on the disk" in status
    assert "1 failed: a result was changed on the disk" in status
    assert not receiver.received()
    ours.stop()
    assert "2 exams will be scored again" in ours.ask("--retry")
    ours.start()
    wait_for(lambda: len(receiver.received()) == 1, "the first exam's answer")
    storescu(ours.port, "+sd", tmp_path / "2")
    wait_for(lambda: "2 exams answered and sent" in ours.status(), "sent exams")
    assert "P3" not in ours.log.read_text() + status


@pytest.mark.long
def test_with_too_little_disk_or_too_many_waiting_exams_objects_are_put_off(
    node: MakeNode, tmp_path: Path
) -> None:
    for number in (1, 2):
        make_exam(tmp_path / str(number), number)
    full = node(limits={"free_disk_mb": 10**9})
    full.start()
    assert set(statuses(storescu(full.port, "-nh", "+sd", tmp_path / "1"))) == {"Refused: OutOfResources"}
    full.stop()
    busy = node(limits={"waiting_exams": 1}, wait={"complete_s": 100, "incomplete_s": 100})
    busy.start()
    assert statuses(storescu(busy.port, "+sd", tmp_path / "1")) == ["Success"] * 4
    assert set(statuses(storescu(busy.port, "-nh", "+sd", tmp_path / "2"))) == {"Refused: OutOfResources"}
    assert "1 exams received" in busy.status()


def test_an_object_beyond_the_limit_ends_its_association(node: MakeNode, tmp_path: Path) -> None:
    ours = node(limits={"object_mb": 0.5, "free_disk_mb": 0})
    ours.start()
    large = make_dicom(tmp_path / "large.dcm", np.full((1000, 1000), 7, np.uint16))
    told = storescu(ours.port, large)
    assert told.returncode != 0 and "Success" not in statuses(told)
    assert "an object of more than 500000 bytes" in ours.log.read_text()
    assert storescu(ours.port, "+sd", make_exam(tmp_path / "out", 1)).returncode == 0


@pytest.mark.parametrize(
    ("maker", "changes", "message"),
    [
        ("make_no_answer", {}, "exams cannot be answered: the bundle was tampered with"),
        ("make_light_answer", {"address": "0.0.0.0"}, "0.0.0.0 is reached by other machines"),
        ("make_light_answer", {"callers": []}, "config key `callers`"),
        ("make_light_answer", {"portt": 7}, r"there is no config key `portt` (meant: port?)"),
        (
            "make_light_answer",
            {"tls": {"certificate": "a", "key": "b", "authorities": "c"}},
            "config key `tls`",
        ),
    ],
)
def test_a_node_that_cannot_serve_says_why_and_ends(
    node: MakeNode, maker: str, changes: dict[str, object], message: str
) -> None:
    ours = node(maker)
    config = yaml.safe_load(ours.config.read_text()) | changes
    ours.config.write_text(yaml.safe_dump(config))
    told = subprocess.run(ours.command, capture_output=True, text=True, timeout=60)
    assert told.returncode == 1 and message in told.stderr
    assert not ours.queue.exists()
