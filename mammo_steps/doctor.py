"""Look at an archive before anything is trained: one page that says whether a run can be trusted.

Every header counts, from the indexes; of the images only a sample is decoded, spread over machines, matrices and
encodings. Labels may be missing: the page then has no outcomes. Written are the page (one HTML file, no network)
and the tables beside it:

    findings.csv    every check: level, what was found, why it matters, what to do
    files.csv       files by reason and what was found
    machines.csv    maker, model, intent, view, window, bits: images taken and left out
    sizes.csv       matrices and pixel spacings
    syntaxes.csv    encodings
    years.csv       images, exams, women
    exclusions.csv  what is left out by level, reason and outcome
    sample.csv      the decoded images

They hold counts, words of closed sets and pseudonyms; the page also shows small pictures of mammograms.
"""

import argparse
import importlib
import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from mammo_steps.core import archive_tables as counted
from mammo_steps.core import decoding
from mammo_steps.core.archive_page import Archive, Settings, findings_of, page_values, tables_of
from mammo_steps.core.artefacts import artefact_folder, write_artefact
from mammo_steps.core.cohort_settings import CohortSettings
from mammo_steps.core.examination import EMPTY, NUMBERS, PICTURES, Plan, Task, examine
from mammo_steps.core.files import write_text
from mammo_steps.core.header_cohort import exclusion_table, header_cohort
from mammo_steps.core.ids import Pseudonyms, read_key
from mammo_steps.core.image_sample import sampled_images
from mammo_steps.core.label_frame import label_frame, read_dataset_labels
from mammo_steps.core.labels import Windows
from mammo_steps.core.ordered_pool import Lost, in_order
from mammo_steps.core.page import render
from mammo_steps.core.preparing import LIMITS, ShardSettings, read_list, start_worker
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.tables import read_table
from mammo_steps.core.terms import Reason
from mammo_steps.core.verdict import Finding, headline

log = logging.getLogger("doctor")

TEMPLATE = "doctor.html.j2"
MEASURED = [name for name in EMPTY if name not in PICTURES]
SAMPLE_COLUMNS = ["image_id", "vendor", "model", "intent", "laterality", "view", "size", "pixel_spacing_mm",
                  "syntax", "photometric", "bits_stored", "window", *MEASURED]  # fmt: skip


def read_index(paths: Sequence[Path], width_px: int) -> pd.DataFrame:
    """All intakes' files, with the number of their `intake`."""
    tables = [read_table(path, "index").to_pandas().assign(intake=n) for n, path in enumerate(paths)]
    return counted.archive_files(pd.concat(tables, ignore_index=True), width_px)


def tasks_of(chosen: pd.DataFrame, lists: Sequence[Path], archives: Sequence[Path]) -> list[Task]:
    """The chosen images with their paths, in the order of `chosen`; only the shard lists that hold them are read."""
    paths: dict[str, Path] = {}
    for (intake, shard), own in chosen.groupby(["intake", "shard"]):
        wanted, file = set(own["image_id"]), lists[int(str(intake))] / f"{shard}.csv"
        found = [image for image in read_list(file) if image.image_id in wanted]
        paths |= {image.image_id: archives[int(str(intake))] / image.path for image in found}
    missing = len(chosen) - len(paths)
    if missing:
        raise ValueError(
            f"{missing} of {len(chosen)} sampled images are not in the shard lists: index and lists are of "
            "different runs; rerun index_archive"
        )
    spacings = (None if pd.isna(mm) else float(mm) for mm in chosen["pixel_spacing_mm"])
    return [
        Task(i, side, paths[i], mm)
        for i, side, mm in zip(chosen["image_id"], chosen["laterality"], spacings, strict=True)
    ]


