"""Translate between pseudonyms and the archive's own ids, on the machine that holds the key; no step uses it.

    python -m mammo_steps.by_hand.translate_ids --private private/paper --key-file private/id_key e0123456789abcdef0123

Give pseudonyms (of a woman, an exam, an image or a file), or the archive's own ids (PatientID, exam id, SOP
Instance UID, path below the archive). One line per image found, tab-separated, the pseudonyms first. The output
names women: it goes to the terminal and nowhere else.
"""

import argparse
import csv
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mammo_steps.core.ids import Pseudonyms, read_key
from mammo_steps.core.steps import start_logging
from mammo_steps.core.tables import read_table

log = logging.getLogger("translate_ids")

_SOURCES = {"patient_id": "patient_id", "exam_id": "exam_id", "image_id": "image_id", "file_id": "path"}
COLUMNS = (*_SOURCES, *(f"archive_{source}" for source in _SOURCES.values()))


def header_tables(private: Path) -> list[Path]:
    """The header tables of a study's private folder; FileNotFoundError if it has none."""
    found = sorted(private.glob("intakes/*/headers/*.parquet"))
    if not found:
        raise FileNotFoundError(
            f"{private} holds no intakes/*/headers/*.parquet: wanted <private_dir>/<study> of a study whose "
            "headers were read"
        )
    return found


def identities(tables: Iterable[Path], pseudonyms: Pseudonyms) -> Iterator[dict[str, str]]:
    """One row per file: `COLUMNS`, empty where the header has no such id."""
    hashed = {
        "patient_id": pseudonyms.patient,
        "exam_id": pseudonyms.exam,
        "image_id": pseudonyms.image,
        "file_id": pseudonyms.file,
    }
    for table in tables:
        for batch in read_table(table, "headers", list(_SOURCES.values())).to_batches():
            for row in batch.to_pylist():
                own = {name: row[source] or "" for name, source in _SOURCES.items()}
                row_of = {name: hashed[name](text) if text else "" for name, text in own.items()}
                yield row_of | {f"archive_{_SOURCES[name]}": text for name, text in own.items()}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--private", type=Path, required=True, help="<private_dir>/<study>")
    key = parser.add_mutually_exclusive_group(required=True)
    key.add_argument("--key-file", type=Path, help="file with the key of the pseudonyms")
    key.add_argument("--key", help="the key itself, for public data only")
    parser.add_argument("ids", nargs="+", help="pseudonyms, or ids of the archive")
    args = parser.parse_args(argv)
    start_logging()

    wanted = {text.strip() for text in args.ids}
    try:
        pseudonyms = Pseudonyms(args.key if args.key is not None else read_key(args.key_file))
        tables = header_tables(args.private)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    out = csv.DictWriter(sys.stdout, COLUMNS, delimiter="\t", lineterminator="\n")
    out.writeheader()
    found: set[str] = set()
    for row in identities(tables, pseudonyms):
        matches = wanted.intersection(row.values())
        if matches:
            found |= matches
            out.writerow(row)
    log.info("%d of %d ids found", len(found), len(wanted))
    if found != wanted:
        sys.exit(
            f"{len(wanted - found)} of {len(wanted)} ids are not in this study, or the key is another one"
        )


if __name__ == "__main__":
    main()
