"""label_tables: somebody's table is read to the letter, or refused with line and column and no cell."""

from pathlib import Path

import pytest

from mammo_steps.datasets.label_tables import (
    Faults,
    Row,
    TableFormat,
    agreed,
    by_key,
    checked,
    code,
    need_ids,
    number,
    one_of,
    read_rows,
)

FORM = TableFormat(required=("id", "path"), optional=("score",), missing=frozenset({"NaN", "."}))


def rows_of(folder: Path, text: str, form: TableFormat = FORM) -> tuple[list[Row], Faults]:
    path = folder / "table.csv"
    path.write_bytes(text.encode())
    faults = Faults(path)
    return list(read_rows(path, form, faults)), faults


def refused(faults: Faults) -> str:
    with pytest.raises(ValueError, match="table.csv") as error:
        faults.refuse()
    return str(error.value)


def one_cell(text: str) -> tuple[Row, Faults]:
    return Row(7, {"cell": text}), Faults(Path("table.csv"))


def test_cells_stay_text_and_other_columns_are_passed_over(tmp_path: Path) -> None:
    rows, faults = rows_of(tmp_path, "more,id,path\n1,00710,1e5\n")
    assert rows == [Row(2, {"id": "00710", "path": "1e5", "score": ""})]
    faults.refuse()


def test_only_the_stated_words_mean_missing(tmp_path: Path) -> None:
    rows, _ = rows_of(tmp_path, "id,path,score\nNaN,.,\nNA,None,nan\n")
    assert [list(row.cells.values()) for row in rows] == [["", "", ""], ["NA", "None", "nan"]]


def test_a_line_break_in_a_quoted_cell_is_survived_and_lines_are_still_counted(tmp_path: Path) -> None:
    rows, _ = rows_of(tmp_path, 'id,path\na,"x/1.dcm\n"\n\nb,"y\nz"\nc,w\n')
    assert [(row.line, row["id"], row["path"]) for row in rows] == [
        (2, "a", "x/1.dcm"),
        (5, "b", "y\nz"),
        (7, "c", "w"),
    ]


def test_a_byte_order_mark_and_windows_lines_do_no_harm(tmp_path: Path) -> None:
    rows, _ = rows_of(tmp_path, "\ufeffid,path\r\n a , b \r\n")
    assert rows[0].cells == {"id": "a", "path": "b", "score": ""}


@pytest.mark.parametrize("mark", [";", "\t"])
def test_the_stated_separator_is_used(tmp_path: Path, mark: str) -> None:
    form = TableFormat(required=("id", "path"), separator=mark)
    rows, _ = rows_of(tmp_path, f"id{mark}path\na,b{mark}c\n", form)
    assert rows[0].cells == {"id": "a,b", "path": "c"}


def test_a_wrong_separator_says_which_one_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 1: one column .* separate the columns by semicolons"):
        rows_of(tmp_path, "id,path\na,b\n", TableFormat(required=("id", "path"), separator=";"))


def test_a_column_may_have_another_name_in_another_release(tmp_path: Path) -> None:
    form = TableFormat(required=("breast_density",), other_names={"breast density": "breast_density"})
    assert rows_of(tmp_path, "breast density\n3\n", form)[0][0]["breast_density"] == "3"
    with pytest.raises(ValueError, match="column breast_density stands there twice"):
        rows_of(tmp_path, "breast density,breast_density\n3,3\n", form)


def test_a_missing_column_is_named_with_the_wanted_ones_and_no_cell_is_shown(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="column path is missing. Wanted: id, path, and optionally score"):
        rows_of(tmp_path, "id,SECRET\nSECRET,SECRET\n")


def test_more_columns_are_refused_by_place_where_the_table_is_ones_own(tmp_path: Path) -> None:
    form = TableFormat(required=("id", "path"), more_columns=False)
    with pytest.raises(ValueError, match="unknown columns, counted from the left: number 2") as error:
        rows_of(tmp_path, "id,SECRET,path\n", form)
    assert "SECRET" not in str(error.value)


def test_a_row_of_another_length_is_left_out_and_told(tmp_path: Path) -> None:
    rows, faults = rows_of(tmp_path, "id,path\na\nb,c\n")
    assert [row["id"] for row in rows] == ["b"]
    assert "line 2, whole line: found 1 cells, wanted 2, as in line 1" in refused(faults)


def test_a_file_that_is_not_utf_8_and_an_open_quotation_mark_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("id,path\nÅ,b\n".encode("latin-1"))
    with pytest.raises(ValueError, match="not UTF-8: save the table as `CSV UTF-8`"):
        list(read_rows(path, FORM, Faults(path)))
    with pytest.raises(ValueError, match="not a CSV line"):
        rows_of(tmp_path, 'id,path\na,"b\n')


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    with pytest.raises(FileNotFoundError, match="none.csv: there is no such label table"):
        list(read_rows(path, FORM, Faults(path)))


