"""One's own archive, where outcomes or readers' scores are known by breast: a CSV table with one row per breast.

Columns, in any order:

    patient_id          PatientID of the DICOM headers
    exam_id             the exam's id in the headers, by default StudyInstanceUID
    laterality          L or R
    outcome             of this breast: normal, benign, screen_detected, interval, prior or unknown
    reader_1, reader_2  this breast's scores, higher = more suspicious; empty = not read
    follow_up_months    optional: months without cancer that are known after the exam, the same for both breasts
    days_to_diagnosis, recalled
                        optional, in place of `outcome`, as in `own_archive`; `recalled` is about the exam
    density             optional, as in `own_archive`, about the exam
    cancer_type         optional, as in `own_archive`, of this breast; of two the exam has the first of that list

The file is UTF-8 with commas. Ids are text: leading zeros count. The words mean what they mean in `own_archive`.
An exam is what its breasts are, see `breast_outcomes`: the worse outcome counts, a cancer's side is that of the
breasts with that outcome, and an exam without a cancer is unknown as long as one of its breasts is.

One breast may be missing, as after a mastectomy: the exam is then what the other breast is, and no reader's score
of the exam is formed, since that is the highest of two breasts. Faults are two rows of the same breast, two women
for one exam, follow-up or recall that differ between breasts, and a reader who scored one of two breasts. To look
at a table alone: `python -m mammo_steps.datasets.check_labels --dataset own_archive_breasts --labels labels.csv`.
"""

from collections.abc import Sequence
from pathlib import Path

from mammo_steps.core.labels import CANCER_TYPES, ExamLabel, Windows
from mammo_steps.core.terms import Outcome
from mammo_steps.datasets.breast_outcomes import BreastOutcome, exam_outcome
from mammo_steps.datasets.label_tables import (
    Faults,
    Row,
    TableFormat,
    agreed,
    by_key,
    checked,
    need_ids,
    number,
    read_rows,
)
from mammo_steps.datasets.own_archive import (
    OPTIONAL,
    READERS,
    add_undated,
    cancer_type_of,
    density_of,
    follow_up,
    lines_before_another_exam,
    outcome_of_row,
)

REQUIRED = ("patient_id", "exam_id", "laterality", "outcome", *READERS)
SIDES = {"L": "left", "R": "right"}


def _breast(row: Row, windows: Windows, faults: Faults, screened_again: bool) -> BreastOutcome:
    need_ids(row, ("patient_id", "exam_id"), faults)
    if row["laterality"] not in SIDES:
        found = "another word" if row["laterality"] else "nothing"
        faults.add(row.line, "laterality", found, "L or R, so written")
    outcome, undefined = outcome_of_row(row, windows, faults, screened_again)
    return BreastOutcome(row["laterality"], outcome or Outcome.UNKNOWN, undefined)


def _check_breasts(rows: Sequence[Row], faults: Faults) -> None:
    """Faults of an exam's rows taken together."""
    first: dict[str, Row] = {}
    for row in rows:
        earlier = first.setdefault(row["laterality"], row)
        if earlier is not row:
            faults.add(
                row.line, "laterality", f"the breast of line {earlier.line} again", "one row per breast"
            )
    for reader in READERS:
        if len({bool(row[reader]) for row in rows}) == 2:
            wanted = "both breasts where this reader read the exam, neither where not"
            faults.add(rows[-1].line, reader, f"one of two breasts (from line {rows[0].line})", wanted)
    for column in ("patient_id", "follow_up_months", "recalled", "density"):
        agreed(rows, column, faults)


def _label(rows: Sequence[Row], windows: Windows, faults: Faults, again: set[int]) -> ExamLabel:
    """The rows of one exam as a label; their faults are added to `faults`.

    again  lines of exams after which the woman was screened again before the diagnosis
    """
    breasts = [_breast(row, windows, faults, row.line in again) for row in rows]
    _check_breasts(rows, faults)
    scores: dict[str, float | None] = {
        f"{reader}_{side}": None for reader in READERS for side in SIDES.values()
    }
    months = [follow_up(row, faults) for row in rows]
    for row in rows:
        for reader in READERS:
            scores[f"{reader}_{SIDES.get(row['laterality'], 'left')}"] = number(row, reader, faults)
    types = {cancer_type_of(row, breast.outcome, faults) for row, breast in zip(rows, breasts, strict=True)}
    densities = [density_of(row, faults) for row in rows]
    outcome, side, undefined = exam_outcome(breasts)
    return ExamLabel(
        patient_id=rows[0]["patient_id"],
        exam_id=rows[0]["exam_id"],
        outcome=outcome,
        cancer_laterality=side,
        follow_up_months=next((known for known in months if known is not None), None),
        row=rows[0].line,
        undefined=undefined,
        density=next((known for known in densities if known), None),
        cancer_type=next((kind for kind in CANCER_TYPES if kind in types), None) if side else None,
        reader_1_left=scores["reader_1_left"],
        reader_1_right=scores["reader_1_right"],
        reader_2_left=scores["reader_2_left"],
        reader_2_right=scores["reader_2_right"],
    )


def read_labels(path: Path, windows: Windows) -> list[ExamLabel]:
    """One label per exam, in the order of their first rows; ValueError names every fault's line and column."""
    faults = Faults(path)
    form = TableFormat(REQUIRED, OPTIONAL, more_columns=False)
    rows = list(read_rows(path, form, faults))
    add_undated(rows, faults)
    again = lines_before_another_exam(rows)
    labels = [_label(of_exam, windows, faults, again) for of_exam in by_key(rows, "exam_id").values()]
    return checked(labels, faults, "breast")
