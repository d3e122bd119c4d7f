"""What a machine is asked before a study runs on it."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from mammo_steps import check_node
from mammo_steps.check_node import check_folders, check_gpu, main, other_versions

NO_GPU: dict[str, Any] = {"gpus": [], "torch_cuda": "13.0", "driver": None}


def test_a_package_of_another_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_node, "version_of", {"numpy": "2.0", "pyarrow": "26"}.get)
    lock = (
        'numpy==1.9 ; python_full_version < "3.12" \\\n  --hash=x\nnumpy==2.1 \\\npyarrow==26 \\\nabsent==1\n'
    )
    assert other_versions(lock) == {"numpy": ("2.0", "1.9 or 2.1")}


def test_any_version_that_the_lock_has_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_node, "version_of", {"numpy": "1.9"}.get)
    assert other_versions("numpy==1.9 ; x\nnumpy==2.1 \\\n") == {}


@pytest.mark.parametrize(
    ("device", "given", "fails"),
    [("cuda", None, True), ("auto", "0", True), ("auto", None, False), ("cpu", "0", False)],
)
def test_a_gpu_that_was_given_has_to_work(device: str, given: str | None, fails: bool) -> None:
    if fails:
        with pytest.raises(ValueError, match="torch sees no GPU"):
            check_gpu(NO_GPU, device, given)
    else:
        check_gpu(NO_GPU, device, given)
    check_gpu(NO_GPU | {"gpus": ["one"]}, device, given)


def test_a_folder_that_the_node_does_not_see_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not see .*/elsewhere"):
        check_folders([tmp_path, tmp_path / "elsewhere"])


def test_it_says_what_it_found(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told = tmp_path / "nodes/cpu.json"
    with caplog.at_level(logging.INFO):
        main(["--kind", "cpu", "--device", "cpu", "--folders", str(tmp_path), "--facts", str(told)])
    facts = json.loads(told.read_text())
    assert facts["kind"] == "cpu" and facts["cpus_of_job"] >= 1 and "gpus" not in facts
    assert facts["versions"]["torch"].startswith("2.")


def test_a_gpu_node_is_asked_for_its_gpus(tmp_path: Path) -> None:
    main(["--kind", "gpu", "--device", "cpu", "--facts", str(tmp_path / "gpu.json")])
    assert isinstance(json.loads((tmp_path / "gpu.json").read_text())["gpus"], list)


def test_a_missing_package_stops_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_node, "NEEDED", ("numpy", "no-such-package"))
    with pytest.raises(ValueError, match="no-such-package not installed"):
        main(["--kind", "cpu", "--device", "cpu", "--facts", str(tmp_path / "cpu.json")])
