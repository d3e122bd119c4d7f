"""Training rate beside what bounds it: the bare step, the loader, the hardware.

`make bench-train` prints a table and writes bench/train.json. In the same run, on the same SYNTHETIC images:

    (a) bare step   core.step on a batch that lies on the device
    (b) loader      core.batches alone: shards -> threads -> device -> one warp
    (c) training    core.training.fit as the workflow calls it; the rate without validation

On a CPU loader and step share the cores, so (c) is told beside (a) and (b) in series. On a GPU: ResNet-101 on 976 x 976
pixels, the micro-batches of config/presets until memory ends, beside the plain loop (fp32, batch of 4, not compiled),
saliency and scoring. It needs torch, torchvision, OpenCV, pyarrow and safetensors; no Snakemake, no pydicom.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from common import about_this_run, print_table, synthetic_mammogram
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mammo_steps.core.augment import AugmentSettings
from mammo_steps.core.batches import Loader
from mammo_steps.core.compute import Compute, Job
from mammo_steps.core.files import write_json
from mammo_steps.core.fit_settings import FitSettings
from mammo_steps.core.image_store import ImageStore, Place
from mammo_steps.core.inference import Scoring, score_images
from mammo_steps.core.interruption import Interruption
from mammo_steps.core.network import NetworkSettings, build_network, normalised, start_network
from mammo_steps.core.ranks import ALONE
from mammo_steps.core.saliency import saliency_maps
from mammo_steps.core.sampling import training_pool
from mammo_steps.core.step import Part, Stepper
from mammo_steps.core.tables import RowGroupWriter
from mammo_steps.core.task import Run, Task
from mammo_steps.core.training import fit

ON_GPU = torch.cuda.is_available()
BACKBONE, INPUT_PX = ("resnet101", 976) if ON_GPU else ("resnet18", 192)
BATCHES = (4, 16, 48) if ON_GPU else (16,)  # the presets' micro-batches
N_IMAGES = 768 if ON_GPU else 192
N_SHARDS = 4
THREADS = 12 if ON_GPU else 1
ROUNDS = 3
COMPUTE = Compute("auto", torch.get_num_threads(), "auto", 4, "auto", False)
SETTINGS = FitSettings(
    input_px=INPUT_PX,
    epochs=4,
    batch_size=4,
    negatives_per_positive=3,
    shuffle_buffer=200,
    learning_rate=1e-4,
    schedule="constant",
    weight_decay=0.01,
    label_smoothing=0.0,
    ema_decay=None,
    augment=AugmentSettings(["horizontal"], 15, 32, None),
)
RUN = Run(Job(1, THREADS, 60), Interruption())


def made_task(folder: Path) -> Task:
    """Images of eight synthetic mammograms, turned and shifted so that none equals another; a quarter positive."""
    height = round(INPUT_PX * 1.23)
    originals = [synthetic_mammogram((height * 2, INPUT_PX * 2), seed) for seed in range(8)]
    small = [cv2.resize(o, (INPUT_PX, height), interpolation=cv2.INTER_AREA) >> 4 for o in originals]
    places, rows = {}, []
    for shard in range(N_SHARDS):
        file = folder / f"s-{shard:03d}.parquet"
        with RowGroupWriter(file, "holistic", "lz4") as writer:
            for number in range(N_IMAGES // N_SHARDS):
                image_id = f"i{shard}-{number:04d}"
                picture = np.roll(small[number % 8].astype(np.uint8), number, axis=0)
                size = {"height_px": height, "width_px": INPUT_PX, "bits": 8}
                writer.append({"image_id": image_id, **size, "pixels": picture.tobytes()})
                places[image_id] = Place(file, number, (height - INPUT_PX) // 2, 0)
                target = int(number % 4 == 0)
                rows.append({"image_id": image_id, "exam_id": image_id, "target": target, "shard": file.stem})
    targets = {row["image_id"]: row["target"] for row in rows}
    return Task(ImageStore(places), targets, training_pool(rows), list(places)[:8], seed=1, fold=0)


def synchronise() -> None:
    if ON_GPU:
        torch.cuda.synchronize()


def rate(work: Any, n_images: int, at_least_s: float) -> float:
    """Images per second of a callable that takes n images; the first call does not count."""
    work()
    synchronise()
    began, n = time.perf_counter(), 0
    while time.perf_counter() - began < at_least_s:
        work()
        synchronise()
        n += n_images
    return n / (time.perf_counter() - began)


def resident(batch_size: int) -> tuple[Tensor, Tensor]:
    device = COMPUTE.torch_device
    grey = torch.rand(batch_size, INPUT_PX, INPUT_PX, device=device)
    return grey, torch.arange(batch_size, device=device) % 2


def bare_step_rate(batch_size: int, compute: Compute, at_least_s: float) -> float:
    """(a)"""
    network = start_network(NetworkSettings(BACKBONE), 1).train()
    stepper = Stepper(network, SETTINGS, compute, ALONE)
    grey, target = resident(batch_size)

    def steps() -> None:  # several: the loop looks at a step while the next one runs
        for _ in range(4):
            stepper.step(Part(grey, target, batch_size), 1e-4)

    return rate(steps, 4 * batch_size, at_least_s)


def loader_rate(task: Task, batch_size: int) -> float:
    """(b)"""
    loader = Loader(task.store, COMPUTE.torch_device, THREADS)
    batches = task.batches(replace(SETTINGS, batch_size=batch_size), 0)
    list(loader.training(batches[:2], INPUT_PX, SETTINGS.augment, (1, 0, 0)))
    began = time.perf_counter()
    n = 0
    for ids, grey in loader.training(batches * 4, INPUT_PX, SETTINGS.augment, (1, 0, 0)):
        n += len(ids)
        del grey
    synchronise()
    return n / (time.perf_counter() - began)


def training_rate(task: Task, settings: FitSettings, compute: Compute) -> tuple[float, float]:
    """(c) and its peak memory in MB; the first epoch, which compiles and warms up, does not count."""
    fitted = fit(start_network(NetworkSettings(BACKBONE), 1), task, settings, compute, RUN)
    later = fitted.costs[1:]
    return statistics.median(c.images_per_s for c in later), max(c.peak_memory_mb for c in later)


def plain_loop_rate(at_least_s: float) -> float:
    """What a first script does: fp32, a batch of 4, channels first, nothing compiled, its loss read at every step."""
    network = start_network(NetworkSettings(BACKBONE), 1).to(memory_format=torch.contiguous_format)
    network = network.to(COMPUTE.torch_device).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4, foreach=False)
    grey, target = resident(4)

    def step() -> None:
        optimiser.zero_grad()
        loss = F.cross_entropy(network(normalised(grey)), target)
        loss.backward()
        optimiser.step()
        loss.item()

    return rate(step, 4, at_least_s)


def saliency_rate(batch_size: int, at_least_s: float) -> float:
    network = (
        start_network(NetworkSettings(BACKBONE), 1).to(COMPUTE.torch_device).eval().requires_grad_(False)
    )
    grey, _ = resident(batch_size)
    return rate(lambda: saliency_maps(network, grey), batch_size, at_least_s)


def scoring_rate(task: Task, batch_size: int, at_least_s: float) -> float:
    """As run: from the shards to margins."""
    network = start_network(NetworkSettings(BACKBONE), 1).to(COMPUTE.torch_device).eval()
    loader = Loader(task.store, COMPUTE.torch_device, THREADS)
    ids = list(task.store.places)
    how = Scoring(INPUT_PX, batch_size)
    return rate(lambda: score_images(network, loader, ids, how, COMPUTE), len(ids), at_least_s)


def flops_per_image() -> float:
    """Floating-point operations of forward and backward pass (a multiplication and an addition are two)."""
    with torch.device("meta"):
        network = build_network(BACKBONE)
        grey = torch.zeros(1, INPUT_PX, INPUT_PX)
        with FlopCounterMode(display=False) as counter:
            network(normalised(grey)).sum().backward()
    return float(counter.get_total_flops())


def bytes_per_image(item_bytes: int) -> float:
    """Memory traffic of a step, by arithmetic: each layer reads its input and writes its output, in three passes.

    (Forward, gradient of the input, gradient of the weights; weights and their optimiser are left out, their share
    falls with the batch. Caches spare some of it, additions of the residual branches are left out.)
    """
    moved = 0

    def note(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal moved
        moved += sum(x.numel() for x in inputs) + output.numel()

    with torch.device("meta"):
        network = build_network(BACKBONE)
        for module in network.modules():
            if not list(module.children()):
                module.register_forward_hook(note)
        network(normalised(torch.zeros(1, INPUT_PX, INPUT_PX)))
    return 3.0 * moved * item_bytes


def arithmetic_limit(dtype: torch.dtype) -> float:
    """Floating-point operations per second of a large product."""
    n = 8192 if ON_GPU else 2048
    a = torch.randn(n, n, device=COMPUTE.torch_device, dtype=dtype)
    return 2 * n**3 * rate(lambda: a @ a, 1, 1.0)


def bandwidth_limit() -> float:
    """Bytes per second of a large copy, reading and writing counted."""
    a = torch.empty(2**30 if ON_GPU else 2**27, dtype=torch.uint8, device=COMPUTE.torch_device)
    b = torch.empty_like(a)
    return 2 * a.numel() * rate(lambda: b.copy_(a), 1, 1.0)


def swept(task: Task, at_least_s: float) -> Iterator[tuple[int, dict[str, float]]]:
    """Batch size -> rates and peak memory, the medians of the rounds; ends where memory does."""
    for batch_size in BATCHES:
        compute = replace(COMPUTE, micro_batch=batch_size)
        settings = replace(SETTINGS, batch_size=batch_size)
        steps, loads, trains, peak_mb = [], [], [], 0.0
        try:
            for _ in range(1 if ON_GPU else ROUNDS):
                steps.append(bare_step_rate(batch_size, compute, at_least_s))
                loads.append(loader_rate(task, batch_size))
                trained, peak_mb = training_rate(task, settings, compute)
                trains.append(trained)
        except torch.OutOfMemoryError:
            return
        a, b, c = (statistics.median(rates) for rates in (steps, loads, trains))
        yield (
            batch_size,
            {
                "bare_step_images_per_s": a,
                "loader_images_per_s": b,
                "images_per_s": c,
                "train_over_bare_step": c / a,
                "train_over_series": (1 / c) / (1 / a + 1 / b),
                "peak_mem_mb": peak_mb,
            },
        )


def main() -> None:
    COMPUTE.prepare()
    at_least_s = 5.0 if ON_GPU else 2.0
    kind = COMPUTE.autocast_type
    result: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if ON_GPU else "cpu",
        "backbone": BACKBONE,
        "input_px": INPUT_PX,
        "precision": str(kind).removeprefix("torch."),
        "compiled": COMPUTE.compiles,
        "torch_threads": COMPUTE.torch_threads,
        "loader_threads": THREADS,
    }
    with tempfile.TemporaryDirectory() as folder:
        task = made_task(Path(folder))
        sweep = dict(swept(task, at_least_s))
        best = max(sweep, key=lambda size: sweep[size]["images_per_s"])
        result |= {"batch_size": best, **sweep[best]}
        if len(sweep) > 1:
            for size, rates in sweep.items():
                result |= {f"batch_{size}.{name}": value for name, value in rates.items()}
        result["plain_loop_images_per_s"] = plain_loop_rate(at_least_s)
        result["train_over_plain_loop"] = result["images_per_s"] / result["plain_loop_images_per_s"]
        result["saliency_images_per_s"] = saliency_rate(min(best, 16), at_least_s)
        result["scoring_images_per_s"] = scoring_rate(task, min(best, 16), at_least_s)
    flops, moved = flops_per_image(), bytes_per_image(kind.itemsize)
    arithmetic, bandwidth = arithmetic_limit(kind), bandwidth_limit()
    result |= {
        "gflop_per_image": flops / 1e9,
        "gb_moved_per_image": moved / 1e9,
        "measured_tflop_per_s": arithmetic / 1e12,
        "measured_gb_per_s": bandwidth / 1e9,
        "share_of_arithmetic_limit": result["images_per_s"] * flops / arithmetic,
        "share_of_bandwidth_limit": result["images_per_s"] * moved / bandwidth,
    }
    result = {name: round(v, 3) if isinstance(v, float) else v for name, v in result.items()}
    result |= about_this_run()
    print_table(result)
    write_json(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_suffix(".json"), result)


if __name__ == "__main__":
    main()
