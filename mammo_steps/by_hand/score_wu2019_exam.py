"""Score four images with the published models of Wu et al. 2019, without a study; no step uses it.

    python -m mammo_steps.by_hand.score_wu2019_exam --patches patch.p --image image.p --image-and-heatmaps both.p \\
        L-CC=1.png R-CC=2.png L-MLO=3.png R-MLO=4.png

Images are 8- or 16-bit grey files (PNG, TIFF, PGM) as the published code takes them: any scale, background exactly 0,
left breasts pointing right and right ones left (--mirrored: the other way round). Prints JSON: for both networks the
probabilities of benign and malignant findings in each breast. With the published weights and sample images this is how
to see that they give what was published.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from mammo_steps.core.compute import Compute
from mammo_steps.core.manifest import sha256_of
from mammo_steps.core.steps import start_logging
from mammo_steps.core.wu_crop import VIEWS, Pixels
from mammo_steps.core.wu_exam import How, score_exam
from mammo_steps.core.wu_weights import HOW_TO_GET, WEIGHTS, read_models

log = logging.getLogger("score_wu2019_exam")


def read_image(path: Path) -> Pixels:
    """(H, W) whole numbers; ValueError unless the file is one grey picture of 8 or 16 bits."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError(f"{path} is not there, or no picture that can be read")
    if pixels.ndim != 2 or pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"{path} is no grey picture of 8 or 16 bits")
    return np.asarray(pixels)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in WEIGHTS:
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=Path, required=True, help=f"weight file of the {name} network")
    parser.add_argument(
        "--noisy-passes", type=int, default=0, help="published: 10; 0 = one pass without noise"
    )
    parser.add_argument("--mirrored", action="store_true", help="right breasts point right")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("images", nargs=len(VIEWS), help="VIEW=FILE of L-CC, R-CC, L-MLO and R-MLO")
    args = parser.parse_args(argv)
    start_logging()

    compute = Compute(args.device, args.threads, "fp32", 1, "never", sync_batch_norm=False)
    compute.prepare()
    files = dict(entry.split("=", 1) if "=" in entry else (entry, "") for entry in args.images)
    if set(files) != set(VIEWS):
        parser.error(f"wanted one VIEW=FILE each of {', '.join(VIEWS)}")
    weights = {}
    for name in WEIGHTS:
        path = getattr(args, name)
        if not path.is_file():
            parser.error(f"there is no file {path}. {HOW_TO_GET}")
        weights[name] = {"path": str(path), "sha256": sha256_of(path)}
        log.info("%s: %s, sha256 %s", name, path, weights[name]["sha256"])
    try:
        images = {view: read_image(Path(file)) for view, file in files.items()}
        models = read_models(weights, compute.torch_device)
    except ValueError as error:
        sys.exit(str(error))
    how = How(args.noisy_passes, 4 if compute.torch_device.type == "cpu" else 256)
    found = score_exam(images, models, args.mirrored, how, compute.torch_device)
    told = {name: getattr(found, name).probabilities for name in ("image", "image_and_heatmaps")}
    json.dump(told, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
