"""Say what an artefact was made from: step, when, where, cost, settings, code, libraries, inputs.

    python -m mammo_steps.by_hand.why results/paper/report/auc.csv --deep

It is what the manifest beside the file says. With --deep the inputs' own origins follow as a tree: what has been shown
above is not shown again, and of many files that differ in their numbers alone the first one stands for all.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from mammo_steps.core.origin import described, origin_of, ran_in, tree
from mammo_steps.core.printing import print_lines


def told(file: Path, deep: bool) -> Iterator[str]:
    """Lines; ValueError if nobody says what the file was made from."""
    found = origin_of(file)
    if found is None and file.is_dir():
        raise ValueError(f"{file}: a folder that no step has written as a whole. Give a file or folder in it")
    if found is None and not file.exists():
        raise ValueError(f"{file} is not there, and no manifest tells of it: look whether the name is right")
    if found is None:
        raise ValueError(
            f"{file}: neither it nor a folder above has a manifest of it, so no step has written it"
        )
    artefact, manifest = found
    yield from described(artefact, manifest)
    yield f"  made from{'' if manifest['inputs'] else ' its settings alone'}"
    yield from tree(manifest["inputs"], deep, {str(artefact)}, ran_in(artefact, manifest), 2)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="any result of a step")
    parser.add_argument("--deep", action="store_true", help="also what the inputs were made from")
    args = parser.parse_args(argv)

    try:
        print_lines(told(args.file, args.deep))
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
