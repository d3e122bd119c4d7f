"""A thousand exams through a node that is killed while it receives and while it sends; a disk that is full; TLS."""

import json
import os
import random
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from made_files import make_dicom
from node_programs import VIEWS, Node, Receiver, Sender, echoscu, make_exam, storescu, wait_for

pytestmark = pytest.mark.long
MakeNode = Callable[..., Node]

N_EXAMS, N_SENDERS = 1000, 4
TINY = np.full((8, 6), 100, np.uint16)


def outgoing(folder: Path, n_exams: int = N_EXAMS) -> list[Path]:
    """A folder for each sender, and the images of every exam spread over all of them."""
    folders = [folder / f"sender{number}" for number in range(N_SENDERS)]
    for number in range(1, n_exams + 1):
        for which, view in enumerate(VIEWS):
            ids = (f"P{number}", f"1.2.{number}", f"1.2.{number}.{which}")
            target = folders[(number + which) % N_SENDERS] / f"{number}_{which}.dcm"
            make_dicom(target, TINY, *view, ids)
    return folders


def sent_until(ours: Node, folders: list[Path], enough: Callable[[], bool]) -> float:
    """Send what is left in all folders at once, until it is enough; then the node is killed. Seconds."""
    began = time.monotonic()
    senders = [Sender(folder, ours.port) for folder in folders]
    wait_for(enough, "progress", 400)
    ours.kill()
    for sender in senders:
        sender.end()
    return time.monotonic() - began


def test_a_thousand_exams_are_answered_once_each_by_a_node_that_is_killed_again_and_again(
    node: MakeNode, receiver: Receiver, tmp_path: Path
) -> None:
    folders = outgoing(tmp_path / "out")
    receiver.start()
    ours = node(wait={"complete_s": 0.5, "incomplete_s": 3600}, limits={"waiting_exams": 100_000})
    acknowledged = lambda: sum(map(Sender.n_acknowledged, folders))  # noqa: E731
    marks: list[Callable[[], bool]] = [
        lambda: acknowledged() >= N_EXAMS,  # a quarter of the images
        lambda: acknowledged() >= 2 * N_EXAMS and len(receiver.received()) > 100,
        lambda: acknowledged() >= 3 * N_EXAMS and len(receiver.received()) > 300,
    ]
    began = time.monotonic()
    took = []
    for enough in marks:
        ours.start()
        took.append(sent_until(ours, folders, enough))
    ours.start()
    for sender in [Sender(folder, ours.port) for folder in folders]:
        sender.end()
    assert acknowledged() == 4 * N_EXAMS
    for n_answers in (600, 800):  # and while all it does is to score and to send
        wait_for(lambda n=n_answers: len(receiver.received()) > n, "answers", 300)
        ours.kill()
        ours.start()
    wait_for(lambda: len(receiver.received()) == N_EXAMS, "a thousand answers", 300)
    wait_for(lambda: f"{N_EXAMS:,} exams answered and sent" in ours.status(), "sent exams")
    received = receiver.received()
    assert len(received) == N_EXAMS
    assert all(len(checksums) == 1 for checksums in received.values())  # what came twice is the same
    n_twice = sum(sum(checksums.values()) - 1 for checksums in received.values())
    answers = [pydicom.dcmread(path) for path in receiver.folder.iterdir()]
    assert {answer.ImageComments for answer in answers} == {"4 images; for research use"}
    assert len({answer.StudyInstanceUID for answer in answers}) == N_EXAMS
    log = ours.log.read_text()
    assert not any(f"P{number}" in log for number in range(1, N_EXAMS + 1)) and "1.2." not in log
    assert f"{4 * N_EXAMS:,} images" in ours.status() and "0 exams failed" in ours.status()
    print(json.dumps({"wall_s": round(time.monotonic() - began), "sending_s": took, "sent_twice": n_twice}))