def sample_of(files: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """The `files` rows of the images to decode, in the order in which they were dealt."""
    images = counted.taken(files)
    return images.set_index("image_id", drop=False).loc[sampled_images(images, n, seed)]


def found_of(task: Task, result: dict[str, Any] | Lost) -> dict[str, Any]:
    """What was found of an image; a file that ended its worker cannot be decoded."""
    if not isinstance(result, Lost):
        return result
    why = {"reason": Reason.UNDECODABLE.value, "detail": f"decoding it {result.why}"}
    return EMPTY | {"image_id": task.image_id} | why


def with_findings(chosen: pd.DataFrame, seen: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The chosen images' `files` rows with what was seen of each instead of the header's (empty) reason."""
    found = pd.DataFrame(seen, columns=["image_id", *EMPTY]).astype(dict.fromkeys(NUMBERS, "float64"))
    rows = chosen.drop(columns=["reason", "detail"]).reset_index(drop=True)
    return rows.merge(found, on="image_id", validate="one_to_one")


def plan_of(dataset: str, settings: Settings) -> Plan:
    module = importlib.import_module(f"mammo_steps.datasets.{dataset}")
    return Plan(
        read_pixels=getattr(module, "read_pixels", decoding.read_pixels),
        settings=ShardSettings(**settings.make_shards),
        cut=settings.cut,
    )


def write_tables(folder: Path, archive: Archive, settings: Settings, findings: Sequence[Finding]) -> None:
    tables = tables_of(archive, settings)
    tables["findings"] = pd.DataFrame([vars(finding) for finding in findings])
    tables["files"] = counted.detail_table(archive.files)
    outcomes, exclusions = exclusion_table(archive.cohort.excluded)
    tables["exclusions"] = pd.DataFrame(exclusions, columns=["level", "reason", "n", *outcomes])
    tables["sample"] = archive.sample[SAMPLE_COLUMNS]
    for name, table in tables.items():
        text = table.to_csv(index=False, lineterminator="\n", float_format="%.6g")
        write_text(folder / f"{name}.csv", text.replace("\N{NARROW NO-BREAK SPACE}", " "))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--indexes", type=Path, nargs="+", required=True, help="index.parquet of each intake")
    parser.add_argument("--lists", type=Path, nargs="+", required=True, help="folder of shard lists of each")
    parser.add_argument("--archives", type=Path, nargs="+", required=True, help="archive folder of each")
    parser.add_argument("--labels", type=Path, help="label table; none = no outcomes")
    parser.add_argument("--dataset", required=True, help="module of mammo_steps/datasets")
    parser.add_argument("--windows", type=json_object, required=True, help="JSON: outcome_windows")
    key = parser.add_mutually_exclusive_group(required=True)
    key.add_argument("--key-file", type=Path, help="file with the key of the pseudonyms")
    key.add_argument("--key", help="the key itself, for public data only")
    parser.add_argument("--settings", type=json_object, required=True, help="JSON, see Settings")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1, help="processes that decode the sample")
    parser.add_argument("--page", type=Path, required=True, help="written: the page (HTML)")
    parser.add_argument("--tables", type=Path, required=True, help="written: folder of CSV tables")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    settings = Settings(**args.settings)
    files = read_index(args.indexes, settings.width_px)
    labels = None
    if args.labels is not None:
        pseudonyms = Pseudonyms(args.key if args.key is not None else read_key(args.key_file))
        given = read_dataset_labels(args.dataset, args.labels, Windows(**args.windows))
        labels = label_frame(given, pseudonyms)
    cohort = header_cohort(files, labels, CohortSettings(**settings.list_images))

    chosen = sample_of(files, settings.doctor["sample_images"], args.seed)
    log.info("%d files, %d images; decoding %d", len(files), files["reason"].isna().sum(), len(chosen))
    plan = plan_of(args.dataset, settings)
    tasks = tasks_of(chosen, args.lists, args.archives)
    with closing(in_order(partial(examine, plan=plan), tasks, args.workers, start_worker, LIMITS)) as results:
        seen = [found_of(task, result) for task, result in zip(tasks, results, strict=True)]
    archive = Archive(files, labels, cohort, with_findings(chosen, seen))

    findings = findings_of(archive, settings, args.workers)
    with artefact_folder(args.tables):
        write_tables(args.tables, archive, settings, findings)
    page = render(page_values(archive, settings, findings), TEMPLATE)
    write_artefact(args.page, page)
    log.info("%s: %d kB; %s", args.page, len(page) // 1024, headline(findings))


if __name__ == "__main__":
    main()
