"""Several processes learn as one that takes the same micro-batches in turn."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from rank_program import main

from mammo_steps.core.ranks import ALONE, parts


def test_parts_are_runs_of_nearly_one_length_and_lose_nothing() -> None:
    assert parts(list("abcdefg"), 3) == [["a", "b", "c"], ["d", "e"], ["f", "g"]]
    assert parts(["a"], 2) == [["a"], []]
    assert ALONE.part(["a", "b"]) == ["a", "b"]


def test_two_ranks_learn_as_one_process_with_two_micro_batches(tmp_path: Path) -> None:
    for rank in ("rank0", "rank1"):
        (tmp_path / rank).mkdir()
    program = str(Path(__file__).parent / "rank_program.py")
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        + [program, str(tmp_path), str(tmp_path / "two.pt"), "4"],
        check=True,
        capture_output=True,
    )
    main(tmp_path, tmp_path / "one.pt", 4)
    main(tmp_path, tmp_path / "whole.pt", 8)
    two, one, whole = (torch.load(tmp_path / f"{n}.pt", weights_only=True) for n in ("two", "one", "whole"))
    assert (two["size"], one["size"]) == (2, 1)
    assert two["history"] == pytest.approx(one["history"], rel=1e-4)
    largest = 0.0
    for name, value in one["state"].items():
        torch.testing.assert_close(two["state"][name], value, rtol=1e-3, atol=2e-5, msg=name)
        largest = max(largest, (whole["state"][name] - value).abs().max().item())
    assert largest > 1e-3  # batch normalisation over all eight is another thing: the comparison can fail
