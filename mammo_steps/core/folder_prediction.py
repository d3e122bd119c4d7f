"""A folder of DICOM files through the steps of `snakemake predict`, each in a process of its own."""

import json
import logging
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from mammo_steps.core.bundle import Bundle
from mammo_steps.core.ids import make_key
from mammo_steps.core.manifest import is_manifest
from mammo_steps.core.tables import read_table

log = logging.getLogger("predict_folder")

INTAKE = "new"
IMAGES_PER_SHARD = 400
KEY_NAME, SCRATCH = "id_key", "scratch"
DATASET = "own_archive"  # plain DICOM files; its label table is not read


class StepError(Exception):
    """A step has ended with an error; the message is the step's own."""


@dataclass(frozen=True)
class How:
    """compute   what differs from how the bundle's study computed: device, ...
    drift     kind of difference from the training cohort -> ignore, warn or refuse
    workers   processes that read headers and decode
    sheets    whether each exam is drawn
    dicom     whether DICOM objects are written, into the private folder
    """

    compute: dict[str, object]
    drift: dict[str, str]
    workers: int
    sheets: bool
    dicom: bool


@dataclass(frozen=True)
class Counts:
    n_files: int
    n_scored: int
    n_refused: int
    left_out: Counter[str]

    @property
    def reasons(self) -> str:
        return ", ".join(f"{reason} {n}" for reason, n in self.left_out.most_common()) or "nothing"


def own_folder(private: Path, out: Path) -> Path:
    """Of one run, below the private folder: P/<name of O>."""
    return private / out.resolve().name


def check_own_folder(private: Path, out: Path) -> None:
    """ValueError if a run of the same private folder has had an `out` of the same name.

    Two runs in one folder would mix: one's exams would come into the other's results, and its ids would be lost.
    """
    own = own_folder(private, out)
    if not os.path.lexists(own) and own != private / KEY_NAME:
        return
    pixels = own / SCRATCH
    left = f", and was killed or is under way: {pixels} holds decoded images" if pixels.exists() else ""
    raise ValueError(
        f"{own} is there already, wanted a new folder: it is of an earlier run whose --out was called {own.name}"
        f"{left}, or a study's, and alone tells which file has which pseudonym. Give --out another name. If you know "
        f"it to be of a run that failed, or whose results nobody wants, delete {own} and that run's --out"
    )


