"""Figures that costs are reckoned from, each with its source. MB are 10^6 bytes on disk, 2^20 in memory.

measured   here, with the command and file named (two cores of an Intel Xeon); `demo`: the last line of each log of
           `make demo`, bench/demo_costs.json
published  other people's figure
derived    from the two, by the formula given
assumed    nothing better is known
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """A straight line in the number of images of the cohort: base + per_million x images / 10^6.

    Through two measured sizes, 40,000 and 400,000 images (`make bench-tables`); beyond them it is a guess.
    """

    base: float
    per_million: float

    def at(self, n_images: float) -> float:
        return self.base + self.per_million * n_images / 1e6


# measured, bench/tables.json: peak memory in MB and wall time in s
MEMORY_MB = {
    "list_images": Line(187, 1700),
    "split_folds": Line(166, 569),
    "score_exams": Line(198, 942),
    "evaluate": Line(256, 1269),
    "crop_rois": Line(154, 122),
    "fold_tables": Line(149, 1997),  # what trainings, locate_coa and score_attention hold of the cohort
}
WALL_S = {
    "list_images": Line(4.2, 31),
    "split_folds": Line(0.7, 3),
    "score_exams": Line(4.7, 12),
    "evaluate": Line(4.4, 117),
    "fold_tables": Line(0, 13),
}

# --- headers: measured, bench/headers.json, but for the first -----------------------------------------------
# files per second of one process: 658 to 1,108 measured with a cold cache on a local disk; 200, which is 5 ms a file,
# assumed for a network's file system
HEADERS_PER_S = 200.0
HEADERS_MB = 165.0  # of one process, 100,000 files (155 to 164)
INDEX_FILES_PER_S = 38_000.0
INDEX_MB = Line(133.0, 1450.0)  # 133 MB for the demo's 600 files, 278 MB for 100,000

# --- pixels: measured, bench/ingest.json, JPEG lossless, one process ----------------------------------------
# 84 ms at 8.5, 149 ms at 13.6 megapixels; demo: 11 ms at 0.34
DECODE_BASE_S, DECODE_S_PER_MEGAPIXEL = 0.008, 0.011
DECODE_MB = 203.0  # of one process at 4096 x 3328
DECODE_HEADROOM_MB = 1500.0  # a damaged file may take so much before its process is ended (core.ordered_pool)
TILE_BYTES_PER_PIXEL = 0.5  # demo 0.47, bench/tiles.json 0.43 (synthetic) and 0.27 (a real one)
GREY_BYTES_PER_PIXEL = {8: 0.55, 16: 1.5}  # of holistic images; 8 bit: demo 0.55; 16 bit: assumed
ROI_BYTES_PER_PIXEL = {8: 1.0, 16: 2.0}  # nearly incompressible in the demo: 0.97
CROPS_PER_S = 150.0  # of 976 px out of tiles, bench/tiles.json; time goes with the crop's pixels
CROP_MB = 60.0  # of the shard itself: demo 183 MB, 29 more than without images; at 976 px: assumed
CROP_BASE_S = 0.002  # demo: 3.4 s for 1,580 ROIs of 180 px

# --- networks ------------------------------------------------------------------------------------------------
# over a forward pass: forward, and the gradients of inputs and of weights
TRAINING_PASSES, SALIENCY_PASSES = 3.0, 2.0
# GFLOP/s of one CPU thread. fp32: bench/train.json, saliency 39.4 images/s x 5.06 GFLOP / 2 threads = 100; training
# in the demo 54 images/s x 1.59 GFLOP = 86. bf16: bench/train.json, 59.7 images/s x 7.59 GFLOP / 2 threads = 226.
CPU_GFLOP_PER_S = {"fp32": 80.0, "bf16": 226.0}


@dataclass(frozen=True)
class Gpu:
    """GFLOP/s that a network gets: `training` under autocast (bf16 or fp16), `fp32` for COAs. One was measured.

    11gb  6 images/s of ResNet-101 at 976 px in fp32 (derived from the card's 13.4 TFLOP/s, 40 % of which it gets) x 882
          GFLOP; taken for fp16 as well
    24gb  25 images/s: 0.6 TB/s (published) / 11.4 GB that an image moves in bf16 (derived) x 0.48; fp32: assumed
    80gb  67 images/s: published ResNet-50 training (A100, PyTorch AMP) scaled by arithmetic; fp32: 40 % of 19.5
          TFLOP/s (published)
    h200  measured, bench/train_gpu.json; at the paper's batch of 4 68 images/s in training x 881 GFLOP (217 at one
          of 48), 17.4 saliency maps/s in fp32 x 592
    """

    training: float
    fp32: float


GPUS = {
    "11gb": Gpu(5300.0, 5300.0),
    "24gb": Gpu(22_000.0, 7800.0),
    "80gb": Gpu(59_000.0, 7800.0),
    "h200": Gpu(60_000.0, 10_300.0),
}
ACTIVATION_MB_PER_MEGAPIXEL = (
    2520.0  # ResNet-101 keeps 2.4 GB per image of 976 x 976 in fp32 for its backward pass
)
TORCH_MB = 850.0  # demo: score_attention 817 to 837 MB, nearly all of it PyTorch
COMPILE_S = 60.0  # torch.compile on a GPU: 40 to 47 s measured on an H200 with 16 cores
WU_GFLOP_PER_EXAM = 16_000.0  # bench/wu2019.json: 2,163 patches x 7.4 GFLOP, at the published stride of 70 px
WU_MB = 1670.0  # bench/wu2019.json
WU_STRIDE_PX = 70

# --- exam gallery: measured, python -m mammo_steps.draw_gallery, 7 exams of four views at 976 px, ROIs of 976 px, films
# of mini-MIAS: 8.6 s, 19.1 MB, and 80.2 MB of arrays
SHEET_S, SHEET_BYTES = 0.3, 1.1e6  # of each exam's picture, whatever the images' size
PICTURES_S_PER_MEGAPIXEL, PICTURES_BYTES_PER_PIXEL = 0.27, 0.44  # of inputs
ARRAY_BYTES_PER_PIXEL = 3.0
EXPLAINED_S, WEIGHT_BYTES_PER_S = (
    0.05,
    1.7e8,
)  # of each exam: opening its files, and loading its network: demo

# --- jobs ----------------------------------------------------------------------------------------------------
START_S = 5.0  # python and imports 1 to 4 s (demo); a cluster job's two snakemake processes 1.5 s each
# the two snakemake processes of a cluster's job: measured, `snakemake -n --target-jobs train_attention:fold=fold0` with
# 1,225 shards and ten folds, 177 MB each
SNAKEMAKE_MB = 2 * 177.0
SNAKEMAKE_OPENS = 2 * 3050  # files of the environment and of the workflow: the same command under strace
# files that a step opens of the environment: measured, `strace -f -c python -m mammo_steps.<step> --help`, 439
# (crop_rois) to 976 (make_shards), with PyTorch 3,717 (score_attention) to 4,367 (train_holistic)
STEP_OPENS, TORCH_OPENS = 980, 4370
SMALL_MB = {  # demo; these hold no table of images
    "make_demo_cohort": 150.0,
    "list_lesions": 150.0,
    "draw_figures": 350.0,
    "draw_gallery": 260.0,  # one exam at 976 px
    "report": 350.0,
}
