"""Score the mammograms in a folder with a bundle's networks, without a workflow. For research use.

    python -m mammo_steps.by_hand.predict_folder --bundle results/paper/bundle --archive FOLDER --private P --out O

It runs the steps of `snakemake predict`, with the bundle's settings, one after the other; the next images are decoded
while others are scored.

    O   tables (exams.csv first), pictures, index.html, left_out.parquet: every file that was not scored, and why.
        Pseudonyms only; pictures are mammograms. A new folder.
    P   the key of the pseudonyms, made if there is none (a study's private folder has one: the same women bear the
        same pseudonyms then), and below P/<name of O>, a new folder, which file has which pseudonym, and the steps'
        logs. Private; P may serve many runs, each with another name of O.

Exit code 1 if no exam could be scored; the tables are written all the same.
"""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from mammo_steps.core.bundle import Bundle, check_rules, open_bundle
from mammo_steps.core.drift import ACTIONS
from mammo_steps.core.folder_prediction import FolderPrediction, How, StepError, check_own_folder
from mammo_steps.core.interruption import Interrupted
from mammo_steps.core.steps import start_logging
from mammo_steps.core.study import StudyError, read_config
from mammo_steps.core.todays_recipe import todays_recipe

log = logging.getLogger("predict_folder")

_CONFIG = Path(__file__).resolve().parents[2] / "config"


def check_folders(archive: Path, private: Path, out: Path) -> None:
    """ValueError unless the archive is there, what is written is new, and no folder lies where it would do harm."""
    if not archive.is_dir():
        raise ValueError(f"--archive {archive} is no folder")
    for flag, folder in (("--private", private), ("--out", out)):
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"{flag} {folder} is a file, wanted a folder: give another one, or delete it")
        if folder.resolve().is_relative_to(archive.resolve()):
            raise ValueError(f"{flag} {folder} lies in the archive: its files would be taken for images")
    if private.resolve().is_relative_to(out.resolve()):
        raise ValueError(
            f"--private {private} lies in --out {out}, which people share: it holds the key and ids"
        )
    if out.resolve().is_relative_to(private.resolve()):
        raise ValueError(
            f"--out {out} lies in --private {private}, which holds the key and ids: people share what is in O. Give a "
            "folder elsewhere"
        )
    check_own_folder(private, out)
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"--out {out} is not empty: give a new folder, or delete this one")


def told_threads(bundle: Bundle, device: str, threads: int | None) -> dict[str, object]:
    """What differs from how the bundle's study computed; a warning where that changes scores."""
    own = bundle.settings("compute")["torch_threads"]
    if threads is None or threads == own:
        return {"device": device}
    log.warning(
        "--torch-threads %d: the bundle's study computed with %d. On a CPU another number of threads rounds otherwise: "
        "scores differ from the study's in their last digits",
        threads,
        own,
    )
    return {"device": device, "torch_threads": threads}


def drift_actions(given: Sequence[str]) -> dict[str, str]:
    """What the config says of exams unlike the training cohort, changed by `KIND=ACTION`; ValueError for others."""
    actions: dict[str, str] = read_config(_CONFIG)["predict"]["drift"]
    for entry in given:
        kind, _, action = entry.partition("=")
        if kind not in (*actions, "all") or action not in ACTIONS:
            raise ValueError(
                f"--drift {entry}: wanted KIND=ACTION, KIND one of all, {', '.join(actions)}, and ACTION one of "
                f"{', '.join(ACTIONS)}"
            )
        actions |= dict.fromkeys(actions if kind == "all" else [kind], action)
    return actions


def end(number: int, _frame: FrameType | None) -> NoReturn:
    """For SIGTERM and Ctrl-C: what was decoded so far is removed on the way out, and steps under way are ended."""
    raise Interrupted(number)


def at_least_1(text: str) -> int:
    """argparse type of a number of threads or processes."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}, wanted a whole number of at least 1")
    return int(text)


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--bundle", type=Path, required=True, help="folder of `snakemake make_bundle`, or a copy"
    )
    parser.add_argument(
        "--archive", type=Path, required=True, help="folder of DICOM files, folders below it too"
    )
    parser.add_argument("--private", type=Path, required=True, metavar="P", help="see above")
    parser.add_argument("--out", type=Path, required=True, metavar="O", help="see above")
    parser.add_argument(
        "--members", nargs="+", metavar="FOLD", help="which networks (fold0 ...); all by default"
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: a GPU where there is one"
    )
    parser.add_argument("--torch-threads", type=at_least_1, help="of the CPU; by default the bundle's")
    parser.add_argument(
        "--workers", type=at_least_1, default=min(4, len(os.sched_getaffinity(0))), help="that decode"
    )
    parser.add_argument(
        "--drift",
        nargs="+",
        default=[],
        metavar="KIND=ACTION",
        help="for exams unlike the training cohort; ACTION: ignore, warn or refuse; KIND: all, vendor, model, ...; by "
        "default as config/config.yaml says, key predict.drift",
    )
    parser.add_argument("--no-sheets", action="store_true", help="draw no pictures")
    parser.add_argument(
        "--dicom", action="store_true", help="write DICOM objects for a PACS into P/<name of O>/dicom"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parsed(argv)
    start_logging()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        check_folders(args.archive, args.private, args.out)
        bundle = open_bundle(args.bundle, args.members)
        check_rules(bundle, todays_recipe(bundle.recipe))
        log.info(
            "bundle %s of study %s, %d pairs of networks. For research use only",
            *(bundle.id, bundle.about["study"], len(bundle.members)),
        )
        compute = told_threads(bundle, args.device, args.torch_threads)
        how = How(compute, drift_actions(args.drift), args.workers, not args.no_sheets, args.dicom)
        counts = FolderPrediction(bundle, args.archive, args.private, args.out, how).run()
    except (ValueError, OSError, StepError, StudyError) as error:
        sys.exit(f"predict_folder: {error}")
    if not counts.n_files:
        sys.exit(f"predict_folder: there is no file in {args.archive}")
    if not counts.n_scored and counts.left_out.total() < counts.n_files:
        sys.exit(
            f"predict_folder: none of {counts.n_refused:,} exams has a score; {args.out / 'exams.csv'} says why in its "
            f"column `refused` (files that were left out: {counts.reasons})"
        )
    if not counts.n_scored:
        sys.exit(
            f"predict_folder: none of {counts.n_files:,} files is an image that can be scored ({counts.reasons}); "
            f"{args.out / 'index.html'} says what the reasons mean, {args.out / 'left_out.parquet'} names each file"
        )
    log.info(
        "%d exams scored, %d not; left out of %d files: %s; see %s",
        *(counts.n_scored, counts.n_refused, counts.n_files, counts.reasons, args.out / "index.html"),
    )


if __name__ == "__main__":
    main()
