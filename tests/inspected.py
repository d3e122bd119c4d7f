"""What `inspect` prints, for tests, and a table to look at."""

from pathlib import Path

import pytest

from mammo_steps.core.artefacts import begin, reading, write_artefact
from mammo_steps.core.tables import write_rows
from mammo_steps.inspect import main

WOMAN = "p0123456789abcdef0123"


def inspect(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Exit status, and what was printed or is the message."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    out, error = capsys.readouterr()
    if isinstance(ended.value.code, int):
        return ended.value.code, out + error
    return 1, f"{out}{ended.value.code}"


def lines_with(text: str, word: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.split()[:1] == [word]]


def scored(n: int = 101) -> Path:
    """Exam scores: holistic 0..n-1, reader_2 null for one in four, the first 80 of 101 normal."""
    path = Path("scores/exams.parquet")
    rows = [
        {
            "patient_id": WOMAN,
            "exam_id": f"e{number:020x}",
            "outcome": "normal" if number < 80 else "screen_detected",
            "fold": 0,
            "holistic": float(number),
            "attention": 0.5,
            "ensemble": 0.0,
            "reader_2": None if number % 4 == 0 else 1.0,
        }
        for number in range(n)
    ]
    write_rows(path, "exam_scores", rows)
    return path


def step(name: str, result: Path, *inputs: Path, text: str = "n\n1\n") -> Path:
    begin(name, {"seed": 4})
    for path in inputs:
        reading(path)
    write_artefact(result, text)
    return result
