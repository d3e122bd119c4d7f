"""What a study will cost before anything is submitted: jobs, hours, memory, disk, files, and the wall time.

Reads config/config.yaml, config/local.yaml and --configfile as the workflow does; no file of the study has to be
there. Prints tables (Markdown). --exams, --images and --folds try out other sizes. No step of the workflow.
What the numbers come from: docs/sizing.md.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mammo_steps.core.config_schema import check_schema
from mammo_steps.core.costs import costs_of
from mammo_steps.core.plan_tables import AtHand, plan_text
from mammo_steps.core.study import StudyError, read_config
from mammo_steps.core.study_size import size_of

REPO = Path(__file__).resolve().parents[1]


def at_least(least: int) -> Any:
    """argparse type of a whole number that is not below `least`; commas are passed over."""

    def number(text: str) -> int:
        try:
            value = int(text.replace(",", ""))
        except ValueError:
            raise argparse.ArgumentTypeError(f"wanted a whole number, got {text}") from None
        if value < least:
            raise argparse.ArgumentTypeError(f"{text} is too small, wanted {least} or more")
        return value

    return number


def plan(
    config: dict[str, Any],
    n_exams: int | None,
    n_images: int | None,
    n_folds: int | None,
    at_hand: AtHand,
) -> str:
    """The plan's text; StudyError where the config does not say what is needed."""
    check_schema(config, REPO / "workflow/schemas/config.schema.yaml")
    if n_folds is not None:
        config = config | {"split_folds": config["split_folds"] | {"folds": n_folds}}
    size = size_of(config, n_exams, n_images)
    return plan_text(config, size, costs_of(config, size), at_hand)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--configfile", type=Path, nargs="+", default=[], help="as for snakemake")
    parser.add_argument("--exams", type=at_least(1), help="instead of what the config's shards hold at most")
    parser.add_argument(
        "--images", type=at_least(1), help="of the archive; default: a complete exam's times --exams"
    )
    parser.add_argument("--folds", type=at_least(2), help="instead of split_folds.folds")
    parser.add_argument("--gpus", type=at_least(0), default=1, help="at hand, for the wall time; default 1")
    parser.add_argument("--cores", type=at_least(1), default=16, help="CPU cores at hand; default 16")
    parser.add_argument(
        "--jobs", type=at_least(1), default=100, help="at once; default 100, as in the slurm profile"
    )
    args = parser.parse_args(argv)

    at_hand = AtHand(args.gpus, args.cores, args.jobs)
    try:
        config = read_config(REPO / "config", args.configfile)
        text = plan(config, args.exams, args.images, args.folds, at_hand)
    except StudyError as error:
        sys.exit(str(error))
    print(text)


if __name__ == "__main__":
    main()
