"""What a step computes on: device, threads, precision."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Compute:
    """device: `cpu`, `cuda`, or `auto` = CUDA where there is a device.

    torch_threads  of torch on the CPU; a setting of its own, since other numbers of threads round differently
    precision      `fp32`, or `bf16` = autocast of the forward pass (weights stay fp32)
    """

    device: str
    torch_threads: int
    precision: str

    def __post_init__(self) -> None:
        if self.precision not in ("fp32", "bf16"):
            raise ValueError(f"precision is {self.precision!r}, wanted fp32 or bf16")

    @property
    def torch_device(self) -> torch.device:
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return torch.device(self.device)

    def prepare(self) -> None:
        """Set torch up for this, and for the same answer every time; once per process."""
        torch.set_num_threads(self.torch_threads)
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False

    def autocast(self) -> AbstractContextManager[None]:
        kind = self.torch_device.type
        return torch.autocast(kind, torch.bfloat16, enabled=self.precision == "bf16")
