"""What a config says about a whole study: its folders, intakes, shards and folds. Read by the Snakefile.

Imports nothing heavy: every job of a cluster parses the Snakefile again.
"""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PARTIAL_FOLDER = "partial"  # below a study's results: what follows on some folds alone
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
    evaluated: str
    scored_folds: list[str]
    scored_members: list[str]
    key_flag: str
    key_file: list[str]
    labels: str | None
    metadata: list[str]
    lesions: list[str]

    @property
    def shards(self) -> list[str]:
        return [shard for intake in self.intakes.values() for shard in intake.shards]


def read_config(folder: Path, over: Sequence[Path] = ()) -> dict[str, Any]:
    """config.yaml, and local.yaml over it where it exists; dictionaries merge, lists replace.

    over  further files over both, as --configfile takes them; StudyError where one cannot be read
    """
    merged: dict[str, Any] = {}
    for name in ("config.yaml", "local.yaml"):
        if (folder / name).is_file():
            _merge(merged, yaml.safe_load((folder / name).read_text(encoding="utf-8")) or {})
    for path in over:
        _merge(merged, _overlay(path))
    return merged


def _overlay(path: Path) -> dict[str, Any]:
    try:
        keys = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror or type(error).__name__}") from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise StudyError(f"{path} is no YAML: {error}") from error
    if not isinstance(keys, dict):
        raise StudyError(f"{path} holds no config keys: wanted lines such as `study: second`")
    return keys


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
    """Fill in `~` and `${VARIABLES}` where a step is given the path in its settings; changes the config.

    Likewise archive, labels and lesions of a study that draws a synthetic cohort: they are its own, whatever stands
    there.
    """
    if config["make_demo_cohort"] is not None:
        made = f"results/{config['study']}/demo"
        config |= {"archive": f"{made}/archive", "labels": f"{made}/labels.csv"}
        if config["lesions"] is not None:
            config["lesions"] = f"{made}/lesions.csv"
    network = config["train_holistic"]["network"]
    if network["imagenet_weights"] is not None:
        network["imagenet_weights"] = _expanded(network["imagenet_weights"], repo)
    start = config["start_from"]
    if start["bundle"] is not None:
        start["bundle"] = _expanded(start["bundle"], repo)
    start["women"] = [_expanded(path, repo) for path in start["women"]]
    if config["predict"]["bundle"] is not None:
        config["predict"]["bundle"] = _expanded(config["predict"]["bundle"], repo).rstrip("/")
    for weights in (config["score_wu2019"]["weights"] or {}).values():
        weights["path"] = _expanded(weights["path"], repo)
    for table in config["outside_models"]["tables"]:
        table["file"] = _expanded(table["file"], repo)


def study_of(config: dict[str, Any], repo: Path) -> Study:
    """The study that a valid config describes; StudyError if its keys contradict each other.

    No file is looked at; `core.study_checks` does that.
    """
    _check_sizes(config)
    for _, _, key, sha256 in weight_files(config):
        if isinstance(sha256, int):
            raise StudyError(
                f"config key `{key}` was read as a number (leading zeros are then lost): write the checksum in "
                "quotes"
            )
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
    return Study(
        results=results,
        private=private,
        shard_root=shards_from or results,
        shard_lists=private if shards_from is None else f"{config['private_dir']}/{Path(shards_from).name}",
        intakes=intakes,
        folds=(folds := [f"fold{number}" for number in range(config["split_folds"]["folds"])]),
        members=[member for fold in folds for member in _members(fold, config["members"])],
        evaluated=results if config["score_exams"]["folds"] is None else f"{results}/{PARTIAL_FOLDER}",
        scored_folds=(scored := _scored_folds(config)),
        scored_members=[member for fold in scored for member in _members(fold, config["members"])],
        key_flag=shlex.join(["--key-file", key_file] if public_key is None else ["--key", public_key]),
        key_file=[key_file] if public_key is None else [],
        labels=None if config["labels"] is None else _expanded(config["labels"], repo),
        metadata=[] if config["metadata"] is None else [_expanded(config["metadata"], repo)],
        lesions=lesions,
    )


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


def weight_files(config: dict[str, Any]) -> list[tuple[str, str | None, str, Any]]:
    """(config key, path, config key, checksum) of other people's weight files."""
    start, at = config["train_holistic"]["network"], "train_holistic.network.imagenet_"
    published = config["score_wu2019"]["weights"] or {}
    return [
        (f"{at}weights", start["imagenet_weights"], f"{at}sha256", start["imagenet_sha256"]),
        *(
            (
                f"score_wu2019.weights.{name}.path",
                own["path"],
                f"score_wu2019.weights.{name}.sha256",
                own["sha256"],
            )
            for name, own in published.items()
        ),
    ]


def _scored_folds(config: dict[str, Any]) -> list[str]:
    n_folds, asked = config["split_folds"]["folds"], config["score_exams"]["folds"]
    numbers = range(n_folds) if asked is None else sorted(asked)
    if asked is not None and not set(numbers) < set(range(n_folds)):
        raise StudyError(
            f"config key `score_exams.folds` is {asked}, the study has folds 0 to {n_folds - 1}: wanted some of these, "
            "or null for all"
        )
    return [f"fold{number}" for number in numbers]


def _members(fold: str, n: int) -> list[str]:
    """Names of a fold's networks; they differ in their seed, and the first has the study's."""
    return [fold, *(f"{fold}_seed{number}" for number in range(2, n + 1))]
