import json
import os
from pathlib import Path

import pytest

from mammo_steps.by_hand.verify_study import advice, in_turns, main, manifests_of
from mammo_steps.core.artefacts import artefact_folder, begin, reading, write_artefact
from mammo_steps.core.files import write_text
from mammo_steps.core.manifest import bears_time_of, manifest_path
from mammo_steps.core.tables import write_rows

STUDY = Path("results/s")
A, B, C = (STUDY / name for name in ("a.csv", "b.csv", "c.csv"))
ROLES, FIGURES, RAW = STUDY / "roles.parquet", STUDY / "figures", Path("labels.csv")
RIGHT = "6 artefacts as they were left, 0 not"


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """labels.csv -> private/list.csv -> a -> b -> c, a table and a folder."""
    monkeypatch.chdir(tmp_path)
    RAW.write_text("label\n1\n")
    write_step("list_images", Path("private/list.csv"), RAW)
    write_step("split_folds", A, Path("private/list.csv"))
    write_step("score_exams", B, A)
    write_step("evaluate", C, B, A)
    begin("split_folds", {})
    write_rows(ROLES, "roles", [{"patient_id": "p", "fold": 0, "role": "test"}])
    begin("draw_figures", {})
    with artefact_folder(FIGURES):
        write_text(FIGURES / "one.svg", "<svg/>")
        write_text(FIGURES / "two.svg", "<svg>2</svg>")
    return tmp_path


def write_step(step: str, result: Path, *inputs: Path, text: str = "") -> None:
    begin(step, {})
    for path in inputs:
        reading(path)
    write_artefact(result, f"x\n{text or result.stem}\n")


def verify(capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, str]:
    """Exit status, and what was printed."""
    capsys.readouterr()
    try:
        main(["--results", str(STUDY), *flags])
    except SystemExit as ended:
        return (ended.code if isinstance(ended.code, int) else 2), capsys.readouterr().out
    return 0, capsys.readouterr().out


@pytest.mark.parametrize("flags", [(), ("--quick",)])
def test_a_study_as_it_was_left_is_told_in_one_line(
    study: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...]
) -> None:
    for path in STUDY.rglob("*.csv"):
        os.utime(path)  # Snakemake touches what a job has written
    status, said = verify(capsys, *flags)
    assert status == 0 and RIGHT.replace("6", "6") in said and len(said.splitlines()) == 1
    assert bears_time_of(A)


def change_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("flags", [(), ("--quick",)])
def test_each_kind_of_damage_is_found_with_what_was_wanted(
    study: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...]
) -> None:
    change_bit(A)
    B.unlink()
    ROLES.write_bytes(ROLES.read_bytes()[:-9])
    (FIGURES / "one.svg").unlink()
    (FIGURES / "three.svg").write_text("")
    (STUDY / "notes.txt").write_text("mine")
    status, said = verify(capsys, *flags)
    lines = [line.strip() for line in said.splitlines()]
    assert status == 1
    assert lines[lines.index(str(A)) + 1].startswith("found:  other bytes, as many (sha256 ")
    assert lines[lines.index(str(B)) + 1 :][:3] == [
        "found:  it is gone", "wanted: 4 bytes, 1 rows, sha256 " + sha_of("x\nb\n"), "rule:   score_exams",
    ]  # fmt: skip
    assert "found:  three.svg is in it" in lines and "found:  one.svg is gone from it" in lines
    assert any(line.startswith("found:  1,") or line.endswith("bytes") for line in lines)
    assert (
        lines[lines.index(str(STUDY / "notes.txt")) + 1] == "found:  no manifest says what it was made from"
    )
    assert "2 artefacts as they were left, 5 not" in said


