"""A DICOM node's queue at a start: its key, and what a kill left half done is put away."""

import logging
from pathlib import Path
from sqlite3 import Connection

from mammo_steps.core.dicom_node_files import remove
from mammo_steps.core.dicom_node_ledger import FILE, Ledger
from mammo_steps.core.ids import Pseudonyms, key_tag, make_key, read_key

log = logging.getLogger("dicom_node")

DAMAGED_IMAGE = "a received image was changed on the disk, or is gone: let the exam be sent again"


def queue_pseudonyms(key: Path, ledger: Ledger) -> Pseudonyms:
    """By the queue's key; a new queue gets one."""
    if not key.exists() and ledger.rows("SELECT 1 FROM exams LIMIT 1"):
        raise ValueError(
            f"{key} is missing: {FILE} beside it names exams by that key, under a new one nothing would be found "
            "again. Put the file back from a backup, or move the queue's folder away, start with a new one and let "
            "the exams be sent again"
        )
    try:
        make_key(key)
        text = read_key(key)
        pseudonyms = Pseudonyms(text)
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(f"the queue's key cannot be used: {error}") from error
    tag = key_tag(text)
    with ledger.transaction() as db:
        db.execute("DELETE FROM id_key WHERE NOT EXISTS (SELECT 1 FROM exams)")
        db.execute("INSERT INTO id_key SELECT ? WHERE NOT EXISTS (SELECT 1 FROM id_key)", (tag,))
        ((used,),) = db.execute("SELECT tag FROM id_key")
    if used != tag:
        raise ValueError(
            f"{key} is another key than the one that {FILE} beside it names exams by: sent again, they would be scored "
            "and answered a second time. Put the file back from a backup"
        )
    return pseudonyms


def recover(ledger: Ledger, folder: Path, most_tries: int) -> None:
    for unfinished in ("incoming", "scratch"):
        for entry in (folder / unfinished).iterdir():
            remove(entry)
    images = {(exam, f"{image}.dcm") for exam, image in ledger.rows("SELECT exam, image FROM images")}
    named = {Path(file).parts[0] for (file,) in ledger.rows("SELECT file FROM objects")}
    n_removed = _remove_images(folder / "exams", images) + _remove_results(folder / "results", named)
    if n_removed:
        log.warning(
            "%d files that the ledger does not name were removed: never acknowledged, or forgotten", n_removed
        )
    with ledger.transaction() as db:
        db.execute(  # (an exam may also be what ends the whole node)
            "UPDATE exams SET state = 'failed', reason = 'the node ended while it was scored, ' || tries "
            "|| ' times' WHERE state = 'scoring' AND tries >= ?",
            (most_tries,),
        )
        db.execute("UPDATE exams SET state = 'received' WHERE state = 'scoring'")
        for exam, name in images:
            if not (folder / "exams" / exam / name).is_file():
                fail(db, exam, DAMAGED_IMAGE)


def _remove_images(exams: Path, images: set[tuple[str, str]]) -> int:
    """Those that no row names; how many. What is no exam's folder is nobody's, and left."""
    n_removed = 0
    for folder in exams.iterdir():
        if not folder.is_dir():
            log.warning("the queue's folder exams/ has a file in it that is no exam's: it is left alone")
            continue
        for file in folder.iterdir():
            if (folder.name, file.name) not in images:
                remove(file)
                n_removed += 1
        if not any(folder.iterdir()):
            folder.rmdir()
    return n_removed


def _remove_results(results: Path, named: set[str]) -> int:
    """Folders that no row names; how many files."""
    n_removed = 0
    for folder in results.iterdir():
        if folder.name not in named:
            n_removed += sum(1 for _ in folder.rglob("*.dcm"))
            remove(folder)
    return n_removed


def fail(db: Connection, exam: str, reason: str) -> None:
    db.execute("UPDATE exams SET state = 'failed', reason = ? WHERE exam = ?", (reason, exam))
