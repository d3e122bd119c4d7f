"""What a config says about a whole study: its folders, intakes, shards and folds. Read by the Snakefile.

Imports nothing heavy: every job of a cluster parses the Snakefile again.
"""

import importlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mammo_steps.core.ids import make_key

FROM_DATASET = "from_dataset"  # the config's word for lesions that the adapter knows


class StudyError(Exception):
    """The config cannot be run; the message says which key, what was found and what to do."""


@dataclass(frozen=True)
class Intake:
    """One archive folder that was taken in at one time."""

    name: str
    archive: Path
    n_chunks: int
    n_shards: int

    @property
    def shards(self) -> list[str]:
        return [f"{self.name}-{number:03d}" for number in range(self.n_shards)]


@dataclass(frozen=True)
class Study:
    """Where a study's files lie, and how it is divided. Without `labels` only `doctor` can run."""

    results: str
    private: str
    shard_root: str
    shard_lists: str
    intakes: dict[str, Intake]
    folds: list[str]
    members: list[str]
    key_flag: str
    key_file: list[str]
    labels: str | None
    metadata: list[str]
    lesions: list[str]

    @property
    def shards(self) -> list[str]:
        return [shard for intake in self.intakes.values() for shard in intake.shards]


def read_config(folder: Path) -> dict[str, Any]:
    """config.yaml, and local.yaml over it where it exists; dictionaries merge, lists replace."""
    merged: dict[str, Any] = {}
    for name in ("config.yaml", "local.yaml"):
        if (folder / name).is_file():
            _merge(merged, yaml.safe_load((folder / name).read_text(encoding="utf-8")) or {})
    return merged


