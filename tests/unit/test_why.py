from pathlib import Path

import pytest

from mammo_steps.by_hand.why import main
from mammo_steps.core.artefacts import artefact_folder, begin, reading, write_artefact
from mammo_steps.core.files import write_text
from mammo_steps.core.manifest import manifest_path
from mammo_steps.core.origin import grouped

TABLE = Path("results/s/report/auc.csv")


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five shards and labels -> images -> two folds -> a table."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    Path("labels.csv").write_text("label\n")
    shards = [Path(f"results/s/shards/first-{number:03d}/images.parquet") for number in range(5)]
    begin("index_archive", {})
    with artefact_folder(Path("private/lists")):
        write_text(Path("private/lists/first.csv"), "x\n")
    for shard in shards:
        step("make_shards", shard.with_suffix(".txt"), [Path("private/lists/first.csv")])
    images = Path("results/s/cohort/images.txt")
    step("list_images", images, [Path("labels.csv"), *(shard.with_suffix(".txt") for shard in shards)])
    folds = [Path(f"results/s/holistic/fold{number}/images.txt") for number in range(2)]
    for fold in folds:
        step("locate_coa", fold, [images])
    step("evaluate", TABLE, [images, *folds], seed=4, settings={"prior": "negative"})


def step(name: str, result: Path, inputs: list[Path], **settings: object) -> None:
    begin(name, settings)
    for path in inputs:
        reading(path)
    write_artefact(result, f"{result}\nrow\n")


def why(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    capsys.readouterr()
    main(arguments)
    return capsys.readouterr().out.splitlines()


def test_it_says_step_time_place_cost_settings_and_inputs(
    study: None, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = why(capsys, str(TABLE))
    assert lines[0].startswith(f"{TABLE}: 29 bytes, 1 rows, sha256 ")
    assert lines[1].startswith("  step         evaluate, code ") and ", SLURM job 77" in lines[2]
    assert lines[3].startswith("  cost         0") and "numpy" in lines[4]
    assert lines[5:8] == ["  seed         4", '  settings     {"prior": "negative"}', "  made from"]
    assert [line.split()[0] for line in lines[8:]] == [
        "results/s/cohort/images.txt", "results/s/holistic/fold0/images.txt",
        "results/s/holistic/fold1/images.txt",
    ]  # fmt: skip
    assert all(line.endswith((", list_images", ", locate_coa")) for line in lines[8:])


def test_the_deep_origin_is_a_tree_in_which_nothing_stands_twice(
    study: None, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = why(capsys, str(TABLE), "--deep")[8:]
    told = [(len(line) - len(line.lstrip()), line.split()[0]) for line in lines]
    assert told == [
        (4, "results/s/cohort/images.txt"),
        (6, "labels.csv"),
        (6, "5"),
        (8, "private/lists/first.csv"),
        (4, "results/s/holistic/fold0/images.txt"),
        (6, "results/s/cohort/images.txt"),
        (4, "results/s/holistic/fold1/images.txt"),
        (6, "results/s/cohort/images.txt"),
    ]
    assert lines[2].strip() == (
        "5 files: results/s/shards/first-000/images.txt ... results/s/shards/first-004/images.txt, make_shards"
    )
    assert lines[5].endswith(", list_images, see above") and lines[3].endswith(", index_archive")


def test_what_has_changed_since_is_said(study: None, capsys: pytest.CaptureFixture[str]) -> None:
    TABLE.write_text("edited")
    assert "  it now has 6 bytes: see `snakemake verify`" in why(capsys, str(TABLE))
    TABLE.unlink()
    assert "  it is gone: see `snakemake verify`" in why(capsys, str(TABLE))
    begin("locate_coa", {})
    write_artefact(Path("results/s/holistic/fold1/images.txt"), "another")
    assert [line for line in why(capsys, str(TABLE)) if ", now another: " in line] != []


def test_a_file_in_a_folder_has_the_folders_origin(study: None, capsys: pytest.CaptureFixture[str]) -> None:
    lines = why(capsys, "private/lists/first.csv")
    assert lines[0].startswith("private/lists: 2 bytes, 1 files") and "index_archive" in lines[1]
    assert lines[-1] == "  made from its settings alone"


def test_a_file_deep_in_a_folder_has_its_origin(study: None, capsys: pytest.CaptureFixture[str]) -> None:
    begin("make_bundle", {})
    with artefact_folder(Path("bundle")):
        write_text(Path("bundle/networks/fold0/a.txt"), "x\n")
    assert why(capsys, "bundle/networks/fold0/a.txt")[0].startswith("bundle: 2 bytes, 1 files")


def test_a_damaged_manifest_is_named(study: None) -> None:
    manifest_path(TABLE).write_text('{"step": 1}')
    with pytest.raises(
        SystemExit, match=f"{manifest_path(TABLE)} is no manifest, or damaged: it does not say"
    ):
        main([str(TABLE)])


def test_a_file_of_no_step_is_refused(study: None) -> None:
    with pytest.raises(SystemExit, match="labels.csv: neither it nor a folder above has a manifest of it"):
        main(["labels.csv"])
    with pytest.raises(SystemExit, match="private: a folder that no step has written as a whole"):
        main(["private"])


def test_a_file_that_is_not_there_is_told_of_as_such(study: None) -> None:
    with pytest.raises(
        SystemExit, match=r"^results/s/report/auk.csv is not there, and no manifest tells of it"
    ):
        main(["results/s/report/auk.csv"])


def test_many_files_that_differ_in_numbers_are_one_group() -> None:
    shards = {f"s/a-{number}.p": {} for number in range(4)}
    assert grouped({"b.csv": {}, "f0": {}, "f1": {}, **shards}) == [["b.csv"], ["f0"], ["f1"], list(shards)]
