"""Write the places of lesions that a data set's own annotation gives; read only to score localisation.

The table holds the archive's own image ids, so it lies in the private folder.
"""

import argparse
import logging
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from mammo_steps.core.steps import start_step

log = logging.getLogger("list_lesions")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--dataset", required=True, help="module of mammo_steps/datasets with `write_lesions`"
    )
    parser.add_argument("--labels", type=Path, required=True, help="the data set's label file")
    parser.add_argument("--archive", type=Path, required=True, help="folder of the image files")
    parser.add_argument("--lesions", type=Path, required=True, help="written; private (CSV)")
    args = parser.parse_args(argv)
    start_step(__spec__, args)
    write_lesions = import_module(f"mammo_steps.datasets.{args.dataset}").write_lesions
    n_lesions = write_lesions(args.labels, args.archive, args.lesions)
    log.info("%d lesions written", n_lesions)


if __name__ == "__main__":
    main()
