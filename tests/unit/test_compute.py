from dataclasses import replace

import pytest
import torch
from bright import CPU


def test_an_unknown_precision_or_way_to_compile_is_refused() -> None:
    with pytest.raises(ValueError, match="precision is 'fp8', wanted one of"):
        replace(CPU, precision="fp8")
    with pytest.raises(ValueError, match="compile is 'maybe', wanted auto, always or never"):
        replace(CPU, compile="maybe")


def test_fp16_is_refused_on_a_cpu() -> None:
    with pytest.raises(ValueError, match="precision is fp16 on a CPU, wanted fp32, bf16 or auto"):
        replace(CPU, precision="fp16")


def test_auto_takes_what_the_cpu_computes_in() -> None:
    native = torch.cpu._is_avx512_bf16_supported()
    assert replace(CPU, precision="auto").autocast_type == (torch.bfloat16 if native else torch.float32)


def test_auto_compiles_on_cuda_alone() -> None:
    assert not replace(CPU, compile="auto").compiles and replace(CPU, compile="always").compiles


def test_a_gpu_that_was_given_and_cannot_be_used_stops_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with pytest.raises(RuntimeError, match="CUDA_VISIBLE_DEVICES=1"):
        replace(CPU, device="auto").prepare()


@pytest.mark.parametrize("given", ["", "-1"])
def test_hidden_gpus_are_no_fault(monkeypatch: pytest.MonkeyPatch, given: str, one_thread: None) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    replace(CPU, device="auto").prepare()


def test_fp32_is_fp32_on_a_gpu_too(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)  # PyTorch's own default
    CPU.prepare()
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32