def _merge(into: dict[str, Any], over: dict[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _expanded(path: str, repo: Path) -> str:
    """`~` and `${MAMMO_TEST_DATA}` in a path; the latter is `../shared` of the repository by default."""
    known = {"MAMMO_TEST_DATA": str(repo.parent / "shared"), **os.environ}
    for name, value in known.items():
        path = path.replace(f"${{{name}}}", value)
    return os.path.expanduser(path)  # noqa: PTH111 - Path would lose a trailing slash's meaning in messages


def fill_in_paths(config: dict[str, Any], repo: Path) -> None:
    """Fill in `~` and `${VARIABLES}` where a step is given the path in its settings; changes the config."""
    network = config["train_holistic"]["network"]
    if network["imagenet_weights"] is not None:
        network["imagenet_weights"] = _expanded(network["imagenet_weights"], repo)


def check_study(config: dict[str, Any], repo: Path, check_files: bool) -> Study:
    """The study that a valid config describes.

    check_files  look at archive, labels and key as well, and make the key if this is the first run; only the
                 process that the user started does this, not every job
    Raises StudyError before any job runs.
    """
    _check_sizes(config)
    if isinstance(config["train_holistic"]["network"]["imagenet_sha256"], int):
        raise StudyError(
            "config key `train_holistic.network.imagenet_sha256` was read as a number (leading zeros are then lost): "
            "write the checksum in quotes"
        )
    demo = config["make_demo_cohort"] is not None
    results = f"results/{config['study']}"
    intakes = _intakes(config, repo)
    private = f"{config['private_dir']}/{config['study']}"
    if Path("results").resolve() in (Path(private).resolve(), *Path(private).resolve().parents):
        raise StudyError(
            f"config key `private_dir`: {config['private_dir']} lies in results, which people share. It holds the key "
            "of the pseudonyms and the archive's own ids: wanted a folder elsewhere"
        )
    shards_from = config["shards_from"]
    lesions = [] if config["lesions"] is None else [_expanded(config["lesions"], repo)]
    if config["lesions"] == FROM_DATASET:
        lesions = [f"{private}/lesions.csv"]  # written by list_lesions
    key_file = f"{config['private_dir']}/id_key"
    public_key = config["public_id_key"]
    study = Study(
        results=results,
        private=private,
        shard_root=shards_from or results,
        shard_lists=private if shards_from is None else f"{config['private_dir']}/{Path(shards_from).name}",
        intakes=intakes,
        folds=(folds := [f"fold{number}" for number in range(config["split_folds"]["folds"])]),
        members=[member for fold in folds for member in _members(fold, config["members"])],
        key_flag=f"--key-file '{key_file}'" if public_key is None else f"--key '{public_key}'",
        key_file=[key_file] if public_key is None else [],
        labels=None if config["labels"] is None else _expanded(config["labels"], repo),
        metadata=[] if config["metadata"] is None else [_expanded(config["metadata"], repo)],
        lesions=lesions,
    )
    if check_files:
        for folder in (results, study.private):
            _check_writable(Path(folder))
    if check_files and not demo:
        _check_files(study, config)
    if check_files and public_key is None:
        _check_key(Path(key_file), Path(study.shard_root))
    return study


def _intakes(config: dict[str, Any], repo: Path) -> dict[str, Intake]:
    if not config["intakes"]:
        raise StudyError(
            "config key `intakes` is empty: there is no archive to read. Write into config/local.yaml, for example,\n"
            "  archive: /data/mammograms\n  labels: /data/labels.csv\n"
            "  intakes:\n    - {name: first, archive: null, chunks: 4, shards: 40}\n"
            "or try the demo: snakemake all --cores all --configfile config/demo.yaml"
        )
    intakes: dict[str, Intake] = {}
    for given in config["intakes"]:
        archive = given["archive"] or config["archive"]
        if archive is None:
            raise StudyError(
                f"intake `{given['name']}`: neither its own `archive` nor the config key `archive` is set"
            )
        if given["name"] in intakes:
            raise StudyError(f"config key `intakes`: the name `{given['name']}` stands there twice")
        intakes[given["name"]] = Intake(
            given["name"], Path(_expanded(archive, repo)), given["chunks"], given["shards"]
        )
    return intakes


def _check_sizes(config: dict[str, Any]) -> None:
    """A network sees the holistic image's whole width, and the whole ROI; else a part would be cut off unseen."""
    pairs = (
        ("make_shards.settings.holistic_width_px", "train_holistic.fit.input_px"),
        ("crop_rois.side_px", "train_attention.fit.input_px"),
    )
    scaled = [key for key in ("train_holistic", "crop_rois") if config[key]["mm_per_px"] is not None]
    if scaled and not config["list_images"]["require_pixel_spacing"]:
        raise StudyError(
            f"config key `{scaled[0]}.mm_per_px` needs the pixel spacing of every image: set "
            "list_images.require_pixel_spacing: true, and images without it are left out with a reason"
        )
    for made, seen in pairs:
        if made.startswith("make_shards") and config["train_holistic"]["mm_per_px"] is not None:
            continue  # then images of any width are cut or padded away from the chest wall
        sizes = []
        for path in (made, seen):
            value: Any = config
            for key in path.split("."):
                value = value[key]
            sizes.append(value)
        if sizes[0] != sizes[1]:
            raise StudyError(
                f"config key `{made}` is {sizes[0]}, `{seen}` is {sizes[1]}: they have to be equal"
            )


def _members(fold: str, n: int) -> list[str]:
    """Names of a fold's networks; they differ in their seed, and the first has the study's."""
    return [fold, *(f"{fold}_seed{number}" for number in range(2, n + 1))]


def _check_writable(folder: Path) -> None:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise StudyError(
            f"{folder} cannot be made: {there.resolve()} is "
            f"{'not writable' if there.is_dir() else 'a file, not a folder'}. "
            "Mend that, or let everything lie elsewhere with --directory"
        )


def _check_files(study: Study, config: dict[str, Any]) -> None:
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
    weights = config["train_holistic"]["network"]["imagenet_weights"]
    if weights is not None and not Path(weights).is_file():
        raise StudyError(
            f"config key `train_holistic.network.imagenet_weights`: there is no file {weights}. config/README.md says "
            "how to get it; null starts from random weights"
        )
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
    if path.is_file():
        return
    if (results / "intakes").exists():
        raise StudyError(
            f"{path} is missing, but {results} holds results made with it: new pseudonyms would not match them. "
            "Put the key back from your backup, or move these results away to start anew"
        )
    make_key(path)