@dataclass(frozen=True)
class FolderPrediction:
    """private, out: see `by_hand.predict_folder`."""

    bundle: Bundle
    archive: Path
    private: Path
    out: Path
    how: How
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def own(self) -> Path:
        """Of this run, below the private folder; laid out as a study's."""
        return own_folder(self.private, self.out)

    @property
    def key_file(self) -> Path:
        return self.private / KEY_NAME

    @property
    def headers(self) -> Path:
        return self.own / f"intakes/{INTAKE}/headers/0.parquet"

    @property
    def lists(self) -> Path:
        return self.own / f"intakes/{INTAKE}/shards"

    @property
    def index(self) -> Path:
        return self.own / f"intakes/{INTAKE}/index.parquet"

    @property
    def shards(self) -> Path:
        """Holds pixels, and is removed at the end."""
        return self.own / SCRATCH

    def run(self) -> Counts:
        """StepError if a step fails; its log lies in the private folder. ValueError if another run has that."""
        make_key(self.key_file)
        try:
            self.own.mkdir(mode=0o700)
        except FileExistsError:  # (since it was looked for)
            check_own_folder(self.private, self.out)
            raise
        (self.own / "logs").mkdir(mode=0o700)
        self.out.mkdir(parents=True, exist_ok=True)
        with self._scratch():
            self._read_headers()
            names = self._index()
            self._score(names)
            self._gather(names)
            self._tidy(names)
        return self._counts()

    @contextmanager
    def _scratch(self) -> Iterator[None]:
        self.shards.mkdir(mode=0o700)
        try:
            yield
        finally:
            self._end_steps()
            shutil.rmtree(self.shards, ignore_errors=True)

    def _end_steps(self) -> None:
        for process in list(self.running):
            process.kill()
            process.wait()

    def _step(self, name: str, *flags: object, log_name: str = "") -> None:
        """Run a step; its output goes to a log."""
        log_file = self.own / f"logs/{name}{log_name}.log"
        command = [sys.executable, "-m", f"mammo_steps.{name}", *map(str, flags)]
        with log_file.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=_environment())
            self.running.append(process)
            status = process.wait()
            self.running.remove(process)
        if status != 0:
            raise StepError(f"{name} failed: {_last_line(log_file)} (all of it: {log_file})")

    def _settings(self, section: str) -> str:
        return json.dumps(self.bundle.settings(section))

    def _read_headers(self) -> None:
        self._step(
            "read_headers",
            *("--intake", INTAKE, "--archive", self.archive, "--chunk", 0, "--n-chunks", 1),
            *("--dataset", DATASET, "--workers", self.how.workers),
            *("--settings", self._settings("read_headers"), "--headers", self.headers),
        )

    def _index(self) -> list[str]:
        """Names of the shards, none where no file is a mammogram."""
        reasons = read_table(self.headers, "headers", ["reason"])["reason"]
        n_images = reasons.null_count
        n_shards = max(1, -(-n_images // IMAGES_PER_SHARD))
        log.info("%d files, %d of them mammograms", len(reasons), n_images)
        self._step(
            "index_archive",
            *("--intake", INTAKE, "--headers", self.headers, "--key-file", self.key_file),
            *("--n-shards", n_shards, "--index", self.index, "--lists", self.lists),
        )
        return [f"{INTAKE}-{number:03d}" for number in range(n_shards)] if n_images else []

    def _make_shard(self, name: str) -> None:
        files = {what: self.shards / name / f"{what}.parquet" for what in ("holistic", "tiles", "images")}
        self._step(
            "make_shards",
            *("--archive", self.archive, "--list", self.lists / f"{name}.csv", "--dataset", DATASET),
            *("--settings", self._settings("make_shards"), "--workers", self.how.workers),
            *(flag for what, file in files.items() for flag in (f"--{what}", file)),
            log_name=f"_{name}",
        )

    def _score(self, names: list[str]) -> None:
        """Each shard is scored while the next one is made."""
        with ThreadPoolExecutor(1) as pool:
            try:
                self._score_in_turn(names, pool)
            except BaseException:  # (the pool would wait for a step that nobody wants any more)
                self._end_steps()
                raise

    def _score_in_turn(self, names: list[str], pool: ThreadPoolExecutor) -> None:
        made = [pool.submit(self._make_shard, name) for name in names[:1]]
        for number, name in enumerate(names):
            made.pop().result()
            made += [pool.submit(self._make_shard, after) for after in names[number + 1 : number + 2]]
            self._score_shard(name)
            if self.how.dicom:
                self._write_objects(name)
            for what in ("holistic", "tiles"):
                (self.shards / name / f"{what}.parquet").unlink()
            log.info("%d of %d parts scored", number + 1, len(names))

    def _score_shard(self, name: str) -> None:
        job = {"gpus": 1, "loader_threads": self.how.workers, "checkpoint_minutes": 60}
        self._step(
            "score_new_exams",
            *("--bundle", self.bundle.folder, "--members", *self.bundle.members, "--index", self.index),
            *("--shard", self.shards / name, "--compute", json.dumps(self.how.compute)),
            *("--job", json.dumps(job), "--drift", json.dumps(self.how.drift), "--scores", self.out / name),
            *(() if self.how.sheets else ("--no-sheets",)),
            log_name=f"_{name}",
        )

    def _write_objects(self, name: str) -> None:
        self._step(
            "write_dicom_results",
            *("--bundle", self.bundle.folder, "--members", *self.bundle.members, "--index", self.index),
            *("--shard", self.shards / name, "--list", self.lists / f"{name}.csv", "--archive", self.archive),
            *("--scores", self.out / name, "--objects", self.own / "dicom" / name),
            log_name=f"_{name}",
        )

    def _gather(self, names: list[str]) -> None:
        settings = json.dumps({"study": "new exams", "drift": self.how.drift})
        self._step(
            "predict",
            *("--bundle", self.bundle.folder, "--members", *self.bundle.members, "--indexes", self.index),
            *("--shards", self.shards, "--parts", *(self.out / name for name in names)),
            *("--settings", settings, "--predictions", self.out),
        )

    def _tidy(self, names: list[str]) -> None:
        """What can be handed on: without the parts' tables, which are in the gathered ones, and manifests, which name
        folders and this machine."""
        for name in names:
            for table in (self.out / name).glob("*.parquet"):
                table.unlink()
        for path in self.out.rglob(".*"):
            if is_manifest(path):
                path.unlink()

    def _counts(self) -> Counts:
        refused = read_table(self.out / "exams.parquet", "new_exams", ["refused"])["refused"]
        left_out = read_table(self.out / "left_out.parquet", "excluded", ["reason"])["reason"]
        n_files = len(read_table(self.index, "index", ["file_id"]))
        n_scored: int = pc.sum(pc.is_null(refused)).as_py() or 0
        return Counts(n_files, n_scored, len(refused) - n_scored, Counter(left_out.to_pylist()))


def _environment() -> dict[str, Any]:
    """The steps find the package wherever this process found it."""
    package = str(Path(__file__).resolve().parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _last_line(log_file: Path) -> str:
    """What a step said last: its error, without the line about its cost."""
    lines = log_file.read_text(encoding="utf-8", errors="replace").splitlines()
    told = [line for line in lines if line.strip() and not line.startswith("cost: ")]
    return told[-1] if told else "it said nothing; was it killed for want of memory?"
