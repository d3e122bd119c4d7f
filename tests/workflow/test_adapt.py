"""A second study that starts from a first one's bundle: another cohort and key, both SYNTHETIC."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import safetensors.torch
import torch
import yaml
from made_bundle import NO_COHORT
from running import REPO, TINY, planned, reasons, snakemake

from mammo_steps import make_bundle
from mammo_steps.core.artefacts import forget
from mammo_steps.core.bundle_names import bundle_id, weights_name
from mammo_steps.core.bundle_settings import bundle_sections
from mammo_steps.core.study import read_config

pytestmark = pytest.mark.long  # two whole studies

KEY = "demo-key-for-synthetic-data-only"  # of config/demo.yaml
TARGET = "results/second/report/model_card.md"  # with the tables; the page is tested without a workflow


def bundle_of(results: Path, folder: Path, *members: str) -> Path:
    """As the rule make_bundle writes it."""
    scores, report = results / "scores/exams.parquet", results / "report"
    sections = bundle_sections(read_config(REPO / "config", [REPO / path for path in TINY]))
    fingerprint = folder.parent / f"{folder.name}.json"  # (nothing is compared with it here)
    fingerprint.write_text(json.dumps(NO_COHORT))
    make_bundle.main(
        ["--results", str(results), "--members", *members, "--scores", str(scores), "--key", KEY]
        + ["--cards", str(report / "model_card.md"), str(report / "data_card.md")]
        + ["--evaluation", str(report / "evaluation.json"), "--fingerprint", str(fingerprint)]
        + ["--bundle", str(folder)]
        + ["--settings", json.dumps({"study": "demo", "synthetic": True, "sections": sections})]
    )
    forget()
    return folder


@pytest.fixture(scope="module")
def bundle(finished_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of the first study's three members."""
    return bundle_of(
        finished_study / "results/demo", tmp_path_factory.mktemp("first") / "bundle", "fold0", "fold1"
    )


def second(folder: Path, bundle: Path, start: dict[str, Any] | None = None, **more: Any) -> tuple[str, ...]:
    """Configs of a study of its own women."""
    config = {
        "study": "second",
        "seed": 7,
        "public_id_key": "the public key of a second site",
        "lesions": None,
        "start_from": {"bundle": str(bundle), **(start or {})},
        **more,
    }
    folder.mkdir(exist_ok=True)
    (folder / "second.yaml").write_text(yaml.safe_dump(config))
    return (*TINY, str(folder / "second.yaml"))


def refused(folder: Path, configs: tuple[str, ...]) -> str:
    result = snakemake(folder, "all", configs=configs)
    assert result.returncode != 0 and "Traceback" not in result.stderr
    assert not list(folder.rglob("*.parquet"))
    return result.stderr


@pytest.fixture(scope="module")
def adapted(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapted")
    result = snakemake(folder, TARGET, configs=second(folder, bundle))
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def test_a_second_site_goes_on_from_the_bundle_and_its_tables_say_so(adapted: Path, bundle: Path) -> None:
    results = adapted / "results/second"
    auc = pd.read_csv(results / "report/auc.csv")
    auc = auc[(auc.protocol == "all") & (auc.pooling == "pooled")].set_index(["model", "endpoint"])
    row = auc.loc[("ensemble", "screen_detected")]
    assert (row.n_positive, row.n_negative) == (9, 17) and 0 <= row.ci_low < row.auc < row.ci_high <= 1
    n_women = json.loads((bundle / "bundle.json").read_text())["n_women"]
    started = f"{n_women} women who do not exist (synthetic) of study demo (bundle {bundle_id(bundle)})"
    unknown = "Whether women of this cohort are among them is not known: AUCs may be too high."
    for name in ("model_card.md", "table1.md"):
        page = (results / "report" / name).read_text()
        assert started in page and unknown in page, name
    assert "| Ensemble* |" in (results / "report/table1.md").read_text()
    manifest = json.loads((results / "report/.auc.csv.manifest.json").read_text())
    assert "results/second/attention/fold2/run.json" in manifest["inputs"]


def test_folds_start_from_the_members_in_turn(adapted: Path, bundle: Path) -> None:
    for model in ("holistic", "attention"):
        for fold, member in enumerate(("fold0", "fold1", "fold0")):
            path = adapted / f"results/second/{model}/fold{fold}"
            start = json.loads((path / "run.json").read_text())["start"]
            assert (start["bundle"], start["member"]) == (bundle_id(bundle), member)
            manifest = json.loads((path / ".model.safetensors.manifest.json").read_text())
            assert f"{bundle}/{weights_name(member, model)}" in manifest["inputs"]
            assert manifest["settings"]["start"]["number"] == fold


def test_nothing_runs_again_but_for_another_bundle(
    adapted: Path, bundle: Path, finished_study: Path, tmp_path: Path
) -> None:
    assert planned(snakemake(adapted, TARGET, "-n", configs=second(adapted, bundle))) == {}
    results = finished_study / "results/demo"
    other = bundle_of(results, tmp_path / "other", "fold1", "fold2")
    again = snakemake(adapted, TARGET, "-n", configs=second(adapted, other))
    jobs = planned(again)
    assert jobs["train_holistic"] == jobs["train_attention"] == 3
    assert not {"make_shards", "list_images", "split_folds"} & set(jobs)
    assert f"{other}/SHA256SUMS" in reasons(again)["train_holistic"]
    second(adapted, bundle)  # as it was


def test_the_same_key_is_refused_before_the_first_job(bundle: Path, tmp_path: Path) -> None:
    said = refused(tmp_path, second(tmp_path, bundle, {"overlap": "none"}, public_id_key=KEY))
    assert "config key `start_from.bundle`" in said and "women of study demo" in said
    assert "start_from.women" in said


@pytest.mark.long
def test_with_its_table_of_roles_the_bundles_own_women_are_left_out(
    bundle: Path, finished_study: Path, tmp_path: Path
) -> None:
    # the same site with new exams: a part of the first study's women, and women of its own
    roles = finished_study / "results/demo/cohort/roles.parquet"
    own = bundle_of(finished_study / "results/demo", tmp_path / "own", "fold0", "fold1", "fold2")
    configs = second(tmp_path, own, {"women": [str(roles)]}, public_id_key=KEY)
    made = snakemake(tmp_path, "results/second/cohort/roles.parquet", configs=configs)
    assert made.returncode == 0, made.stdout + made.stderr
    learned = set(pd.read_parquet(roles).patient_id)
    assert not learned & set(pd.read_parquet(tmp_path / "results/second/cohort/roles.parquet").patient_id)


@pytest.mark.long
def test_the_head_alone_learns_where_it_is_asked(bundle: Path, tmp_path: Path) -> None:
    configs = second(tmp_path, bundle, {"layers": "head", "overlap": "none"})
    made = snakemake(tmp_path, "results/second/holistic/fold1/model.safetensors", configs=configs)
    assert made.returncode == 0, made.stdout + made.stderr
    found = safetensors.torch.load_file(tmp_path / "results/second/holistic/fold1/model.safetensors")
    start = safetensors.torch.load_file(bundle / weights_name("fold1", "holistic"))
    assert {name for name in found if not torch.equal(found[name], start[name])} == {"fc.weight", "fc.bias"}
