"""What a step computes on: device, threads, precision."""

import os
import platform
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

PRECISIONS = ("auto", "fp32", "bf16", "fp16")


@dataclass(frozen=True)
class Compute:
    """device: `cpu`, `cuda`, or `auto` = CUDA where there is a device.

    torch_threads    of torch on the CPU; a setting of its own, since other numbers of threads round differently
    precision        of the forward pass (weights stay fp32): `fp32`, `bf16`, `fp16` (with a scaled loss; CUDA
                     alone), or `auto` = bf16 where the hardware computes in it, else fp16 on CUDA and fp32 on a CPU
    micro_batch      most images that go through the network at once in training; a larger batch is gathered from
                     several. Batch normalisation sees one micro-batch, so that results depend on it a little
    compile          torch.compile in training: `auto` = on CUDA; `always`, `never`
    sync_batch_norm  several GPUs: batch normalisation over the micro-batches of all of them
    """

    device: str
    torch_threads: int
    precision: str
    micro_batch: int
    compile: str
    sync_batch_norm: bool

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision is {self.precision!r}, wanted one of {PRECISIONS}")
        if self.compile not in ("auto", "always", "never"):
            raise ValueError(f"compile is {self.compile!r}, wanted auto, always or never")
        if self.precision == "fp16" and self.torch_device.type == "cpu":
            raise ValueError("precision is fp16 on a CPU, wanted fp32, bf16 or auto there")

    @property
    def torch_device(self) -> torch.device:
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return torch.device(self.device)

    @property
    def autocast_type(self) -> torch.dtype:
        """The type that the forward pass computes in; float32 = no autocast."""
        if self.precision != "auto":
            return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[self.precision]
        if self.torch_device.type == "cuda":
            # (a GPU without bf16 units computes it by emulation, slowly)
            native = torch.cuda.is_bf16_supported(including_emulation=False)
            return torch.bfloat16 if native else torch.float16
        return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32

    @property
    def compiles(self) -> bool:
        return self.compile == "always" or (self.compile == "auto" and self.torch_device.type == "cuda")

    def prepare(self) -> None:
        """Set torch up for this, and for the same answer every time; once per process.

        RuntimeError if the process was given a GPU that torch cannot use: `auto` would take weeks on the CPU instead.
        """
        given = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        if self.device == "auto" and given not in ("", "-1", "NoDevFiles") and not torch.cuda.is_available():
            raise RuntimeError(
                f"{platform.node()}: the job was given a GPU (CUDA_VISIBLE_DEVICES={given}) and torch sees none. It is "
                f"built for CUDA {torch.version.cuda}: see that the driver is new enough. compute.device: cpu computes "
                "on the CPU"
            )
        torch.set_num_threads(self.torch_threads)
        torch.use_deterministic_algorithms(True, warn_only=True)
        # (else every new tensor is filled before it is written: time and bandwidth for nothing)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.backends.cudnn.benchmark = False
        # (else convolutions that are said to be fp32 keep 10 bits of the mantissa on an NVIDIA card, and COAs move)
        torch.backends.cudnn.allow_tf32 = False

    def autocast(self) -> AbstractContextManager[None]:
        kind, dtype = self.torch_device.type, self.autocast_type
        return torch.autocast(kind, dtype, enabled=dtype != torch.float32)


@dataclass(frozen=True)
class Job:
    """How a job goes about its work; nothing here changes a result.

    gpus                of one training; the rule asks the cluster for them
    loader_threads      read and decode images beside the device's work
    checkpoint_minutes  between the states that an interrupted training goes on from
    """

    gpus: int
    loader_threads: int
    checkpoint_minutes: float
