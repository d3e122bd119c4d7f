"""Say of any file or folder of the workflow what it is, what stands in it, what made it, and whether it is whole.

    python -m mammo_steps.inspect results/paper/scores/exams.parquet
    python -m mammo_steps.inspect results/paper/shards/first-000/holistic.parquet --png sheet.png

Of tables: columns with unit and meaning, quantiles of numbers, frequent words. Of images: a sheet of small pictures,
with --png. Of weights: layers; with --deep each tensor's mean and standard deviation. Ids, dates and paths are never
shown, nor any value of tables of labels or lesions, of shards' lists and exams.csv, and of files of no kind that the
workflow writes. The bytes are read and compared with the manifest beside the file. Exit status 1 if the file cannot be
read or is not as its step left it. No step of the workflow; nothing is written but the sheet.
"""

import argparse
import json
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mammo_steps.core import file_facts
from mammo_steps.core.fact_text import WIDTH, Facts, as_json, lines_of, printable
from mammo_steps.core.file_signs import refused
from mammo_steps.core.kinds import FILE_KINDS, TABLE_KINDS, Kind, kind_of
from mammo_steps.core.manifest import entry_of
from mammo_steps.core.manifest_check import in_words
from mammo_steps.core.origin import described, differences, inputs_now, origin_of, ran_in, tree
from mammo_steps.core.picture_sheet import PICTURES, write_sheet
from mammo_steps.core.printing import print_lines
from mammo_steps.core.table_facts import table_facts, table_of
from mammo_steps.core.weight_facts import weight_facts

_UNKNOWN = Kind("", "Of no kind that the workflow writes: its values are not shown.", False)
_NAMED = 3  # inputs in a line


@dataclass
class Seen:
    """All that is told of a file or folder.

    table  which of `core.columns.TABLES` it is
    fault  why its content cannot be read
    """

    path: Path
    about: str
    table: str | None = None
    facts: list[Facts] = field(default_factory=list)
    fault: str | None = None
    origin: tuple[Path, dict[str, Any]] | None = None
    verifies: str = "no manifest: nobody says which step wrote it"
    differs: bool = False


def seen_of(path: Path, deep: bool, quick: bool) -> Seen:
    """ValueError if it is nothing that is opened here."""
    problem = refused(path)
    if problem is not None:
        raise ValueError(problem)
    kind = kind_of(path) or _UNKNOWN
    seen = Seen(path, kind.about)
    try:
        if path.suffix == ".parquet" and path.is_file():
            seen.table = table_of(path)
            seen.about = kind.about if kind in FILE_KINDS else _about_table(seen.table)
        seen.facts = facts_of(path, kind, seen.table, deep)
    except (ValueError, OSError) as error:
        seen.fault = str(error)
    if path.is_dir():
        seen.about = seen.about if kind is not _UNKNOWN else "A folder."
        seen.verifies = "no manifest of its own: `snakemake verify` looks at each file of a study"
    _look_at_origin(seen, quick)
    return seen


def _about_table(table: str | None) -> str:
    return _UNKNOWN.about if table is None else TABLE_KINDS[table].about


def facts_of(path: Path, kind: Kind, table: str | None, deep: bool) -> list[Facts]:
    """What stands in it, by the ending of its name."""
    if path.is_dir():
        return file_facts.folder_facts(path)
    match path.suffix:
        case ".parquet":
            return table_facts(path, table)
        case ".safetensors":
            return weight_facts(path, deep)
        case ".csv":
            return file_facts.csv_facts(path, kind.values_shown)
        case ".json":
            return file_facts.json_facts(path, kind.values_shown)
        case ".npz":
            return file_facts.npz_facts(path, kind.values_shown)
        case ".html" | ".md" | ".txt" | ".log" | ".svg":
            return file_facts.text_facts(path, kind.values_shown)
        case _ if kind is not _UNKNOWN:
            return file_facts.size_facts(path)
    raise ValueError(f"{path} is of no kind that the workflow writes, by the ending of its name")


def _look_at_origin(seen: Seen, quick: bool) -> None:
    try:
        seen.origin = origin_of(seen.path)
    except ValueError as error:
        seen.verifies, seen.differs = f"no: {error}", True
        return
    if seen.origin is None:
        return
    artefact, manifest = seen.origin
    about = manifest if artefact == seen.path else entry_of(seen.path, artefact, manifest)
    found = differences(seen.path, artefact, manifest, quick)
    seen.differs = bool(found)
    told = "; ".join(f"no: found {one}, its step left {left}" for one, left in found)
    seen.verifies = told or f"yes, {in_words(about)}"


