"""Put all that scoring new exams needs into one folder that can be given away (`core.bundle`)."""

import argparse
import hashlib
import json
import logging
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mammo_steps.core.artefacts import artefact_folder, reading
from mammo_steps.core.bundle import CALIBRATION, CARDS, COHORT, REFERENCE
from mammo_steps.core.bundle_about import VERSION
from mammo_steps.core.bundle_names import ABOUT, MODELS, SUMS, weights_name
from mammo_steps.core.damage import working_on
from mammo_steps.core.files import replacing, write_json, write_text
from mammo_steps.core.ids import key_tag, read_key
from mammo_steps.core.network import load_network, network_bytes, read_facts, weights_recipe
from mammo_steps.core.number_text import read_json
from mammo_steps.core.recipe import check_same
from mammo_steps.core.reference import calibration_of, reference_of, without_probability
from mammo_steps.core.run_record import commit
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.tables import read_table
from mammo_steps.core.terms import CLASSES, Role

log = logging.getLogger("make_bundle")


def out_of_fold_images(results: Path, members: Sequence[str], scores: pa.Table) -> pd.DataFrame:
    """Margins of the test images, one row per image in the order of image_id, with its exam's outcome."""
    margins = {}
    for model in MODELS:
        columns = ["image_id", "exam_id", "laterality", "role", "margin"]
        tables = [
            read_table(results / model / member / "images.parquet", f"{model}_scores", columns)
            for member in members
        ]
        table = pa.concat_tables([t.filter(pc.equal(t["role"], Role.TEST.value)) for t in tables]).to_pandas()
        margins[model] = table.groupby(["image_id", "exam_id", "laterality"])["margin"].mean()
    images = pd.DataFrame(margins).reset_index()
    images["ensemble"] = (images["holistic"] + images["attention"]) / 2
    outcome = dict(zip(scores["exam_id"].to_pylist(), scores["outcome"].to_pylist(), strict=True))
    images["outcome"] = images["exam_id"].map(outcome)
    return images.sort_values("image_id", ignore_index=True)


def without_paths(facts: dict[str, Any]) -> dict[str, Any]:
    """A weight file's facts, without the folder that ImageNet's weights lay in."""
    network = facts["settings"].get("network", {})
    if network.get("imagenet_weights"):
        network["imagenet_weights"] = Path(network["imagenet_weights"]).name
    return facts


def checksums(folder: Path) -> str:
    """As `sha256sum` writes them, of all files but hidden ones."""
    lines = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != SUMS and not path.name.startswith("."):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            lines.append(f"{digest}  {path.relative_to(folder).as_posix()}\n")
    return "".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="the study's folder")
    parser.add_argument("--members", nargs="+", required=True, help="fold0, fold0_seed2, ...")
    parser.add_argument("--scores", type=Path, required=True, help="scores/exams.parquet")
    parser.add_argument("--evaluation", type=Path, required=True, help="report/evaluation.json")
    parser.add_argument("--cards", type=Path, nargs=2, required=True, help="model_card.md, data_card.md")
    parser.add_argument("--fingerprint", type=Path, required=True, help="cohort/fingerprint.json")
    key = parser.add_mutually_exclusive_group(required=True)
    key.add_argument("--key-file", type=Path, help="file with the key of the pseudonyms")
    key.add_argument("--key", help="the key itself, for public data only")
    parser.add_argument(
        "--settings", type=json_object, required=True, help="JSON: study, synthetic, sections"
    )
    parser.add_argument("--bundle", type=Path, required=True, help="folder written")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    folder: Path = args.bundle
    scores = read_table(args.scores, "exam_scores")
    last = [args.results / "attention" / member / "model.safetensors" for member in args.members]
    recipes = [weights_recipe(path) for path in last]
    check_same(recipes, "Run the folds' attention model again")
    with artefact_folder(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for member in args.members:
            for model in MODELS:
                path = args.results / model / member / "model.safetensors"
                facts = without_paths(read_facts(path))
                with replacing(folder / weights_name(member, model)) as scratch:
                    scratch.write_bytes(network_bytes(load_network(path), facts))
        write_json(folder / REFERENCE, reference_of(out_of_fold_images(args.results, args.members, scores)))
        with working_on(args.evaluation, args.scores):
            evaluation = read_json(args.evaluation)
            calibration = calibration_of(evaluation, scores.to_pandas())
        for network, endpoint in without_probability(evaluation, calibration):
            log.warning(
                "%s, %s: scores of cancers were no higher than others, so that none becomes a probability",
                *(network, endpoint),
            )
        write_json(folder / CALIBRATION, calibration)
        for name, card in zip(CARDS, args.cards, strict=True):
            write_text(folder / name, reading(card).read_text(encoding="utf-8"))
        write_text(folder / COHORT, reading(args.fingerprint).read_text(encoding="utf-8"))
        about = {
            "version": VERSION,
            "study": args.settings["study"],
            "synthetic": args.settings["synthetic"],
            "classes": list(CLASSES),
            "members": args.members,
            "settings": args.settings["sections"],
            "recipe": recipes[0].recipe.hash,
            "recipe_parts": json.loads(recipes[0].recipe.text),
            "n_exams": scores.num_rows,
            "n_women": pc.count_distinct(scores["patient_id"]).as_py(),
            "key_tag": key_tag(args.key if args.key is not None else read_key(args.key_file)),
            "commit": commit(),
            "torch": version("torch"),
        }
        write_json(folder / ABOUT, about)
        with replacing(folder / SUMS) as scratch:  # last: without it the folder is no bundle
            scratch.write_text(checksums(folder), encoding="utf-8")
    log.info("%d members of study %s written to %s", len(args.members), about["study"], folder)


if __name__ == "__main__":
    main()
