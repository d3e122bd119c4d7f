"""What the steps of a study took."""

import json
from pathlib import Path

import pytest

from mammo_steps.core.manifest import manifest_path
from mammo_steps.core.step_costs import step_costs


def made(artefact: Path, step: str, began: str, **more: object) -> None:
    artefact.parent.mkdir(parents=True, exist_ok=True)
    told = {
        "step": step,
        "bytes": 5 * 10**8,
        "sha256": "0",
        "inputs": {},
        "began_utc": began,
        "host": "a",
        **more,
    }
    manifest_path(artefact).write_text(json.dumps(told))


def test_files_of_one_job_count_once_and_its_last_one_knows_the_time(tmp_path: Path) -> None:
    made(tmp_path / "fold0/model", "train", "2026-01-02", wall_s=3000.0, peak_mb=10)
    made(tmp_path / "fold0/run", "train", "2026-01-02", wall_s=3600.0, peak_mb=20)
    made(tmp_path / "fold1/model", "train", "2026-01-02", wall_s=7200.0, peak_mb=15, host="b")
    made(tmp_path / "shards", "cut", "2026-01-01", wall_s=1.0, peak_mb=1)
    first, second = step_costs(tmp_path, tmp_path)
    assert (first["step"], first["n_jobs"], first["median_s"]) == ("cut", 1, 1.0)
    assert (second["n_jobs"], second["n_hosts"], second["peak_mb"]) == (2, 2, 20)
    assert second["hours"] == pytest.approx(3) and second["longest_s"] == 7200
    assert second["median_s"] == 5400 and second["gigabytes"] == pytest.approx(1.5)


def test_a_damaged_manifest_is_left_out(tmp_path: Path) -> None:
    made(tmp_path / "a", "cut", "2026-01-01", wall_s=1.0, peak_mb=1)
    manifest_path(tmp_path / "b").write_text("{")
    assert [row["n_jobs"] for row in step_costs(tmp_path, tmp_path)] == [1]
