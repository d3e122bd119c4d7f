"""The step as a whole, on the tiny study's index, shard lists and files."""

import shutil
from pathlib import Path

import pandas as pd
import pydicom
import pytest
from examined_study import Seen
from html_tags import Tags
from tiny_study import TinyStudy

from mammo_steps.core.examination import Task
from mammo_steps.core.ordered_pool import Lost
from mammo_steps.core.page_words import ratio
from mammo_steps.core.tables import read_table, write_rows
from mammo_steps.doctor import found_of

TABLES = {"exclusions", "files", "findings", "machines", "sample", "sizes", "syntaxes", "years"}


@pytest.fixture(scope="module")
def seen(tiny_study: TinyStudy, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return Seen(tmp_path_factory.mktemp("doctor"), tiny_study)


def test_the_page_is_well_formed_and_reaches_out_for_nothing(seen: Seen) -> None:
    tags = Tags()
    tags.feed(seen.page)
    assert not tags.open and "script" not in tags.met and len(tags.ids) == len(set(tags.ids))
    links = {reference for reference in tags.references if reference.startswith("#")}
    assert {link[1:] for link in links} <= set(tags.ids)
    assert all(reference.startswith(("#", "data:image/jpeg;base64,")) for reference in tags.references)
    assert "a &lt;study&gt;" in seen.page and "SYNTHETIC" in seen.page


def test_every_table_has_a_caption_and_every_picture_a_text(seen: Seen) -> None:
    assert seen.page.count("<table") == seen.page.count("<caption>") >= 10
    assert seen.page.count("<img") == seen.page.count(' alt="') == 16  # 8 images, before and after


def test_the_tables_lie_beside_the_page(seen: Seen) -> None:
    assert set(seen.tables) == TABLES
    assert sum(int(row["taken"]) for row in seen.tables["machines"]) == 96
    assert len(seen.tables["sample"]) == 20 and {row["reason"] for row in seen.tables["sample"]} == {""}


def test_nothing_of_a_header_or_a_path_reaches_page_and_tables(seen: Seen, tiny_study: TinyStudy) -> None:
    written = seen.page + "".join(seen.texts.values())
    archive = tiny_study.root / "demo/archive"
    files = sorted(archive.rglob("*.dcm"))
    assert len(files) == 96
    for path in files:
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        for name in ("PatientID", "PatientName", "StudyInstanceUID", "SOPInstanceUID", "StudyDate"):
            assert not ds.get(name) or str(ds[name].value) not in written, name
        assert path.stem not in written


def test_cancers_are_counted_for_each_end_point_and_fold(seen: Seen) -> None:
    found = seen.finding("Cancers per fold")
    assert found["found"].startswith("9 women with a screen-detected cancer, 3 or more in each of 3 folds")
    assert found["found"].endswith("the largest possible number of folds is 3")  # 3 interval cancers
    assert seen.finding("Interval cancers")["found"] == "3 exams"


def test_the_same_archive_gives_the_same_page_but_for_times(
    seen: Seen, tiny_study: TinyStudy, tmp_path: Path
) -> None:
    again = Seen(tmp_path, tiny_study)
    columns = [name for name in seen.tables["sample"][0] if name not in ("decode_s", "total_s")]
    first, second = (pd.DataFrame(one.tables["sample"])[columns] for one in (seen, again))
    assert first.equals(second)
    sheets = [one.page[one.page.index('id="sheet"') :] for one in (seen, again)]
    assert sheets[0] == sheets[1]


def test_without_labels_the_page_tells_no_outcome(tiny_study: TinyStudy, tmp_path: Path) -> None:
    found = Seen(tmp_path, tiny_study, labels=False)
    assert "There is no label table" in found.page and "if AUC" not in found.page
    assert "screen-detected" not in found.page and "Cancers per fold" not in found.texts["findings"]
    assert "96 images, 24 exams" in found.page


def test_an_archive_without_a_mammogram_still_has_a_page(tiny_study: TinyStudy, tmp_path: Path) -> None:
    rows = [{"file_id": f"f{n}", "file_bytes": 1, "reason": "not_dicom"} for n in range(3)]
    write_rows(tmp_path / "index.parquet", "index", rows)
    found = Seen(tmp_path, tiny_study, index=tmp_path / "index.parquet", labels=False)
    assert "Do not start yet" in found.page and "No image was taken" in found.page
    assert found.tables["files"] == [{"reason": "not_dicom", "detail": "", "files": "3"}]


def test_files_that_are_gone_or_damaged_are_shown_with_their_reason(
    tiny_study: TinyStudy, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    shutil.copytree(tiny_study.root / "demo/archive", archive)
    files = sorted(archive.rglob("*.dcm"))
    for path in files[::2]:
        path.unlink()
    for path in files[1::4]:
        path.write_bytes(path.read_bytes()[:2000])
    found = Seen(tmp_path, tiny_study, archive=archive)
    reasons = {row["reason"] for row in found.tables["sample"]}
    assert {"file_gone", "undecodable"} <= reasons
    assert found.finding("Sampled images whose pixels")["level"] == "stop"
    assert "left out: file gone" in found.page and "not decoded" in found.page


def test_a_shard_list_of_another_run_is_refused(tiny_study: TinyStudy, tmp_path: Path) -> None:
    for name in ("tiny-000", "tiny-001"):
        (tmp_path / f"{name}.csv").write_text("image_id,path,laterality,view\n")
    with pytest.raises(ValueError, match="20 of 20 sampled images are not in the shard lists"):
        Seen(tmp_path, tiny_study, lists=tmp_path)


def test_header_flags_stand_below_the_picture(tiny_study: TinyStudy, tmp_path: Path) -> None:
    rows = read_table(tiny_study.root / "index.parquet", "index").to_pylist()
    flags = {"implant": True, "burned_in": True, "partial": True, "model": "other m0123", "window": "linear"}
    write_rows(tmp_path / "index.parquet", "index", [row | flags for row in rows])
    found = Seen(tmp_path, tiny_study, index=tmp_path / "index.parquet")
    assert "<b>implant</b>, <b>partial view</b>, <b>burned-in text</b>" in found.page
    assert "other m0123" in found.page and found.finding("Breasts with an implant")["level"] == "look"


def test_a_file_that_ends_its_worker_cannot_be_decoded() -> None:
    task = Task("i1", "L", Path("anywhere"), None)
    found = found_of(task, Lost("took longer than 120 s"))
    assert (found["image_id"], found["reason"]) == ("i1", "undecodable")
    assert found["detail"] == "decoding it took longer than 120 s" and found["before"] is None


def test_ratios_run_from_zero_to_infinity() -> None:
    assert [ratio(value) for value in (0.0, 2.345, 1234.5, float("inf"))] == [
        "0.00",
        "2.35",
        "1,234",
        "\N{INFINITY}",
    ]
