"""Whether the files that a config names are there and can be used, before any job runs."""

import importlib
import importlib.util
import os
import shlex
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from mammo_steps.core.exam_models import OWN_NAMES
from mammo_steps.core.ids import make_key
from mammo_steps.core.study import FROM_DATASET, Study, StudyError, weight_files
from mammo_steps.core.study_start import check_start

_CLOCK_SKEW_S = 60  # between this host and a file server


def check_files(study: Study, config: dict[str, Any]) -> None:
    """Look at archive, labels, weights, key and bundle; StudyError if one is amiss. The first run makes the key.

    Only the process that the user started does this, not every job.
    """
    for folder in (study.results, study.private):
        _check_writable(Path(folder))
    _check_named(study, config)
    _check_other_models(config)
    if config["make_demo_cohort"] is None:
        _check_inputs(study, config)
    if config["public_id_key"] is None:
        _check_key(Path(study.key_file[0]), Path(study.shard_root))
    check_start(study, config)


def _check_writable(folder: Path) -> None:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise StudyError(
            f"{folder} cannot be made: {there.resolve()} is "
            f"{'not writable' if there.is_dir() else 'a file, not a folder'}. "
            "Mend that, or let everything lie elsewhere with --directory"
        )


def _check_named(study: Study, config: dict[str, Any]) -> None:
    """What Snakemake would stumble over in a path or the time of a file, when hours of work are done.

    After a job it removes what was made from a file that is newer than that; braces in a path are wildcards to it.
    """
    latest = time.time() + _CLOCK_SKEW_S
    for key, file in _named(study, config):
        if set(str(file)) & set("{}"):
            raise StudyError(
                f"config key `{key}`: {file}: Snakemake takes braces in a path for the name of a wildcard. "
                "Wanted is a path without; a link to it will do"
            )
        if Path(file).is_file() and (changed := Path(file).stat().st_mtime) > latest:
            raise StudyError(
                f"config key `{key}`: {file} was last changed in the future ({datetime.fromtimestamp(changed):%F %T}), "
                f"and Snakemake would remove what is made from it. Mend the clock, then: touch {shlex.quote(str(file))}"
            )


def _named(study: Study, config: dict[str, Any]) -> Iterator[tuple[str, str | Path]]:
    """(config key, path) of what Snakemake sees; whether it is there is looked at elsewhere."""
    yield "private_dir", study.private
    yield from (("archive", intake.archive) for intake in study.intakes.values())
    for key, weights, _, _ in weight_files(config):
        if weights is not None:
            yield key, weights
    for table in config["outside_models"]["tables"]:
        yield "outside_models.tables", table["file"]
    for key in ("start_from", "predict"):
        if (bundle := config[key]["bundle"]) is not None:
            yield f"{key}.bundle", f"{bundle}/SHA256SUMS"
    yield from (("start_from.women", file) for file in config["start_from"]["women"])
    if study.labels is not None:
        yield "labels", study.labels
    yield from (("metadata", file) for file in study.metadata)
    yield from (("lesions", file) for file in study.lesions)


def _check_other_models(config: dict[str, Any]) -> None:
    """Weight files and tables of scores that come from elsewhere."""
    for key, weights, _, _ in weight_files(config):
        if weights is not None and not Path(weights).is_file():
            raise StudyError(
                f"config key `{key}`: there is no file {weights}. "
                "config/README.md says how to get it; null does without"
            )
    tables = config["outside_models"]["tables"]
    if len({table["name"] for table in tables}) < len(tables):
        raise StudyError("config key `outside_models.tables`: two entries have the same name")
    titles = [table["title"] for table in tables]
    for title in titles:
        if titles.count(title) > 1 or title.casefold() in OWN_NAMES:
            raise StudyError(
                f"config key `outside_models.tables`: two models would bear the title {title!r}, "
                "and be one in the charts"
            )
    for table in tables:
        if not Path(table["file"]).is_file():
            raise StudyError(
                f"config key `outside_models.tables`, {table['name']}: there is no file {table['file']}"
            )


