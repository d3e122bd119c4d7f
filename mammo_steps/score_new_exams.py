"""Score the exams of one shard with a bundle's networks; exams that nobody has labelled.

members.parquet   what each pair of networks says of each image: margins, COA, ROI
images.parquet, breasts.parquet, exams.parquet   the scores, means over the pairs
sheets/           each exam on one picture, by the exam's pseudonym
"""

import argparse
import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from mammo_steps.core.artefacts import artefact_folder
from mammo_steps.core.bundle import Bundle, check_rules, open_bundle
from mammo_steps.core.columns import TABLES
from mammo_steps.core.compute import Compute, Job
from mammo_steps.core.drift import KINDS
from mammo_steps.core.drift_guard import guard
from mammo_steps.core.files import replacing
from mammo_steps.core.prediction_rows import Row, breast_rows, exam_row, image_rows, member_rows
from mammo_steps.core.prediction_sheet import as_png, sheet_of
from mammo_steps.core.scorer import Scorer, read_shard
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.tables import batch_writer, write_rows
from mammo_steps.core.todays_recipe import todays_recipe

log = logging.getLogger("score_new_exams")

TABLES_WRITTEN = ("new_members", "new_images", "new_breasts", "new_exams")


def computing(bundle: Bundle, given: dict[str, object]) -> Compute:
    """As the bundle's study computed, but for the device and what a site says of it.

    given  device, and what else may differ; threads of the CPU round otherwise, so they stay the bundle's
    """
    return Compute(**{**bundle.settings("compute"), "compile": "never", **given})


def columns_of(kind: str, rows: Sequence[Row]) -> dict[str, list[object]]:
    return {name: [row.get(name) for row in rows] for name in TABLES[kind]}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, required=True, help="folder of make_bundle")
    parser.add_argument("--members", nargs="*", help="which of its networks (fold0 ...); all by default")
    parser.add_argument("--index", type=Path, required=True, help="the intake's index.parquet")
    parser.add_argument("--shard", type=Path, required=True, help="folder of the shard")
    parser.add_argument("--compute", type=json_object, default={}, help='JSON: {"device": "cuda"}, say')
    parser.add_argument("--job", type=json_object, required=True, help="JSON, as in the config")
    parser.add_argument(
        "--drift", type=json_object, help="JSON: kind of difference -> ignore, warn or refuse"
    )
    parser.add_argument("--no-sheets", action="store_true", help="draw no pictures")
    parser.add_argument("--scores", type=Path, required=True, help="folder written")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    bundle = open_bundle(args.bundle, args.members or None)
    check_rules(bundle, todays_recipe(bundle.recipe))
    compute = computing(bundle, args.compute)
    compute.prepare()
    shard, facts = guard(
        read_shard(args.shard, args.index, bundle), bundle, args.drift or dict.fromkeys(KINDS, "warn")
    )
    log.info(
        "bundle %s of study %s, %d members; %d exams on %s",
        *(bundle.id, bundle.about["study"], len(bundle.members), len(shard.exams), compute.torch_device),
    )
    scorer = Scorer(bundle, compute, Job(**args.job))
    known = {exam.exam_id: exam for exam in shard.exams}
    reasons: Counter[str] = Counter()
    folder: Path = args.scores
    sheets = folder / "sheets"
    with ExitStack() as stack:
        stack.enter_context(artefact_folder(sheets))
        sheets.mkdir(parents=True, exist_ok=True)
        write = {
            kind: stack.enter_context(batch_writer(folder / f"{kind.removeprefix('new_')}.parquet", kind))
            for kind in TABLES_WRITTEN
        }
        for exam in scorer.score(shard):
            rows = {
                "new_members": list(member_rows(exam)),
                "new_images": list(image_rows(exam, bundle)),
                "new_breasts": list(breast_rows(exam)),
                "new_exams": [exam_row(exam, known[exam.exam_id].n_left_out)],
            }
            for kind, own in rows.items():
                write[kind](columns_of(kind, own))
            if not args.no_sheets and exam.images:
                sheet = sheet_of(exam, known[exam.exam_id], shard, bundle, scorer.cut)
                with replacing(sheets / f"{exam.exam_id}.png") as scratch:
                    scratch.write_bytes(as_png(sheet))
            reasons.update([exam.refused or "scored"])
    write_rows(folder / "facts.parquet", "new_facts", facts)
    log.info("%d exams: %s", len(shard.exams), dict(reasons))


if __name__ == "__main__":
    main()
