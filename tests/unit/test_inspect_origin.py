"""What `inspect` says of what made a file, and whether it is whole."""

import json
import os
import re
from pathlib import Path

import pytest
import torch
from inspected import inspect, lines_with, step
from safetensors.torch import save_file

from mammo_steps.core.artefacts import artefact_folder, begin
from mammo_steps.core.files import write_text
from mammo_steps.core.manifest import manifest_path
from mammo_steps.core.tables import write_rows


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_origin_and_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_text(Path("labels.csv"), "x\n1\n")
    earlier = step("list_images", Path("results/s/cohort/flow.csv"), Path("labels.csv"))
    table = step("evaluate", Path("results/s/report/auc.csv"), earlier, Path("labels.csv"))
    status, said = inspect(capsys, tmp_path / table)
    assert status == 0 and "made by evaluate\n" in said and lines_with(said, "seed") == [["seed", "4"]]
    assert lines_with(said, "inputs") == [
        ["inputs", "1", "as", "they", "were"],
        ["inputs", "1", "of", "no", "step,", "not", "looked", "at:", "labels.csv"],
    ]
    assert re.search(r"^verifies: yes, 4 bytes, 1 rows, sha256 [0-9a-f]{12}$", said, re.MULTILINE)

    step("list_images", earlier, text="n\n2\n")
    os.chdir("/")  # inputs are found from the artefact's own place
    status, said = inspect(capsys, tmp_path / table)
    assert status == 0 and "1 made anew since, with other bytes: results/s/cohort/flow.csv" in said
    assert "`snakemake verify`" in said
    os.chdir(tmp_path)
    earlier.unlink()
    assert "1 gone: results/s/cohort/flow.csv" in inspect(capsys, table)[1]


def test_changed_bytes_differ(capsys: pytest.CaptureFixture[str]) -> None:
    table = step("evaluate", Path("report/auc.csv"))
    table.write_text("n\n2\n")
    status, said = inspect(capsys, table)
    assert status == 1 and "verifies: no: found other bytes, as many" in said
    table.write_text("n\n12\n")
    assert "verifies: no: found 5 bytes, its step left 4 bytes, 1 rows" in inspect(capsys, table)[1]
    manifest_path(table).write_text("{")
    status, said = inspect(capsys, table)
    assert status == 1 and "cannot be read as a manifest" in said


def test_of_a_damaged_file_it_is_told_who_made_it(capsys: pytest.CaptureFixture[str]) -> None:
    begin("split_folds", {})
    path = Path("cohort/roles.parquet")
    write_rows(path, "roles", [{"patient_id": "p", "fold": 0, "role": "test"}])
    path.write_bytes(path.read_bytes()[:-9])
    status, said = inspect(capsys, path)
    assert status == 1 and "made by split_folds" in said and "verifies: no: found " in said
    assert said.splitlines()[-1].startswith("cohort/roles.parquet cannot be read: ")


def test_a_file_of_a_folder_has_the_folders_manifest(capsys: pytest.CaptureFixture[str]) -> None:
    begin("draw_figures", {})
    with artefact_folder(Path("report/figures")):
        write_text(Path("report/figures/a.svg"), "<svg/>")
        write_text(Path("report/figures/b.svg"), "<svg/>")
    for quick in ((), ("--quick",)):
        status, said = inspect(capsys, "report/figures/a.svg", *quick)
        assert status == 0 and "made by draw_figures, with all of report/figures" in said
        assert "verifies: yes, 6 bytes, sha256 " in said
    Path("report/figures/b.svg").write_text("<SVG/>")
    assert inspect(capsys, "report/figures/a.svg")[0] == 0
    status, said = inspect(capsys, "report/figures")
    assert status == 1 and "verifies: no: found b.svg: other bytes" in said


def test_a_file_deep_in_a_folder_has_the_folders_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = Path("bundle/networks/fold0/holistic.safetensors")
    begin("make_bundle", {})
    with artefact_folder(Path("bundle")):
        weights.parent.mkdir(parents=True)
        save_file({"a": torch.ones(2)}, weights)
    assert "verifies: yes, 72 bytes, sha256 " in inspect(capsys, weights)[1]
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    for folder, path in (("", weights), (weights.parent, weights.name), ("bundle", f"../{weights}")):
        monkeypatch.chdir(tmp_path / folder)
        status, said = inspect(capsys, path)
        assert status == 1 and "made by make_bundle, with all of" in said
        assert "verifies: no: found other bytes, as many" in said
    monkeypatch.chdir(tmp_path)
    write_text(Path("bundle/networks/fold0/stray.txt"), "x")
    assert "no manifest: nobody says" in inspect(capsys, "bundle/networks/fold0/stray.txt")[1]


def test_a_manifest_is_told_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    node = step("check_node", Path("nodes/cpu.json"), text="{}")
    assert "The manifest of the file or folder beside it" in inspect(capsys, manifest_path(node))[1]
    objects = step("write_dicom_results", Path("dicom/first-000"), text="x")
    said = inspect(capsys, manifest_path(objects))[1]
    assert "The manifest of" in said and "sha256" not in said.replace("verifies", "")


@pytest.mark.parametrize(("key", "value", "told"), [
    ("settings", None, "`settings` is null"),
    ("sha256", None, "`sha256` is null"),
    ("bytes", "x", '`bytes` is "x"'),
    ("rows", "7", '`rows` is "7"'),
    ("wall_s", "abc", '`wall_s` is "abc"'),
    ("inputs", {"a": None}, "`inputs` does not say sha256, bytes of a"),
    ("environment", {"numpy": 2}, "`environment` holds other than versions"),
])  # fmt: skip
def test_an_odd_manifest_is_named_and_the_rest_is_told(
    key: str, value: object, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = step("evaluate", Path("report/auc.csv"))
    manifest = manifest_path(table)
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {key: value}))
    status, said = inspect(capsys, table)
    assert status == 1 and lines_with(said, "rows") == [["rows", "1"]]
    assert said.splitlines()[-1] == (
        f"verifies: no: {manifest} is no manifest, or damaged: {told}. Run the rule that wrote {table} again "
        "(`snakemake verify` names it)"
    )


def test_an_inputs_odd_manifest_is_no_hindrance(capsys: pytest.CaptureFixture[str]) -> None:
    earlier = step("list_images", Path("flow.csv"))
    table = step("evaluate", Path("report/auc.csv"), earlier)
    manifest_path(earlier).write_text("{}")
    status, said = inspect(capsys, table)
    assert status == 0 and "flow.csv" in said and "its manifest is damaged" in said


def test_what_an_older_manifest_does_not_say_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    table = step("evaluate", Path("report/auc.csv"))
    manifest = json.loads(manifest_path(table).read_text())
    for key in ("code", "host", "wall_s", "environment", "settings"):
        del manifest[key]
    manifest_path(table).write_text(json.dumps(manifest))
    status, said = inspect(capsys, table)
    assert status == 0 and "made by evaluate" in said and "cost" not in said