def _check_inputs(study: Study, config: dict[str, Any]) -> None:
    if config["shards_from"] is None:
        for intake in study.intakes.values():
            if not intake.archive.is_dir():
                raise StudyError(f"intake `{intake.name}`: its archive {intake.archive} is not a folder")
            if intake.archive.resolve() in (private := Path(study.private).resolve(), *private.parents):
                raise StudyError(
                    f"config key `private_dir`: {config['private_dir']} lies in the archive {intake.archive}: wanted a "
                    "folder elsewhere, so that nothing is written there"
                )
    else:
        _check_shards(study, config)
    lesions = [] if config["lesions"] == FROM_DATASET else study.lesions
    labels = [] if study.labels is None else [study.labels]
    for key, files in (("labels", labels), ("metadata", study.metadata), ("lesions", lesions)):
        for file in files:
            if not Path(file).exists():  # some data sets have a folder of label tables
                raise StudyError(f"config key `{key}`: there is no file {file}")
    if importlib.util.find_spec(f"mammo_steps.datasets.{config['dataset']}") is None:
        raise StudyError(f"config key `dataset`: there is no mammo_steps/datasets/{config['dataset']}.py")
    adapter = importlib.import_module(f"mammo_steps.datasets.{config['dataset']}")
    if config["lesions"] == FROM_DATASET and (
        not hasattr(adapter, "write_lesions") or len(study.intakes) > 1
    ):
        raise StudyError(
            "config key `lesions`: `from_dataset` wants a data set whose adapter has write_lesions, in one intake"
        )
    _check_tables(adapter, study, config)


def _check_tables(adapter: Any, study: Study, config: dict[str, Any]) -> None:
    """The data set's label table is read whole; of its metadata it is asked whether it wants any."""
    from mammo_steps.core.labels import Windows

    try:
        if not study.metadata and hasattr(adapter, "image_facts"):
            adapter.image_facts(None)
    except ValueError as error:
        raise StudyError(str(error)) from error
    if study.labels is None:
        return
    try:
        adapter.read_labels(Path(study.labels), Windows(**config["outcome_windows"]))
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise StudyError(f"config key `labels`: {study.labels} cannot be read: {why}") from error
    except ValueError as error:
        raise StudyError(f"the label table is wrong, nothing was run.\n{error}") from error


def _check_shards(study: Study, config: dict[str, Any]) -> None:
    """The shards of another study have to be there, and made with this config's settings.

    One shard of each intake is looked at here, all of them by list_images.
    """
    from mammo_steps.core.recipe import Marked, check_same
    from mammo_steps.core.tables import recipe_of
    from mammo_steps.core.windowing import shard_recipe

    root = Path(study.shard_root)
    if not root.is_dir():
        raise StudyError(f"config key `shards_from`: {root} is not a folder; wanted results/<study>")
    wanted = shard_recipe(config["make_shards"]["settings"])
    for intake in study.intakes.values():
        table = root / "shards" / intake.shards[0] / "images.parquet"
        if not table.is_file():
            raise StudyError(
                f"config key `shards_from`: there is no {table}. Run that study first, and give this one its intakes"
            )
        remedy = (
            "Shards are used as they are: set the key as it was there, or remove `shards_from` to make new ones; if it "
            "is one of the rules, run that study again first"
        )
        try:
            check_same([recipe_of(table), Marked("this config", wanted)], remedy)
        except ValueError as error:
            raise StudyError(f"config key `shards_from`: {error}") from error


def _check_key(path: Path, results: Path) -> None:
    """Make the key at the first run; without it existing results cannot be continued."""
    if not path.is_file() and (results / "intakes").exists():
        raise StudyError(
            f"{path} is missing, but {results} holds results made with it: new pseudonyms would not match them. "
            "Put the key back from your backup, or move these results away to start anew"
        )
    try:
        make_key(path)
    except ValueError as error:
        raise StudyError(str(error)) from error