def sha_of(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()[:12]


def test_quick_trusts_a_time_of_change_and_the_whole_check_does_not(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    about = C.stat()
    change_bit(C)
    os.utime(C, ns=(about.st_atime_ns, about.st_mtime_ns))  # as a failing disk would
    assert verify(capsys, "--quick")[0] == 0
    status, said = verify(capsys)
    assert status == 1 and str(C) in said


def test_a_result_of_another_generation_of_its_input_is_found(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_step("score_exams", B, A, text="another")
    status, said = verify(capsys)
    assert status == 1 and f"made from another {B} (sha256 {sha_of('x' + chr(10) + 'b' + chr(10))})" in said
    assert said.count("rule:") == 1 and "rule:   evaluate" in said
    write_step("evaluate", C, B, A)
    assert verify(capsys)[0] == 0


def test_an_outside_input_that_changed_or_went_is_found(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    RAW.write_text("label\n2\n")
    status, said = verify(capsys)
    assert status == 1 and f"made from another {RAW}" in said and "private/list.csv" in said
    RAW.unlink()
    assert "its input labels.csv is gone" in verify(capsys)[1]


def test_what_lies_elsewhere_and_was_made_by_a_step_is_looked_at(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change_bit(Path("private/list.csv"))
    status, said = verify(capsys)
    assert status == 1 and said.startswith("private/list.csv\n")


def test_a_damaged_manifest_is_found(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest_path(C).write_text("{")
    status, said = verify(capsys)
    assert status == 1 and "its manifest is damaged" in said


def test_manifests_that_name_each_other_in_a_circle_are_damaged(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for artefact, from_ in ((A, C), (ROLES, ROLES)):
        manifest = json.loads(manifest_path(artefact).read_text())
        manifest["inputs"][str(from_)] = {"sha256": "0" * 64, "bytes": 1}
        manifest_path(artefact).write_text(json.dumps(manifest))
    status, said = verify(capsys)
    assert status == 1 and said.count("its manifest is damaged") == 4  # a, b and c, and the table
    assert str(FIGURES) not in said


def test_logs_and_hidden_files_need_no_manifest(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("logs/evaluate/log.log", "holistic/fold0/events/events.out", ".resume/x/state.pt"):
        (STUDY / name).parent.mkdir(parents=True)
        (STUDY / name).write_text("")
    assert verify(capsys)[0] == 0


def test_a_table_whose_footer_says_other_rows_is_found(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = manifest_path(ROLES).read_text()
    manifest_path(ROLES).write_text(text.replace('"rows": 1', '"rows": 2'))
    assert "found:  1 rows" in verify(capsys)[1]


def test_files_are_made_anew_in_the_order_in_which_they_follow(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    A.unlink()
    C.unlink()
    (FIGURES / "one.svg").unlink()
    manifests = manifests_of(STUDY)
    assert in_turns([A, C, FIGURES], manifests) == [[A, FIGURES], [C]]
    said = verify(capsys, "--snakemake", "snakemake --cores 2")[1]
    commands = said[said.index("in this order:") :].replace("\\\n        ", "").split("\n")[2:]
    assert [command.strip() for command in commands if command] == [
        "snakemake results/s/a.csv results/s/figures --force --cores 2",
        "snakemake results/s/c.csv --force --cores 2",
        "snakemake verify --cores 2",
        "snakemake all --cores 2",
    ]


def test_who_does_not_say_how_the_study_is_run_is_told_to_add_it(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    C.unlink()
    said = verify(capsys)[1]
    assert (
        "    snakemake all --cores all\n" in said
        and "run with --configfile or --directory? Then add it" in said
    )
    assert "--configfile" not in verify(capsys, "--snakemake", "snakemake --cores 2")[1]


def test_a_file_of_no_rule_is_not_among_the_studys(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (STUDY / "notes.txt").write_text("mine")
    assert "that no rule makes is not the study's" in verify(capsys)[1]
    assert "that no rule makes" not in advice([], {}, STUDY)


def test_a_folder_without_manifests_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="holds no manifests: wanted the folder of a study"):
        main(["--results", str(tmp_path)])


def test_what_another_study_made_is_left_to_that_one(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card, scores = Path("results/first/card.md"), STUDY / "scores.csv"
    write_step("write_cards", card)
    write_step("predict", scores, card)
    assert verify(capsys)[0] == 0
    change_bit(card)
    status, said = verify(capsys, "--goal", "predict")
    assert status == 1 and "What lies in results/first is another study's" in said
    commands = [line for line in said.splitlines() if line.startswith("    snakemake")]
    assert commands == ["    snakemake verify --cores all", "    snakemake predict --cores all"]
