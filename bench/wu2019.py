"""How long one exam takes through the models of Wu et al. 2019: heatmaps and networks, against a plain implementation.

`make bench-wu2019` scores one exam of four 16-bit images (those of the golden data where they are, else discs of about
the same area; weights are random either way) and writes bench/wu2019.json. `plain` runs the networks as the paper
describes them, one batch of 16 patches after another, and has to agree to 1e-5; `approximate` are the settings
precision: as_training and patch_stride_px: 128, with what they move. The limit is the arithmetic of the patches that
differ from each other, at the rate at which this machine multiplies large matrices.
"""

import argparse
import os
import random
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from common import about_this_run
from torch.utils.flop_counter import FlopCounterMode

from mammo_steps.core.files import write_json
from mammo_steps.core.wu_crop import VIEWS
from mammo_steps.core.wu_exam import Crop, How, Look, Patches, crops_of, look, patches_of
from mammo_steps.core.wu_networks import FourViews, patch_classifier
from mammo_steps.core.wu_patch_forward import FastPatches
from mammo_steps.core.wu_patches import BENIGN, MALIGNANT, PATCH_PX, PatchGrid, distinct, standardised

REPO = Path(__file__).resolve().parents[1]
GOLDEN = {"L-CC": "2_L_CC", "R-CC": "2_R_CC", "L-MLO": "1_L_CC", "R-MLO": "1_R_CC"}
PLAIN_BATCH = 16

T = TypeVar("T")


def exam_images() -> tuple[dict[str, np.ndarray], str]:
    """Four images by view, and what they are."""
    folder = Path(os.environ.get("MAMMO_TEST_DATA", REPO.parent / "shared")) / "golden/wu2019/images"
    if folder.is_dir():
        files = {view: str(folder / f"{name}.png") for view, name in GOLDEN.items()}
        return {
            view: cv2.imread(file, cv2.IMREAD_UNCHANGED) for view, file in files.items()
        }, "four mammograms"
    rows, cols = np.ogrid[:3328, :2560]
    breast = (((rows - 1664) / 1200) ** 2 + (cols / 1300) ** 2 < 1) * (1000 + (rows * 7 + cols * 13) % 500)
    left = breast.astype(np.uint16)
    return {view: left if view[0] == "L" else left[:, ::-1] for view in VIEWS}, "four half discs"


def random_networks() -> tuple[torch.nn.Module, FourViews, FourViews]:
    """Seeded, with running statistics that are not trivial."""
    torch.manual_seed(0)
    networks = patch_classifier(), FourViews(1), FourViews(3)
    for network in networks:
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.05)
            elif name.endswith("running_var"):
                buffer.uniform_(1, 1.2)
        network.eval()
    return networks


@torch.inference_mode()
def plain_patches(
    crops: dict[str, Crop], network: torch.nn.Module, device: torch.device
) -> dict[str, Patches]:
    """As described: three equal channels, every patch, one batch after another."""
    rng, found = random.Random(0), {}
    for view in VIEWS:
        pixels = crops[view].pixels
        shape = (pixels.shape[0], pixels.shape[1])
        grid, picture = PatchGrid.drawn(shape, rng), torch.from_numpy(standardised(pixels)).to(device)
        told = []
        for first in range(0, len(grid.places), PLAIN_BATCH):
            some = grid.places[first : first + PLAIN_BATCH]
            batch = torch.stack([picture[r : r + PATCH_PX, c : c + PATCH_PX] for r, c in some]).unsqueeze(1)
            told.append(network(batch.repeat(1, 3, 1, 1)).softmax(dim=1).cpu().numpy())
        every = np.concatenate(told)
        found[view] = Patches(shape, grid, every[:, BENIGN], every[:, MALIGNANT])
    return found


def timed(work: Callable[[], T], device: torch.device) -> tuple[T, float]:
    started = time.monotonic()
    result = work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return result, time.monotonic() - started


def matrix_rate(device: torch.device) -> float:
    """Floating point operations per second of a large fp32 matrix product."""
    side = 2048 if device.type == "cpu" else 8192
    a = torch.randn(side, side, device=device)
    torch.mm(a, a)
    best = min(timed(lambda: torch.mm(a, a), device)[1] for _ in range(5))
    return 2 * side**3 / best


