"""How long networks train and score, and in how much of the host's memory, from their arithmetic and the device.

    seconds = images x passes x GFLOP of a forward pass / GFLOP per second of the device

unless the config's `plan` gives a measured rate. Of GPUs only an H200 has been measured with this code.
"""

from collections.abc import Mapping
from typing import Any

from mammo_steps.core import cost_figures as figures
from mammo_steps.core.backbone_costs import forward_gflop, weight_bytes
from mammo_steps.core.study_size import FoldSize


def n_gpus(config: Mapping[str, Any], training: bool) -> int:
    """Of one job, where it gets any."""
    if config["compute"]["device"] == "cpu":
        return 0
    return int(config["job"]["gpus"]) if training else 1


def _gflop_per_s(config: Mapping[str, Any], fp32: bool) -> float:
    """Of one GPU, or of a job's CPU threads.

    fp32  whatever `compute.precision` says. `auto` counts as fp32 on a CPU, since not every one has bf16.
    """
    compute = config["compute"]
    if compute["device"] == "cpu":
        precision = "bf16" if compute["precision"] == "bf16" and not fp32 else "fp32"
        return figures.CPU_GFLOP_PER_S[precision] * float(compute["torch_threads"])
    gpu = figures.GPUS[config["plan"]["gpu"]]
    return gpu.fp32 if fp32 or compute["precision"] == "fp32" else gpu.training


def images_per_s(config: Mapping[str, Any], what: str, section: str = "train_holistic") -> float:
    """Of a job on one GPU or on the CPU: the rate that `plan` gives, else the derived one.

    what     training, scoring or saliency
    section  of whose input size the images are
    """
    given = config["plan"][f"{what}_images_per_s"]
    if given is not None:
        return float(given)
    passes = {"training": figures.TRAINING_PASSES, "scoring": 1.0, "saliency": figures.SALIENCY_PASSES}[what]
    backbone = config["train_holistic"]["network"]["backbone"]
    gflop = passes * forward_gflop(backbone, config[section]["fit"]["input_px"])
    return _gflop_per_s(config, what == "saliency" and config["locate_coa"]["precision"] == "fp32") / gflop


def training_s(config: Mapping[str, Any], section: str, fold: FoldSize) -> float:
    """All epochs of one network, each with a look at the validation images; several GPUs share the images."""
    fit, gpus = config[section]["fit"], max(1, n_gpus(config, training=True))
    trained = fold.epoch(fit) / images_per_s(config, "training", section)
    looked_at = fold.validation / images_per_s(config, "scoring", section)
    compiled = config["compute"]["compile"] == "always" or (
        config["compute"]["compile"] == "auto" and config["compute"]["device"] != "cpu"
    )
    return float(fit["epochs"] * (trained + looked_at) / gpus + compiled * figures.COMPILE_S)


def saliency_s(config: Mapping[str, Any], n_images: float) -> float:
    """Margins and COAs of so many images; twice as long with their mirror images."""
    return n_images / images_per_s(config, "saliency") * (1 + int(config["locate_coa"]["test_time_flip"]))


def explaining_s(config: Mapping[str, Any], n_images: int) -> float:
    """Saliency maps in explain_exams, which has one CPU thread where it has no GPU."""
    if n_gpus(config, training=False):
        return n_images / images_per_s(config, "saliency")
    backbone, side_px = (
        config["train_holistic"]["network"]["backbone"],
        config["train_holistic"]["fit"]["input_px"],
    )
    gflop = figures.SALIENCY_PASSES * forward_gflop(backbone, side_px)
    return n_images * gflop / figures.CPU_GFLOP_PER_S["fp32"]


def explaining_mb(config: Mapping[str, Any]) -> float:
    """Of one image at a time."""
    return _frozen_mb(config, activation_mb(config, "train_holistic", 1))


def scoring_s(config: Mapping[str, Any], n_rois: float) -> float:
    """Margins of so many ROIs."""
    rate = images_per_s(config, "scoring", "train_attention")
    return n_rois / rate * (1 + int(config["score_attention"]["test_time_flip"]))


def published_s(config: Mapping[str, Any], n_exams: float) -> float:
    """Wu et al. 2019 on so many exams; patches go with the square of the stride."""
    settings = config["score_wu2019"]
    gflop = figures.WU_GFLOP_PER_EXAM * (figures.WU_STRIDE_PX / int(settings["patch_stride_px"])) ** 2
    return n_exams * gflop / _gflop_per_s(config, settings["precision"] == "fp32")


def activation_mb(config: Mapping[str, Any], section: str, n_images: int) -> float:
    """What a network keeps of so many images for its backward pass in fp32; ResNet-101's, less for smaller ones."""
    return (
        n_images * figures.ACTIVATION_MB_PER_MEGAPIXEL * float(config[section]["fit"]["input_px"]) ** 2 / 1e6
    )


def training_mb(config: Mapping[str, Any], section: str) -> float:
    """Of the host: on a CPU the network itself with its gradients, AdamW's averages and activations."""
    if n_gpus(config, training=True):
        return float(config["plan"]["gpu_job_memory_mb"] * n_gpus(config, training=True))
    held = 5 * weight_bytes(config["train_holistic"]["network"]["backbone"]) / 2**20  # and the best epoch's
    at_once = min(config["compute"]["micro_batch"], config[section]["fit"]["batch_size"])
    return figures.TORCH_MB + held + activation_mb(config, section, at_once)


def saliency_mb(config: Mapping[str, Any]) -> float:
    """As `training_mb`, of frozen weights."""
    settings = config["locate_coa"]
    n_images = settings["batch_size"] * (1 + settings["test_time_flip"])
    return _frozen_mb(config, activation_mb(config, "train_holistic", n_images))


def scoring_mb(config: Mapping[str, Any]) -> float:
    """Without a backward pass a fifth of the activations are there at a time: assumed."""
    return _frozen_mb(
        config, 0.2 * activation_mb(config, "train_attention", config["score_attention"]["batch_size"])
    )


def _frozen_mb(config: Mapping[str, Any], activations_mb: float) -> float:
    if n_gpus(config, training=False):
        return float(config["plan"]["gpu_job_memory_mb"])
    held = weight_bytes(config["train_holistic"]["network"]["backbone"]) / 2**20
    return figures.TORCH_MB + held + activations_mb
