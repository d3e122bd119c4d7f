"""The labels of a data set as a table by pseudonym."""

import importlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from mammo_steps.core.ids import Pseudonyms
from mammo_steps.core.labels import ExamLabel, LabelReader, Windows

SCORES = ("reader_1_left", "reader_1_right", "reader_2_left", "reader_2_right")


def read_dataset_labels(dataset: str, path: Path, windows: Windows) -> list[ExamLabel]:
    """The labels as the adapter `mammo_steps.datasets.<dataset>` reads them."""
    adapter: LabelReader = importlib.import_module(f"mammo_steps.datasets.{dataset}")
    return adapter.read_labels(path, windows)


def label_frame(labels: Sequence[ExamLabel], pseudonyms: Pseudonyms) -> pd.DataFrame:
    """The labels by hashed exam_id; `row` is the line in the source."""
    texts = dict.fromkeys(("outcome", "cancer_laterality", "density", "cancer_type"), "str")
    numbers = dict.fromkeys((*SCORES, "follow_up_months"), "float64")
    frame = pd.DataFrame([vars(label) for label in labels]).astype(texts | numbers)
    frame["exam_id"] = [pseudonyms.exam(label.exam_id) for label in labels]
    frame["patient_id"] = [pseudonyms.patient(label.patient_id) for label in labels]
    again = frame["exam_id"].duplicated(keep=False)
    if again.any():
        raise ValueError(
            f"label table: {int(again.sum())} rows share an exam with another, such as lines "
            f"{frame.loc[again, 'row'].head(10).tolist()}; wanted one row per exam"
        )
    return frame.rename(columns={"patient_id": "label_patient_id"}).set_index("exam_id")
