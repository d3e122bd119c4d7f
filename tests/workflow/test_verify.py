"""What Snakemake does not see, `snakemake verify` finds; and what it advises makes everything right again."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running import environment, planned, reasons, snakemake

# every file is above this size: as files above max-checksum-file-size are, it is then compared by time
BY_TIME = ("--max-checksum-file-size", "1")


def verify(study: Path) -> tuple[int, str]:
    result = snakemake(study, "verify")
    assert "rule verify" in result.stderr + result.stdout, result.stderr
    return result.returncode, result.stdout


def advised(said: str) -> list[str]:
    """The commands that verify prints."""
    text = said[said.index("in this order:") :].replace("\\\n", " ")
    return re.findall(r"^    snakemake (.*)$", text, re.MULTILINE)


def follow(study: Path, command: str) -> str:
    result = subprocess.run(
        [sys.executable, "-m", "snakemake", *shlex.split(command)],
        cwd=study, capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def change_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_finished_study_is_as_it_was_left_and_verify_runs_nothing_else(finished_study: Path) -> None:
    status, said = verify(finished_study)
    assert status == 0 and re.search(
        r"^\d+ artefacts as they were left, 0 not; 0\.\d+ GB", said, re.MULTILINE
    )
    assert planned(snakemake(finished_study, "verify", "-n")) == {"verify": 1}
    assert planned(snakemake(finished_study, "all", "-n")) == {}


def test_the_advice_makes_a_damaged_study_right_and_trains_nothing_again(own_study: Path) -> None:
    results = own_study / "results/demo"
    auc = (results / "report/auc.csv").read_bytes()
    weights = {path: path.stat().st_ino for path in results.rglob("model.safetensors")}
    change_bit(results / "cohort/roles.parquet")
    tiles = results / "shards/demo-000/tiles.parquet"
    tiles.write_bytes(tiles.read_bytes()[:-100])
    (results / "holistic/fold1/images.parquet").unlink()
    shutil.copy(results / "attention/fold0/images.parquet", results / "attention/fold1/images.parquet")

    status, said = verify(own_study)
    assert status == 1
    wrong = re.findall(r"^(?:results|private)/\S+", said, re.MULTILINE)
    assert [path.removeprefix("results/demo/") for path in wrong] == [
        "attention/fold1/images.parquet", "cohort/roles.parquet", "holistic/fold1/images.parquet",
        "shards/demo-000/tiles.parquet",
    ]  # fmt: skip
    assert re.findall(r"rule:   (\w+)", said) == [
        "score_attention", "split_folds", "locate_coa", "make_shards",
    ]  # fmt: skip
    commands = advised(said)
    assert len(commands) == 5  # roles and tiles, COAs, scores; verify, all
    for command in commands[:-1]:
        follow(own_study, command)
    assert "Nothing to be done" in follow(own_study, commands[-1])
    assert (results / "report/auc.csv").read_bytes() == auc
    assert {path: path.stat().st_ino for path in weights} == weights


@pytest.mark.long
def test_of_large_files_verify_says_that_nothing_after_them_need_be_made_again(own_study: Path) -> None:
    coas = "results/demo/holistic/fold1/images.parquet"
    (own_study / coas).unlink()
    assert planned(snakemake(own_study, "all", "-n", *BY_TIME)) == {}  # it does not see this
    assert planned(snakemake(own_study, coas, "--force", "-n", *BY_TIME)) == {"locate_coa": 1}
    follow(own_study, advised(verify(own_study)[1])[0])
    later = snakemake(own_study, "all", "-n", *BY_TIME)
    assert "train_attention" in planned(later) and "Updated input files" in reasons(later)["crop_rois"]
    assert verify(own_study)[0] == 0  # the same bytes: what follows from them is right
    assert snakemake(own_study, "all", "--touch", *BY_TIME).returncode == 0
    assert planned(snakemake(own_study, "all", "-n", *BY_TIME)) == {} and verify(own_study)[0] == 0


@pytest.mark.long
def test_results_computed_from_an_edited_table_are_found_after_it_was_made_anew(own_study: Path) -> None:
    results = own_study / "results/demo"
    auc = (results / "report/auc.csv").read_bytes()
    scores = results / "attention/fold1/images.parquet"
    shutil.copy(results / "attention/fold0/images.parquet", scores)
    change_bit(results / "shards/demo-001/holistic.parquet")
    shutil.rmtree(results / "report/figures")
    (results / "report/.auc.csv.manifest.json").unlink()
    for _ in range(4):
        status, said = verify(own_study)
        if status == 0:
            break
        for command in advised(said)[:-2]:
            follow(own_study, command)
    assert status == 0 and (results / "report/auc.csv").read_bytes() == auc
