"""Seconds per new exam and stage, beside the decoder's own; exams per second of many; memory over 2,000 exams.

`make bench-predict` draws SYNTHETIC exams of four mammograms (3328 x 2560, JPEG lossless), scores them with networks of
random weights at the paper's size (ResNet-101, 976 pixels), prints a table and writes bench/predict.json. On a CPU
one pair of networks and one exam, on a GPU ten pairs and several exams. Stages are timed as the code runs them:

    read      headers, decoding, window, resize, tiles, written as a shard (one process)
    saliency  holistic networks, forward and backward pass, COAs
    rois      cut out of the tiles
    attention attention networks on the ROIs
    sheet     the exam's picture

Memory: one process scores 2,000 exams of tiny images with a small network; its peak after 200 and after all.
It needs pydicom and imagecodecs beside what scoring needs, no Snakemake.
"""

import functools
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

import imagecodecs
import pydicom
import torch
import yaml
from common import about_this_run, print_table, synthetic_mammogram
from pydicom.encaps import get_frame

from mammo_steps.core import exam_files, member_scoring
from mammo_steps.core.bundle import Bundle
from mammo_steps.core.bundle_names import weights_name
from mammo_steps.core.bundle_settings import bundle_sections
from mammo_steps.core.compute import Compute, Job
from mammo_steps.core.decoding import DECODERS
from mammo_steps.core.dicom_writing import Identity, Machine, write_mammogram
from mammo_steps.core.exam_files import ReadExam, read_exam
from mammo_steps.core.files import write_json
from mammo_steps.core.ids import Pseudonyms
from mammo_steps.core.locating import Locator
from mammo_steps.core.network import NetworkSettings, network_bytes, start_network
from mammo_steps.core.prediction import NETWORKS
from mammo_steps.core.prediction_sheet import sheet_of
from mammo_steps.core.preparing import ShardSettings
from mammo_steps.core.recipe import Recipe
from mammo_steps.core.reference import GRID, UNITS, Reference
from mammo_steps.core.scorer import Scorer
from mammo_steps.core.terms import CLASSES
from mammo_steps.core.windowing import shard_recipe

REPO = Path(__file__).resolve().parents[1]
ON_GPU = torch.cuda.is_available()
N_MEMBERS, N_EXAMS = (10, 3) if ON_GPU else (1, 1)
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
KEY = Pseudonyms("a key of a benchmark only")
N_FEW, N_MANY = 200, 2000


def config(side_px: int, backbone: str) -> dict[str, Any]:
    """The study's defaults for images of another size and network."""
    found: dict[str, Any] = yaml.safe_load((REPO / "config/config.yaml").read_text())
    found["make_shards"]["settings"]["holistic_width_px"] = side_px
    found["crop_rois"]["side_px"] = side_px
    for model in ("train_holistic", "train_attention"):
        found[model]["fit"]["input_px"] = side_px
    found["train_holistic"]["network"]["backbone"] = backbone
    found["locate_coa"]["batch_size"] = found["score_attention"]["batch_size"] = 4
    found["compute"]["torch_threads"] = torch.get_num_threads()
    return found


def made_bundle(folder: Path, n_members: int, side_px: int, backbone: str) -> Bundle:
    """Networks of random weights; a reference of made scores."""
    settings = config(side_px, backbone)
    sections = bundle_sections(settings)
    recipe = shard_recipe(asdict(ShardSettings(**sections["make_shards"])))
    members = tuple(f"fold{k}" for k in range(n_members))
    cut = {"input_px": side_px, "crop": "centre", "mm_per_px": None}
    for number, member in enumerate(members):
        for model in ("holistic", "attention"):
            network = start_network(NetworkSettings(backbone), number)
            path = folder / weights_name(member, model)
            path.parent.mkdir(parents=True, exist_ok=True)
            facts = {"model": model, "backbone": backbone, **cut, **recipe.metadata()}
            path.write_bytes(network_bytes(network, facts))
    quantiles = {unit: dict.fromkeys(NETWORKS, GRID.tolist()) for unit in UNITS}
    about = {
        "study": "bench",
        "version": 1,
        "synthetic": True,
        "classes": list(CLASSES),
        "settings": sections,
    }
    reference = Reference({"quantiles": quantiles}, {"probability_of": [], "thresholds": []})
    return Bundle(folder, about, "0" * 12, members, reference, Recipe(recipe.parts), {})


def made_exam(folder: Path, number: int, shape: tuple[int, int]) -> list[Path]:
    """Four files of one exam."""
    files = []
    for k, (side, view) in enumerate((s, v) for s in "LR" for v in ("CC", "MLO")):
        grey = synthetic_mammogram(shape, 100 * number + k)
        identity = Identity(
            f"P{number}", f"1.2.{number}", "1.2.3", f"1.2.4.{number}.{k}", side, view, date(2020, 1, 1), 60
        )
        if side == "R":
            grey = grey[:, ::-1].copy()
        path = folder / f"{number}_{k}.dcm"
        write_mammogram(
            path, grey, identity, Machine("siemens", "linear", "SCT", "MONOCHROME2", JPEG_LOSSLESS), 0.085
        )
        files.append(path)
    return files