def inputs_told(artefact: Path, manifest: dict[str, Any]) -> Iterator[str]:
    """Lines on whether the inputs still are those that it was made from, as far as manifests say."""
    now = inputs_now(manifest["inputs"], ran_in(artefact, manifest))
    words = {
        "same": "as they were",
        "another": "made anew since, with other bytes",
        "gone": "gone",
        "not looked at": "of no step, not looked at",
    }
    for key, names in now.items():
        if names:
            more = ", ..." if len(names) > _NAMED else ""
            told = "" if key == "same" else f": {', '.join(names[:_NAMED])}{more}"
            yield f"  inputs       {len(names)} {words[key]}{told}"
    if now["another"] or now["gone"]:
        yield "  `snakemake verify` looks at the whole study, and says how to make it anew"


def lines_told(seen: Seen) -> Iterator[str]:
    yield str(seen.path)
    yield from textwrap.wrap(seen.about, WIDTH, initial_indent="  ", subsequent_indent="  ")
    for facts in seen.facts:
        yield ""
        yield from lines_of(facts)
    yield ""
    if seen.origin is not None:
        artefact, manifest = seen.origin
        whole = "" if artefact == seen.path else f", with all of {artefact}"
        made = [f"made by {manifest['step']}{whole}", *list(described(artefact, manifest))[1:]]
        made.append(f"  made from{'' if manifest['inputs'] else ' its settings alone'}")
        made += tree(manifest["inputs"], False, {str(artefact)}, ran_in(artefact, manifest), 2)
        made += inputs_told(artefact, manifest)
        for line in made:
            yield from textwrap.wrap(
                line, WIDTH, subsequent_indent=" " * 15, break_long_words=False, break_on_hyphens=False
            )
        yield ""
    yield f"verifies: {seen.verifies}"


def json_told(seen: Seen) -> dict[str, Any]:
    told: dict[str, Any] = {
        "path": str(seen.path),
        "about": seen.about,
        "table": seen.table,
        "facts": {facts.title: as_json(facts) for facts in seen.facts},
        "fault": seen.fault,
        "verifies": seen.verifies,
    }
    if seen.origin is not None:
        artefact, manifest = seen.origin
        inputs = inputs_now(manifest["inputs"], ran_in(artefact, manifest))
        told |= {"artefact": str(artefact), "manifest": manifest, "inputs": inputs}
    return told


def drawn(seen: Seen, png: Path | None, n_images: int) -> str | None:
    """Draw the sheet, if one is wanted; says so. ValueError if there is nothing to draw."""
    has_pictures = seen.table in PICTURES
    if png is None or seen.fault is not None:
        return "no picture was written: --png FILE writes a sheet of small ones" if has_pictures else None
    if seen.table is None or not has_pictures:
        raise ValueError(f"{seen.path} holds no images: a sheet is drawn of {', '.join(PICTURES)} tables")
    n = write_sheet(png, seen.path, seen.table, n_images)
    return f"{n} images on {png}: mammograms, with any text burned into them"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path, help="any file or folder that the workflow wrote")
    parser.add_argument("--png", type=Path, help="written: a sheet of small pictures (PNG), of images alone")
    parser.add_argument("--images", type=int, default=24, help="on the sheet, at most; default 24")
    parser.add_argument("--deep", action="store_true", help="of weights, also each tensor")
    parser.add_argument(
        "--quick", action="store_true", help="compare no bytes where their number and time of change fit"
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    args = parser.parse_args(argv)
    if args.png is not None and args.png.suffix != ".png":
        parser.error(f"--png {args.png}: wanted a name that ends in .png")
    if args.images < 1:
        parser.error(f"--images {args.images}: wanted 1 or more")

    try:
        seen = seen_of(args.path, args.deep, args.quick)
        picture = drawn(seen, args.png, args.images)
        if args.json:
            print_lines([json.dumps(json_told(seen), indent=2)])
        else:
            print_lines(map(printable, [*lines_told(seen), *([picture] if picture else [])]))
    except (ValueError, OSError) as error:
        sys.exit(printable(str(error)))
    if seen.fault is not None:
        sys.exit(printable(seen.fault))
    sys.exit(int(seen.differs))


if __name__ == "__main__":
    main()