def heatmap_error(found: dict[str, Patches], wanted: dict[str, Patches]) -> float:
    return max(float(np.abs(found[v].heatmaps() - wanted[v].heatmaps()).max()) for v in VIEWS)


def looked_at(
    network: FourViews, crops: dict[str, Crop], patches: dict[str, Patches] | None, device: torch.device
) -> Look:
    """One pass without noise."""
    planes = {view: crop.pixels[None].astype(np.float32) for view, crop in crops.items()}
    if patches is not None:
        planes = {view: np.concatenate([planes[view], patches[view].heatmaps()]) for view in VIEWS}
    return look(network, planes, {view: crop.centre for view, crop in crops.items()}, 0, device)


def largest(one: Look, other: Look) -> float:
    return max(abs(one.probabilities[label] - other.probabilities[label]) for label in one.probabilities)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    device, load = torch.device(args.device), os.getloadavg()[0]
    torch.set_num_threads(args.threads)
    torch.backends.cudnn.allow_tf32 = False

    images, what = exam_images()
    classifier, image, both = (network.to(device) for network in random_networks())
    fast = FastPatches(classifier)
    at_once = 4 if device.type == "cpu" else 256
    exact = How(0, at_once)
    crops, crop_s = timed(lambda: crops_of(images, mirrored=False), device)
    if device.type == "cuda":
        patches_of(crops, fast, exact, device)  # the first pass chooses kernels
    rate = matrix_rate(device)
    patches, ours_s = timed(lambda: patches_of(crops, fast, exact, device), device)
    result: dict[str, Any] = {
        "what": f"{what}, random weights",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": args.threads,
        "load_average": round(load, 2),
        "patches": sum(len(p.benign) for p in patches.values()),
        "different_patches": sum(len(distinct(crops[v].pixels, patches[v].grid)[0]) for v in VIEWS),
        "crop_s": round(crop_s, 2),
        "heatmaps_s": round(ours_s, 2),
    }
    _, result["image_network_s"] = timed(lambda: looked_at(image, crops, None, device), device)
    with_heat, result["image_and_heatmaps_network_s"] = timed(
        lambda: looked_at(both, crops, patches, device), device
    )
    for key in ("image_network_s", "image_and_heatmaps_network_s"):
        result[key] = round(result[key], 2)
    result["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    plain, plain_s = timed(lambda: plain_patches(crops, classifier, device), device)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        classifier(torch.zeros(1, 1, PATCH_PX, PATCH_PX, device=device))
    work = counter.get_total_flops() * result["different_patches"]
    result |= {
        "plain_heatmaps_s": round(plain_s, 2),
        "plain_over_ours": round(plain_s / ours_s, 2),
        "heatmap_error_of_ours": float(f"{heatmap_error(patches, plain):.1g}"),
        "gflop_per_patch": round(counter.get_total_flops() / 1e9, 2),
        "matrix_gflops": round(rate / 1e9),
        "limit_s": round(work / rate, 2),
        "share_of_limit": round(work / rate / ours_s, 2),
    }
    assert result["heatmap_error_of_ours"] < 1e-5
    for name, how, reduced in (
        ("bf16", exact, True),
        ("stride_128", How(0, at_once, 128), False),
        ("bf16_stride_128", How(0, at_once, 128), True),
    ):
        with torch.autocast(device.type, torch.bfloat16, enabled=reduced):
            found, took = timed(lambda how=how: patches_of(crops, fast, how, device), device)
        told = looked_at(both, crops, found, device)
        result |= {
            f"{name}_heatmaps_s": round(took, 2),
            f"{name}_plain_over_it": round(plain_s / took, 2),
            f"{name}_heatmap_error": round(heatmap_error(found, plain), 4),
            f"{name}_probability_error": float(f"{largest(told, with_heat):.1g}"),
        }
    for key, value in result.items():
        print(f"{key:34} {value}")
    write_json(
        REPO / f"bench/wu2019{'' if device.type == 'cpu' else '-gpu'}.json", {**result, **about_this_run()}
    )


if __name__ == "__main__":
    main()
