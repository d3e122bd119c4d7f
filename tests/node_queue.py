"""A DICOM node's queue for tests: what comes in, and what is answered."""

from pathlib import Path

from mammo_steps.core.dicom_node_arrival import Arrival
from mammo_steps.core.dicom_node_outbox import Patience
from mammo_steps.core.dicom_node_queue import MadeObject, NodeQueue, ReadyExam
from mammo_steps.core.dicom_node_waits import Waits

WAITS = Waits(complete_s=5, incomplete_s=100)
PATIENCE = Patience(first_s=10, longest_s=35, give_up_s=1000)


def image(number: int, view: str = "L-CC", exam: int = 1, patient: str = "P1", text: str = "") -> Arrival:
    content = f"image {number} {text}"
    return Arrival(f"1.3.{number}", f"1.2.{exam}", patient, view, content, bytearray(content.encode()))


def four(exam: int = 1) -> list[Arrival]:
    views = ("L-CC", "L-MLO", "R-CC", "R-MLO")
    return [image(10 * exam + number, view, exam) for number, view in enumerate(views)]


def ready(queue: NodeQueue, now: float) -> ReadyExam:
    found = queue.next_exam(now)
    assert found is not None
    return found


def answer(queue: NodeQueue, exam: ReadyExam, uids: list[str], now: float = 200, text: str = "") -> bool:
    scratch = queue.make_scratch()
    for uid in uids:
        (scratch / f"{uid}.dcm").write_text(uid + text)
    return queue.answered(exam, scratch, [MadeObject(uid, f"{uid}.dcm") for uid in uids], now)


def files(folder: Path) -> list[str]:
    return sorted(path.read_text() for path in folder.rglob("*.dcm"))


def again(queue: NodeQueue, destinations: tuple[str, ...] = ("pacs",)) -> NodeQueue:
    """The queue as the next start finds it; nothing of the first one was put in order."""
    queue.close()
    return NodeQueue(queue.folder, WAITS, destinations, most_tries=2, now=0)
