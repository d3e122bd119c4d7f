import hashlib
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from mammo_steps import split_folds
from mammo_steps.core.artefacts import (
    artefact,
    artefact_folder,
    begin,
    reading,
    write_artefact,
)
from mammo_steps.core.files import write_text
from mammo_steps.core.manifest import (
    artefact_of,
    bears_time_of,
    content_of,
    is_manifest,
    manifest_path,
    read_manifest,
    rows_of,
    stated_sha256,
)
from mammo_steps.core.steps import start_step
from mammo_steps.core.tables import RowGroupWriter, read_table, write_rows

REPO = Path(__file__).resolve().parents[2]
ROLE = {"patient_id": "p", "fold": 0, "role": "test"}


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, in which a step has begun."""
    monkeypatch.chdir(tmp_path)
    begin("split_folds", {"seed": 3, "settings": {"folds": 2}})
    return tmp_path


def manifest_of(path: Path) -> dict[str, object]:
    found = read_manifest(path)
    assert found is not None
    return found


def test_a_manifest_says_what_was_written_by_whom_and_from_what(here: Path) -> None:
    Path("in.csv").write_text("a\n1\n2\n")
    reading(Path("in.csv"))
    write_artefact(Path("out/scores.csv"), "a,b\n1,2\n3,4\n5,6\n")
    found = manifest_of(Path("out/scores.csv"))
    assert found["step"] == "split_folds" and found["settings"] == {"seed": 3, "settings": {"folds": 2}}
    assert (found["bytes"], found["rows"]) == (16, 3)
    assert found["sha256"] == sha256("a,b\n1,2\n3,4\n5,6\n")
    assert found["inputs"] == {"in.csv": {"bytes": 6, "sha256": sha256("a\n1\n2\n")}}
    assert found["environment"]["python"].startswith("3.")  # type: ignore[index]
    assert {"numpy", "pyarrow"} <= found["environment"].keys()  # type: ignore[attr-defined]
    assert [path.name for path in Path("out").iterdir() if not path.name.startswith(".")] == ["scores.csv"]


def test_neither_paths_nor_the_key_are_settings(tmp_path: Path) -> None:
    given = {"archive": tmp_path, "headers": [tmp_path], "key": "secret", "key_file": None, "n_shards": 2}
    begin("index_archive", given)
    write_artefact(tmp_path / "a.json", "{}")
    assert manifest_of(tmp_path / "a.json")["settings"] == {"n_shards": 2}
    assert "secret" not in manifest_path(tmp_path / "a.json").read_text()


def test_a_step_is_known_by_its_module_whatever_started_it(tmp_path: Path) -> None:
    start_step(split_folds.__spec__, SimpleNamespace(seed=1))  # type: ignore[arg-type]
    write_artefact(tmp_path / "a.txt", "x")
    assert manifest_of(tmp_path / "a.txt")["step"] == "split_folds"


def test_what_no_step_wrote_has_no_manifest(tmp_path: Path) -> None:
    write_rows(tmp_path / "r.parquet", "roles", [ROLE])
    assert [path.name for path in tmp_path.iterdir()] == ["r.parquet"]


def test_a_steps_own_results_are_not_its_inputs(here: Path) -> None:
    write_rows(Path("r.parquet"), "roles", [ROLE])
    read_table(Path("r.parquet"), "roles")
    write_artefact(Path("b.txt"), "")
    assert manifest_of(Path("r.parquet"))["rows"] == 1 and manifest_of(Path("b.txt"))["inputs"] == {}


def test_an_interrupted_artefact_leaves_the_old_one_and_its_manifest(here: Path) -> None:
    write_artefact(Path("a.txt"), "old")
    before = manifest_path(Path("a.txt")).read_bytes()
    with pytest.raises(KeyboardInterrupt), artefact(Path("a.txt")) as scratch:
        scratch.write_text("half")
        raise KeyboardInterrupt
    assert manifest_path(Path("a.txt")).read_bytes() == before and Path("a.txt").read_text() == "old"
    assert len(list(here.iterdir())) == 2


def test_a_folder_has_one_manifest_beside_it(here: Path) -> None:
    with artefact_folder(Path("lists")):
        write_text(Path("lists/b.csv"), "x\n")
        write_text(Path("lists/a.csv"), "yy\n")
    found = manifest_of(Path("lists"))
    assert found["bytes"] == 5 and list(found["files"]) == ["a.csv", "b.csv"]  # type: ignore[call-overload]
    assert found["sha256"] == sha256(f"{sha256('yy' + chr(10))}  a.csv\n{sha256('x' + chr(10))}  b.csv\n")
    assert sorted(path.name for path in Path("lists").iterdir()) == ["a.csv", "b.csv"]
    assert stated_sha256(Path("lists/b.csv")) == sha256("x\n")


def test_a_folder_speaks_for_files_at_any_depth(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with artefact_folder(Path("bundle")):
        write_text(Path("bundle/networks/fold0/a.txt"), "x\n")
    assert stated_sha256(Path("bundle/networks/fold0/a.txt")) == sha256("x\n")
    monkeypatch.chdir("bundle/networks")
    assert stated_sha256(Path("fold0/a.txt")) == sha256("x\n")
    assert stated_sha256(Path("../networks/fold0/a.txt")) == sha256("x\n")
    assert stated_sha256(Path("fold0/b.txt")) is None


def test_the_bytes_of_an_input_are_read_again_where_its_time_of_change_does_not_fit(here: Path) -> None:
    path = Path("a.txt")
    write_artefact(path, "right")
    assert bears_time_of(path)
    os.utime(path)  # as Snakemake does after a job
    assert not bears_time_of(path) and content_of(path) == {"bytes": 5, "sha256": sha256("right")}
    assert bears_time_of(path)  # from now on its bytes are known
    path.write_text("wrong")
    assert content_of(path) == {"bytes": 5, "sha256": sha256("wrong")} and not bears_time_of(path)
    assert stated_sha256(path) == sha256("right")


def test_an_input_with_a_fitting_manifest_is_not_read_again(here: Path) -> None:
    path = Path("a.txt")
    write_artefact(path, "right")
    about = path.stat()
    path.write_text("wrong")
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))  # nobody does this by accident
    assert content_of(path)["sha256"] == sha256("right")


def test_an_edited_file_in_a_folder_is_read_again(here: Path) -> None:
    with artefact_folder(Path("lists")):
        write_text(Path("lists/a.csv"), "a\n")
    Path("lists/a.csv").write_text("b\n")
    os.utime("lists/a.csv", ns=(0, 0))
    assert content_of(Path("lists/a.csv"))["sha256"] == sha256("b\n")


def test_rows_come_from_the_footer_and_from_lines(tmp_path: Path) -> None:
    write_rows(tmp_path / "r.parquet", "roles", [ROLE, ROLE])
    (tmp_path / "a.csv").write_text("a\n1\n")
    (tmp_path / "empty.csv").write_text("")
    assert rows_of(tmp_path / "r.parquet", ".parquet") == 2
    assert rows_of(tmp_path / "a.csv", ".csv") == 1 and rows_of(tmp_path / "empty.csv", ".csv") == 0
    assert rows_of(tmp_path / "a.csv", ".html") is None
    with pytest.raises(ValueError, match="footer cannot be read"):
        rows_of(tmp_path / "a.csv", ".parquet")


def test_a_table_of_row_groups_has_a_manifest(here: Path) -> None:
    with RowGroupWriter(Path("t.parquet"), "tiles", "zstd") as writer:
        writer.append({"image_id": "i", "tile_row": 0, "tile_col": 0, "pixels": b"1"})
    assert manifest_of(Path("t.parquet"))["rows"] == 1


def test_a_manifest_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    assert read_manifest(path) is None and stated_sha256(path) is None
    manifest_path(path).write_text("{")
    with pytest.raises(ValueError, match="a.txt.manifest.json cannot be read as a manifest"):
        read_manifest(path)
    manifest_path(path).write_text(json.dumps({"step": "x"}))
    with pytest.raises(ValueError, match="is no manifest, or damaged: it does not say `bytes`"):
        read_manifest(path)
    manifest_path(path).write_text("[]")
    with pytest.raises(ValueError, match="it is not a JSON object. Run the rule that wrote .*a.txt again"):
        read_manifest(path)
    manifest_path(path).unlink()
    manifest_path(path).mkdir()
    with pytest.raises(ValueError, match="cannot be read as a manifest .Is a directory"):
        read_manifest(path)
    manifest_path(path).rmdir()
    edited = {"bytes": 1, "sha256": "", "step": "x", "began_utc": "", "inputs": []}
    manifest_path(path).write_text(json.dumps(edited))
    with pytest.raises(ValueError, match="is no manifest"):
        read_manifest(path)


def test_a_manifests_name_and_its_artefacts_belong_together(tmp_path: Path) -> None:
    path = tmp_path / "holistic.parquet"
    assert manifest_path(path).name == ".holistic.parquet.manifest.json" and is_manifest(manifest_path(path))
    assert artefact_of(manifest_path(path)) == path and not is_manifest(path)