def test_the_first_ten_faults_are_told_by_line_with_the_total() -> None:
    faults = Faults(Path("table.csv"))
    for line in range(13, 1, -1):
        faults.add(line, "id", "nothing", "an id")
    message = refused(faults)
    assert message.startswith("table.csv: 12 fault(s) in this table")
    assert [f"line {line}," in message for line in (2, 11, 12, 13)] == [True, True, False, False]
    assert message.endswith("and 2 more")


@pytest.mark.parametrize(("text", "value"), [("", None), ("2", 2.0), ("-0.5", -0.5), ("1e3", 1000.0)])
def test_a_number_is_read(text: str, value: float | None) -> None:
    row, faults = one_cell(text)
    assert number(row, "cell", faults) == value
    faults.refuse()


@pytest.mark.parametrize(
    ("text", "found"),
    [("nan", "no number"), ("inf", "no number"), ("x", "no number"), ("1,5", "a decimal comma")],
)
def test_another_number_is_refused(text: str, found: str) -> None:
    row, faults = one_cell(text)
    assert number(row, "cell", faults) is None
    assert f"line 7, cell: found {found}, wanted a number such as 2 or 0.5, or nothing" in refused(faults)


@pytest.mark.parametrize(("text", "found"), [("1e308", "1e+308"), ("-1000001", "-1e+06"), ("1e999", "inf")])
def test_a_number_of_no_sane_size_is_refused(text: str, found: str) -> None:
    row, faults = one_cell(text)
    assert number(row, "cell", faults) is None
    assert f"line 7, cell: found {found}, wanted -1,000,000 to 1,000,000, or nothing" in refused(faults)
    for edge in ("1e6", "-1000000"):
        assert number(one_cell(edge)[0], "cell", faults) == float(edge)


def test_words_are_read_in_any_case_and_others_refused_without_being_shown() -> None:
    sides = {"left": "L", "right": "R"}
    row, faults = one_cell("LEFT")
    assert one_of(row, "cell", sides, faults) == "L"
    assert one_of(one_cell("")[0], "cell", sides, faults) is None
    faults.refuse()
    assert one_of(one_cell("SECRET")[0], "cell", sides, faults) is None
    message = refused(faults)
    assert "found another word, wanted left, right, or nothing" in message and "SECRET" not in message


@pytest.mark.parametrize(("text", "value"), [("", None), ("1", "one"), ("1.0", "one"), ("2", "two")])
def test_codes_may_be_written_as_whole_or_decimal_numbers(text: str, value: str | None) -> None:
    row, faults = one_cell(text)
    assert code(row, "cell", {1: "one", 2: "two"}, faults) == value
    faults.refuse()


@pytest.mark.parametrize(
    ("text", "found"), [("3", "another number"), ("1.5", "another number"), ("a", "no number")]
)
def test_another_code_is_refused(text: str, found: str) -> None:
    row, faults = one_cell(text)
    assert code(row, "cell", {1: "one", 2: "two"}, faults) is None
    assert f"line 7, cell: found {found}, wanted one of 1, 2, or nothing" in refused(faults)


def test_an_id_that_is_not_there_is_a_fault() -> None:
    row, faults = Row(3, {"patient_id": "", "exam_id": "e"}), Faults(Path("table.csv"))
    need_ids(row, ("patient_id", "exam_id"), faults)
    assert "1 fault(s)" in refused(faults) and "line 3, patient_id: found nothing" in refused(faults)


def test_rows_of_an_exam_are_put_together_and_have_to_agree() -> None:
    rows = [
        Row(line, {"exam": exam, "reader": cell})
        for line, exam, cell in [
            (2, "a", ""),
            (3, "b", "SECRET1"),
            (4, "a", "1"),
            (5, "b", "SECRET2"),
            (6, "a", "1"),
        ]
    ]
    groups = by_key(rows, "exam")
    assert {key: [row.line for row in group] for key, group in groups.items()} == {
        ("a",): [2, 4, 6],
        ("b",): [3, 5],
    }
    faults = Faults(Path("table.csv"))
    assert agreed(groups["a",], "reader", faults) == rows[2]
    assert agreed(rows[:1], "reader", faults) is None
    faults.refuse()
    assert agreed(groups["b",], "reader", faults) == rows[1]
    message = refused(faults)
    assert (
        "line 5, reader: found something else than line 3 has for the same exam, wanted one value" in message
    )
    assert "SECRET" not in message


def test_a_table_without_labels_is_refused_and_faults_come_first() -> None:
    faults = Faults(Path("table.csv"))
    with pytest.raises(ValueError, match="table.csv: no exam below line 1; wanted one row per exam"):
        checked([], faults, "exam")
    faults.add(2, "id", "nothing", "an id")
    with pytest.raises(ValueError, match="1 fault"):
        checked([], faults, "exam")
