"""A drawn archive that a test spoils and then gives to the workflow as one's own."""

import csv
import json
from pathlib import Path
from typing import Any

from header_settings import header_settings

from mammo_steps import make_demo_cohort
from mammo_steps.core.dicom_headers import read_header


def draw(settings: dict[str, Any], folder: Path, archive: str) -> None:
    """The archive's folder, labels.csv and lesions.csv in `folder`."""
    flags = {"settings": json.dumps(settings), "seed": 5, "workers": 1, "archive": folder / archive}
    flags |= {name: folder / f"{name}.csv" for name in ("labels", "lesions")}
    make_demo_cohort.main([f"--{name}={value}" for name, value in flags.items()])


def make_archive(
    folder: Path, exams_of: dict[str, int]
) -> tuple[dict[str, dict[str, Path]], list[dict[str, str]]]:
    """exam id -> "L-CC" ... -> file, of normal exams first; and the rows of the label table.

    exams_of  outcome -> number
    """
    settings = {
        "exams": exams_of, "share_two_exams": 0.0, "sizes": [[160, 128]], "lesion_contrast": 1.0,
        "interval_contrast": 0.5,
    }  # fmt: skip
    draw(settings, folder, "archive")
    exams: dict[str, dict[str, Path]] = {}
    for path in sorted((folder / "archive").rglob("*.dcm")):
        header = read_header(path, header_settings())
        exams.setdefault(header.exam_id, {})[f"{header.laterality}-{header.view}"] = path
    with (folder / "labels.csv").open() as file:
        return exams, list(csv.DictReader(file))


def write_labels(folder: Path, rows: list[dict[str, str]]) -> None:
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
