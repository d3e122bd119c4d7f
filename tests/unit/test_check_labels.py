"""check_labels: counts of a label table or its faults, and never an id."""

import subprocess
import sys
from pathlib import Path

import pytest

from mammo_steps.core.labels import Windows
from mammo_steps.datasets.check_labels import config_windows, main

HEADER = "patient_id,exam_id,laterality,outcome,reader_1,reader_2,days_to_diagnosis,recalled"


def table(folder: Path, *lines: str) -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path


def test_counts_are_printed_per_outcome_and_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(
        tmp_path,
        "SECRET1,SECRET2,L,normal,1,,,",
        "SECRET1,SECRET2,R,normal,1,,,",
        "SECRET1,SECRET3,L,screen_detected,1,,,",
        "SECRET4,SECRET5,L,unknown,,,,",
        "SECRET6,SECRET7,L,,,,-1,1",
    )
    main(["--dataset", "own_archive_breasts", "--labels", str(path)])
    said = capsys.readouterr().out
    words = [" ".join(line.split()) for line in said.splitlines()]
    assert words[0] == "4 exams of 3 women"
    assert {"normal 1", "screen_detected 1 side not known: 0", "unknown 2", "interval 0"} <= set(words)
    assert {
        "so in the table 1",
        "dates_contradict 1",
        "both breasts read by reader_1: 1",
        "follow-up known: 0",
    } <= set(words)
    assert "SECRET" not in said


def test_given_windows_are_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path, "p,e,L,,,,30,1")
    windows = '{"screen_detected_days": 10, "interval_days": 60, "prior_days": null}'
    main(["--dataset", "own_archive_breasts", "--labels", str(path), "--windows", windows])
    assert "interval               1" in capsys.readouterr().out


def test_faults_end_with_a_message_and_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="line 2, laterality: found nothing"):
        main(["--dataset", "own_archive_breasts", "--labels", str(table(tmp_path, "p,e,,normal,,,,"))])
    with pytest.raises(SystemExit, match="there is no such label table"):
        main(["--dataset", "own_archive", "--labels", str(tmp_path / "none.csv")])


def test_the_windows_are_those_of_the_config_and_of_the_data_sets_overlay(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "outcome_windows: {screen_detected_days: 180, interval_days: 730, prior_days: null}"
    )
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets/some.yaml").write_text("outcome_windows: {screen_detected_days: 59}")
    assert config_windows("other", tmp_path) == Windows(180, 730, None)
    assert config_windows("some", tmp_path) == Windows(59, 730, None)
    assert config_windows("csaw_cc") == Windows(59, 729, None)


@pytest.mark.parametrize("name", ["own_archive_breasts", "csaw_cc", "rsna", "vindr_mammo", "inbreast"])
def test_reading_labels_imports_nothing_heavy(name: str) -> None:
    heavy = "{'numpy', 'pandas', 'torch', 'pydicom'}"
    code = f"import sys, mammo_steps.datasets.{name}; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