def decoder_s(files: list[Path]) -> float:
    """The least that must be done for the pixels: the decoder alone."""
    decode = getattr(imagecodecs, DECODERS[pydicom.uid.UID(JPEG_LOSSLESS)][0])
    frames = [get_frame(pydicom.dcmread(f).PixelData, 0, number_of_frames=1) for f in files]
    began = time.perf_counter()
    for frame in frames:
        decode(frame)
    return time.perf_counter() - began


def synchronise() -> None:
    if ON_GPU:
        torch.cuda.synchronize()


@contextmanager
def timed_stages() -> Iterator[dict[str, float]]:
    """Seconds spent in each stage while scoring."""
    spent = dict.fromkeys(("saliency", "rois", "attention"), 0.0)

    def timed(stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(work)
        def wrapped(*args: Any, **more: Any) -> Any:
            synchronise()
            began = time.perf_counter()
            found = work(*args, **more)
            found = list(found) if stage == "saliency" else found  # a generator
            synchronise()
            spent[stage] += time.perf_counter() - began
            return found

        return wrapped

    with (
        patch.object(Locator, "locate", timed("saliency", Locator.locate)),
        patch.object(member_scoring, "held_rois", timed("rois", member_scoring.held_rois)),
        patch.object(member_scoring, "score_images", timed("attention", member_scoring.score_images)),
    ):
        yield spent


def per_exam(folder: Path) -> dict[str, Any]:
    bundle = made_bundle(folder / "bundle", N_MEMBERS, 976, "resnet101")
    compute = Compute("auto", torch.get_num_threads(), "auto", 4, "never", False)
    compute.prepare()
    began = time.perf_counter()
    scorer = Scorer(bundle, compute, Job(1, 4, 10))
    loading_s = time.perf_counter() - began
    exams = [made_exam(folder, number, (3328, 2560)) for number in range(N_EXAMS + ON_GPU)]
    reads, totals, sheets, decodes = [], [], [], []
    with timed_stages() as spent:
        for number, files in enumerate(exams):
            scratch = folder / f"scratch{number}"
            scratch.mkdir()
            decodes.append(decoder_s(files))
            began = time.perf_counter()
            read: ReadExam = read_exam(files, bundle, KEY, scratch)
            read_at = time.perf_counter()
            (exam,) = scorer.score(read.shard)
            synchronise()
            scored_at = time.perf_counter()
            sheet_of(exam, read.shard.exams[0], read.shard, bundle, scorer.cut)
            if ON_GPU and number == 0:  # the first warms up
                spent.update(dict.fromkeys(spent, 0.0))
                decodes.clear()
                continue
            reads.append(read_at - began)
            totals.append(scored_at - began)
            sheets.append(time.perf_counter() - scored_at)
    n = len(totals)
    stages = {f"{stage}_s": seconds / n for stage, seconds in spent.items()}
    result = {
        "members": N_MEMBERS,
        "loading_networks_s": loading_s,
        "decoder_alone_s": sum(decodes) / n,
        "read_s": sum(reads) / n,
        **stages,
        "sheet_s": sum(sheets) / n,
        "exam_s": sum(totals) / n,
        "read_over_decoder": sum(reads) / sum(decodes),
    }
    scoring = sum(stages.values())
    result["scoring_per_member_s"] = scoring / N_MEMBERS
    result["exams_per_s_networks_alone"] = 1 / scoring
    if ON_GPU:
        result["peak_gpu_memory_mb"] = round(torch.cuda.max_memory_allocated() / 2**20)
    return result


def queued(folder: Path, bundle: Bundle, n_shard: int) -> tuple[float, int, int]:
    """Exams per second, and the process's peak in MB after N_FEW and after N_MANY exams of tiny images."""
    files = [made_exam(folder, number, (96, 80)) for number in range(n_shard)]
    compute = Compute("cpu", 1, "fp32", 4, "never", False)
    compute.prepare()
    scorer = Scorer(bundle, compute, Job(1, 1, 10))
    shards = []
    for number, own in enumerate(files):
        scratch = folder / f"tiny{number}"
        scratch.mkdir()
        shards.append(exam_files.read_exam(own, bundle, KEY, scratch).shard)

    def peak_mb() -> int:
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)

    began, few = time.perf_counter(), 0
    for n in range(1, N_MANY + 1):
        list(scorer.score(shards[n % n_shard]))
        if n == N_FEW:
            few = peak_mb()
    return N_MANY / (time.perf_counter() - began), few, peak_mb()


def main() -> None:
    result: dict[str, Any] = {
        "what": "SYNTHETIC exams of four mammograms, random weights",
        "device": torch.cuda.get_device_name() if ON_GPU else "cpu",
        "torch_threads": torch.get_num_threads(),
    }
    with tempfile.TemporaryDirectory() as name:
        tiny = Path(name) / "tiny"
        tiny.mkdir()
        if not ON_GPU:  # first: a peak does not come down again
            rate, few, many = queued(tiny, made_bundle(tiny / "bundle", 1, 32, "resnet10"), 20)
            result |= {f"tiny.peak_mb_{N_FEW}_exams": few, f"tiny.peak_mb_{N_MANY}_exams": many}
            result["tiny.exams_per_s"] = rate
        result |= per_exam(Path(name))
    result = {key: round(value, 3) if isinstance(value, float) else value for key, value in result.items()}
    result |= about_this_run()
    print_table(result)
    write_json(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_suffix(".json"), result)


if __name__ == "__main__":
    main()
