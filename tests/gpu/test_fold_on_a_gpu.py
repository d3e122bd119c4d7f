"""One fold of the tiny study on a CUDA device, beside the same fold on the CPU."""

import json

import numpy as np
import pytest
import tiny_study as made
import torch

from mammo_steps import locate_coa
from mammo_steps.core.network import load_network
from mammo_steps.core.tables import read_table

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

ON_GPU = json.dumps({**json.loads(made.COMPUTE), "device": "cuda"})


def table(path):
    return read_table(path, "holistic_scores").to_pandas().set_index("image_id").sort_index()


def test_the_same_weights_give_the_same_margins_and_coas_on_both(tiny_study, fold_0, tmp_path):
    on_gpu = tmp_path / "images.parquet"
    locate_coa.main(
        [*tiny_study.cohort_flags(), "--shards", str(tiny_study.shards), "--fold", "0", "--seed", "1"]
        + ["--model", str(fold_0 / "holistic/fold0/model.safetensors"), "--settings", made.LOCATE]
        + ["--compute", ON_GPU, "--job", made.JOB, "--coas", str(on_gpu)]
    )
    cpu, gpu = table(fold_0 / "holistic/fold0/images.parquet"), table(on_gpu)
    assert list(cpu.index) == list(gpu.index)
    np.testing.assert_allclose(cpu.margin, gpu.margin, atol=1e-4)
    # ties of gradients may fall otherwise: a COA moves by a part of one input pixel
    assert np.hypot(cpu.coa_row - gpu.coa_row, cpu.coa_col - gpu.coa_col).median() < 1.0


def test_a_whole_fold_trains_and_scores_on_it_with_weights_that_the_cpu_reads(
    tiny_study, tmp_path, monkeypatch
):
    monkeypatch.setattr(made, "COMPUTE", ON_GPU)
    results = made.run_fold_0(tiny_study, tmp_path)
    for model in ("holistic", "attention"):
        record = json.loads((results / model / "fold0/run.json").read_text())
        assert record["device"] == torch.cuda.get_device_name() and record["epochs"][0]["images_per_s"] > 0
        weights = load_network(results / model / "fold0/model.safetensors")
        assert all(torch.isfinite(p).all() for p in weights.parameters())
    scores = read_table(results / "attention/fold0/images.parquet", "attention_scores")
    assert np.isfinite(scores["margin"].to_numpy()).all()
