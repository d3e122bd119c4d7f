"""Counting what an archive holds."""

from made_index import exam_rows, files_of

from mammo_steps.core.archive_tables import (
    detail_table,
    machine_table,
    reason_table,
    size_table,
    syntax_table,
    year_table,
)
from mammo_steps.core.geometry import InputCut
from mammo_steps.core.reason_texts import REASON_TEXTS, UNDEFINED_TEXTS
from mammo_steps.core.terms import Reason, Undefined


def test_every_reason_has_a_meaning_and_an_advice() -> None:
    assert set(REASON_TEXTS) == set(Reason)
    assert all(text.meaning and text.advice for text in REASON_TEXTS.values())
    assert set(UNDEFINED_TEXTS) == {None, *Undefined}


def test_files_are_counted_by_reason_after_those_taken() -> None:
    files = files_of(exam_rows("a"), exam_rows("b", ("L-CC",), reason="not_dicom", detail="no DICOM prefix"))
    table = reason_table(files)
    assert table[["reason", "files", "share"]].values.tolist() == [["taken", 4, 0.8], ["not_dicom", 1, 0.2]]
    assert detail_table(files).values.tolist() == [["not_dicom", "no DICOM prefix", 1]]


def test_the_second_copy_of_an_image_is_a_duplicate() -> None:
    files = files_of(exam_rows("a", ("L-CC",)), exam_rows("a", ("L-CC",)))
    assert files["reason"].tolist()[1] == "duplicate_instance" and files["reason"].isna().tolist() == [
        True,
        False,
    ]
    assert files["level"].tolist() == ["image", "file"]


def test_machines_are_counted_with_what_is_taken_and_left_out() -> None:
    left_out = exam_rows("b", ("L-CC",), reason="synthetic", model=None, intent=None)
    unread = exam_rows("c", ("L-CC",), reason="not_dicom", vendor=None)
    rows = machine_table(files_of(exam_rows("a"), left_out, unread)).values.tolist()
    assert rows == [
        ["siemens", "inspiration", "presentation", "CC", "linear", 12, 2, 0],
        ["siemens", "inspiration", "presentation", "MLO", "linear", 12, 2, 0],
        ["siemens", "not said", "not said", "CC", "linear", 12, 0, 1],
    ]


def test_sizes_come_with_the_share_of_rows_that_a_centre_crop_keeps() -> None:
    files = files_of(
        exam_rows("a"), exam_rows("b", ("L-CC",), height_px=2340, width_px=940, pixel_spacing_mm=None)
    )
    table = size_table(files, 976, InputCut(976, "centre")).set_index("width_px")
    assert table.loc[2000, "holistic_height_px"] == 1464 and table.loc[2000, "rows_in_crop"] == 976 / 1464
    assert table.loc[940, "holistic_height_px"] == 2430  # 2340 x 976 / 940 = 2429.6
    assert abs(table.loc[940, "rows_in_crop"] - 0.40) < 0.005  # the paper's 40 %
    assert files["narrow"].tolist() == [False] * 4 + [True]


def test_a_header_without_a_size_is_in_no_row_of_the_sizes() -> None:
    broken = exam_rows("b", ("L-CC",), reason="unreadable_header", height_px=None)
    empty = exam_rows("c", ("L-CC",), reason="no_pixels", width_px=0)
    table = size_table(files_of(exam_rows("a"), broken, empty), 976, InputCut(976, "centre"))
    assert table["width_px"].tolist() == [2000]


def test_encodings_have_names_of_ours_and_never_a_headers_own_text() -> None:
    lossy = exam_rows("b", ("L-CC",), transfer_syntax="1.2.840.10008.1.2.4.51")
    strange = exam_rows("c", ("L-CC",), transfer_syntax="DOE^JANE")
    silent = exam_rows("d", ("L-CC",), transfer_syntax=None, reason="not_dicom")
    files = files_of(exam_rows("a", ("L-CC",)), lossy, strange, silent)
    assert files["syntax"].tolist() == ["JPEG lossless SV1", "JPEG extended", "other", "not said"]
    assert files["lossy"].tolist() == [False, True, False, False]
    assert "DOE" not in syntax_table(files).to_csv()


def test_years_count_images_exams_and_women_and_keep_undated_ones() -> None:
    files = files_of(exam_rows("a"), exam_rows("b", exam_year=None), exam_rows("c", patient_id="pa"))
    dated, undated = year_table(files).values.tolist()
    assert dated == [2010, 8, 2, 1]
    assert undated[1:] == [4, 1, 1] and undated[0] != undated[0]