def test_killed_at_random_instants_it_loses_and_doubles_nothing(
    node: MakeNode, receiver: Receiver, tmp_path: Path
) -> None:
    draw = random.Random(1)
    n_exams, n_kills = 40, 10
    for number in range(1, n_exams + 1):
        make_exam(tmp_path / "out", number)
    receiver.start()
    ours = node(scoring={"tries": 20}, wait={"complete_s": 0.2, "incomplete_s": 3600})
    for _ in range(n_kills):
        ours.start()
        sender = Sender(tmp_path / "out", ours.port)
        time.sleep(draw.uniform(0.05, 1.5))
        ours.kill()
        sender.end()
    ours.start()
    Sender(tmp_path / "out", ours.port).end()
    assert Sender.n_acknowledged(tmp_path / "out") == 4 * n_exams
    wait_for(lambda: f"{n_exams} exams answered and sent" in ours.status(), "sent exams")
    received = receiver.received()
    assert len(received) == n_exams and all(len(checksums) == 1 for checksums in received.values())
    assert sum(1 for _ in (ours.queue / "exams").rglob("*.dcm")) == 4 * n_exams
    assert not list((ours.queue / "incoming").iterdir()) and not list((ours.queue / "scratch").iterdir())


def test_the_rate_of_a_node_that_is_left_alone(node: MakeNode, receiver: Receiver, tmp_path: Path) -> None:
    n_exams = 300
    folders = outgoing(tmp_path / "out", n_exams)
    receiver.start()
    ours = node(limits={"waiting_exams": 100_000})
    ours.start()
    began = time.monotonic()
    for sender in [Sender(folder, ours.port) for folder in folders]:
        sender.end()
    received_s = time.monotonic() - began
    wait_for(lambda: len(receiver.received()) == n_exams, "all answers", 300)
    answered_s = time.monotonic() - began
    assert sum(sum(times.values()) for times in receiver.received().values()) == n_exams
    peak_kb = int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{ours.pid}/status").read_text())[0])
    assert peak_kb < 400_000
    print(
        json.dumps(
            {
                "images_per_s": round(4 * n_exams / received_s, 1),
                "exams_per_s": round(n_exams / answered_s, 1),
                "peak_mb": peak_kb // 1000,
            }
        )
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_on_a_full_disk_objects_are_put_off_and_what_was_acknowledged_is_answered_later(
    node: MakeNode, receiver: Receiver, tmp_path: Path, small_disk: Path
) -> None:
    out = tmp_path / "out"
    for number in range(1, 11):
        for which, view in enumerate(VIEWS):
            ids = (f"P{number}", f"1.2.{number}", f"1.2.{number}.{which}")
            make_dicom(out / f"{number}_{which}.dcm", np.full((500, 500), 7, np.uint16), *view, ids)
    receiver.start()
    ours = node(limits={"free_disk_mb": 0})  # no low-water mark: the disk does fill up
    ours.queue = small_disk / "queue"
    ours.start()
    told = storescu(ours.port, "-nh", "+sd", "+rn", out)
    assert "Success" in told.stderr and "Refused: OutOfResources" in told.stderr
    n_kept = Sender.n_acknowledged(out)
    assert 8 <= n_kept < 40
    assert echoscu(ours.port).returncode == 0
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    Sender(out, ours.port).end()
    assert Sender.n_acknowledged(out) == 40
    wait_for(lambda: len(receiver.received()) == 10, "ten answers")
    wait_for(lambda: "10 exams answered and sent" in ours.status(), "sent exams")
    assert "40 images" in ours.status()
    ours.stop()


def test_with_tls_senders_and_destinations_show_certificates(
    node: MakeNode, receiver: Receiver, tmp_path: Path
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    pair = tmp_path / "own.key", tmp_path / "own.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", pair[0], "-out", pair[1],
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = ["+tls", str(pair[0]), str(pair[1]), "+cf", str(pair[1])]
    receiver.options = tuple(tls)
    receiver.start()
    ours = node(tls={"certificate": str(pair[1]), "key": str(pair[0]), "authorities": str(pair[1])})
    ours.start()
    exam = make_exam(tmp_path / "out", 1)
    assert storescu(ours.port, "+sd", exam).returncode != 0  # in the clear
    silent = [socket.create_connection(("127.0.0.1", ours.port)) for _ in range(3)]  # hold nobody up
    assert storescu(ours.port, *tls, "+sd", exam).returncode == 0
    wait_for(lambda: len(receiver.received()) == 1, "the answer")
    for connection in silent:
        connection.close()
    assert "Traceback" not in ours.log.read_text()
