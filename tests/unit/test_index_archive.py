"""One index per intake: pseudonyms, duplicates, whole exams in balanced shards."""

import csv
import hashlib
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mammo_steps.core.ids import Pseudonyms
from mammo_steps.core.tables import read_table, write_rows
from mammo_steps.index_archive import deal, main

KEY = "a key of at least 16 characters"
PSEUDONYMS = Pseudonyms(KEY)


def header(path: str, exam: str = "E1", image: str | None = None, **values: Any) -> dict[str, Any]:
    return {
        "path": path,
        "patient_id": f"P-{exam}",
        "exam_id": exam,
        "image_id": image or f"S-{path}",
        "laterality": "L",
        "view": "CC",
        "exam_date": "2015-03-04",
        "file_bytes": 10,
        "reason": None,
    } | values


def index(
    folder: Path, chunks: list[list[dict[str, Any]]], n_shards: int = 1, limit: int = 500
) -> list[dict[str, Any]]:
    """Run the step; returns the rows of the index."""
    headers = [folder / f"headers/{i}.parquet" for i in range(len(chunks))]
    for path, rows in zip(headers, chunks, strict=True):
        write_rows(path, "headers", rows)
    main(
        [
            "--intake",
            "first",
            "--headers",
            *map(str, headers),
            "--key",
            KEY,
            "--max-images-per-shard",
            str(limit),
            "--index",
            str(folder / "index.parquet"),
            "--n-shards",
            str(n_shards),
            "--lists",
            str(folder / "shards"),
        ]
    )
    found: list[dict[str, Any]] = read_table(folder / "index.parquet", "index").to_pylist()
    return found


def read_list(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_index_holds_pseudonyms_and_no_path(tmp_path: Path) -> None:
    (row,) = index(tmp_path, [[header("Olsen/a.dcm", age_years=61, implant=True)]])
    assert row["file_id"] == PSEUDONYMS.file("Olsen/a.dcm")
    assert row["patient_id"] == PSEUDONYMS.patient("P-E1")
    assert row["exam_id"] == PSEUDONYMS.exam("E1")
    assert row["image_id"] == PSEUDONYMS.image("S-Olsen/a.dcm")
    assert (row["exam_year"], row["age_years"], row["implant"]) == (2015, 61, True)
    assert (row["shard"], row["reason"]) == ("first-000", None)
    for text in (b"Olsen", b"P-E1", b"2015-03-04"):
        assert text not in (tmp_path / "index.parquet").read_bytes()


def test_days_between_exams_of_a_woman_are_kept(tmp_path: Path) -> None:
    rows = [
        header("a", "E1", patient_id="P"),
        header("b", "E2", patient_id="P", exam_date="2017-03-04"),
        header("c", "E3", patient_id="Q"),
        header("d", "E4", exam_date=None),
    ]
    found = {row["exam_id"]: row["exam_day"] for row in index(tmp_path, [rows])}
    days = [found[PSEUDONYMS.exam(exam)] for exam in ("E1", "E2", "E3", "E4")]
    assert days[1] - days[0] == 731
    assert days[2] != days[0]
    assert days[3] is None


def test_a_day_without_a_woman_is_a_year_alone(tmp_path: Path) -> None:
    (row,) = index(tmp_path, [[header("a", patient_id=None, reason="missing_id")]])
    assert (row["exam_year"], row["exam_day"], row["patient_id"]) == (2015, None, None)


def test_the_time_of_an_image_counts_from_the_exams_first(tmp_path: Path) -> None:
    times = {
        "a": "2015-03-04T12:00:30.500000",
        "b": "2015-03-04T12:00:00",
        "c": None,
        "d": "0001-01-01T00:00:00",
    }
    rows = [header(path, "E2" if path == "d" else "E1", acquired=time) for path, time in times.items()]
    rows.append(header("e", "E1", acquired="2015-03-05T12:00:00", reason="special_view"))
    found = {row["file_id"]: row["acquired_s"] for row in index(tmp_path, [rows])}
    assert [found[PSEUDONYMS.file(path)] for path in "abcde"] == [30.5, 0, None, 0, 86400]
    assert b"2015-03" not in (tmp_path / "index.parquet").read_bytes()


def test_a_model_in_no_list_becomes_a_hash(tmp_path: Path) -> None:
    models = {"a": "Selenia Dimensions", "b": "room 12, Kari's", "c": "room 12, Kari's", "d": None}
    rows = [header(path, model=model) for path, model in models.items()]
    found = {row["file_id"]: row["model"] for row in index(tmp_path, [rows])}
    named, other, again, none = (found[PSEUDONYMS.file(path)] for path in "abcd")
    assert (named, none) == ("Selenia Dimensions", None)
    assert other == again == PSEUDONYMS.model("room 12, Kari's") and other.startswith("other:")
    assert len(other) == 10
    assert Pseudonyms("another key of 16 or more").model("room 12, Kari's") != other


def test_what_the_header_says_is_kept_of_files_left_out_too(tmp_path: Path) -> None:
    kept = {"partial": True, "implant": False, "burned_in": None, "n_windows": 3, "window": "lut"}
    (row,) = index(tmp_path, [[header("a", reason="partial_view", detail="x", **kept)]])
    assert {name: row[name] for name in kept} == kept
    assert (row["reason"], row["detail"], row["shard"], row["laterality"]) == ("partial_view", "x", None, "L")


def test_shard_lists_are_sorted_and_hold_what_make_shards_needs(tmp_path: Path) -> None:
    index(tmp_path, [[header(f"{i}.dcm") for i in range(4)]])
    rows = read_list(tmp_path / "shards/first-000.csv")
    assert [row["image_id"] for row in rows] == sorted(PSEUDONYMS.image(f"S-{i}.dcm") for i in range(4))
    wanted = next(row for row in rows if row["path"] == "2.dcm")
    assert wanted == {
        "image_id": PSEUDONYMS.image("S-2.dcm"),
        "path": "2.dcm",
        "laterality": "L",
        "view": "CC",
        "sop_instance_uid": "",  # an id of the data set's own
    }
    index(tmp_path, [[header("x.dcm", image="1.2.840.99")]])
    [row] = read_list(tmp_path / "shards/first-000.csv")
    assert row["sop_instance_uid"] == "1.2.840.99" and row["image_id"] == PSEUDONYMS.image("1.2.840.99")


def test_of_a_repeated_instance_the_smallest_file_id_is_taken(tmp_path: Path) -> None:
    paths = ["x.dcm", "y.dcm", "z.dcm"]
    for order in (paths, paths[::-1]):
        rows = index(tmp_path, [[header(path, image="S")] for path in order])
        taken = [row["file_id"] for row in rows if row["reason"] is None]
        assert taken == [min(PSEUDONYMS.file(path) for path in paths)]
        assert [row["reason"] for row in rows if row["reason"]] == ["duplicate_instance"] * 2


def test_of_a_repeated_instance_the_largest_file_is_taken(tmp_path: Path) -> None:
    """A copy that was cut off is smaller."""
    paths = ["x.dcm", "y.dcm", "z.dcm"]
    for whole in paths:
        rows = index(tmp_path, [[header(p, image="S", file_bytes=9 if p == whole else 8) for p in paths]])
        assert [row["file_id"] for row in rows if row["reason"] is None] == [PSEUDONYMS.file(whole)]


def test_files_of_one_instance_that_differ_are_all_left_out(tmp_path: Path) -> None:
    for change in ({"laterality": "R"}, {"view": "MLO"}, {"height_px": 7}, {"patient_id": "another"}):
        rows = [header("a", image="S"), header("b", image="S") | change, header("c", image="T")]
        found = {row["file_id"]: row["reason"] for row in index(tmp_path, [rows])}
        assert [found[PSEUDONYMS.file(path)] for path in "abc"] == ["duplicate_conflict"] * 2 + [None]


def test_copies_in_another_encoding_are_copies(tmp_path: Path) -> None:
    rows = [header("a", image="S"), header("b", image="S", transfer_syntax="1.2.840.10008.1.2.4.90")]
    assert sorted(str(row["reason"]) for row in index(tmp_path, [rows])) == ["None", "duplicate_instance"]


def test_a_file_left_out_by_its_header_is_no_duplicate(tmp_path: Path) -> None:
    rows = index(tmp_path, [[header("a", image="S", reason="special_view"), header("b", image="S")]])
    assert sorted(str(row["reason"]) for row in rows) == ["None", "special_view"]
    assert [row["shard"] for row in rows if row["reason"]] == [None]


def test_exams_stay_whole_and_shards_are_even(tmp_path: Path) -> None:
    rows = [header(f"{e}/{i}", f"E{e}") for e in range(25) for i in range(4 + e % 2)]
    found = index(tmp_path, [rows], n_shards=4)
    shards_of_exam = {row["exam_id"]: set() for row in found}
    for row in found:
        shards_of_exam[row["exam_id"]].add(row["shard"])
    assert all(len(shards) == 1 for shards in shards_of_exam.values())
    sizes = Counter(row["shard"] for row in found)
    assert len(sizes) == 4 and max(sizes.values()) - min(sizes.values()) <= 5
    assert sum(len(read_list(tmp_path / f"shards/first-{i:03d}.csv")) for i in range(4)) == len(rows)


def test_neither_chunks_nor_the_order_of_files_matter(tmp_path: Path) -> None:
    rows = [header(f"{e}/{i}", f"E{e}") for e in range(9) for i in range(4)]
    digests = set()
    for trial in range(3):
        random.Random(trial).shuffle(rows)
        folder = tmp_path / str(trial)
        index(folder, [rows[: 5 * trial], rows[5 * trial :]], n_shards=3)
        files = [folder / "index.parquet", *sorted((folder / "shards").iterdir())]
        digests.add(hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest())
    assert len(digests) == 1


def test_the_largest_exam_goes_first_to_the_emptiest_shard() -> None:
    assert deal({"a": 1, "b": 5, "c": 4, "d": 4}, 2) == {"b": 0, "c": 1, "d": 1, "a": 0}


def test_too_few_shards_are_an_error_that_says_how_many_are_enough(tmp_path: Path) -> None:
    rows = [header(f"{e}/{i}", f"E{e}") for e in range(10) for i in range(4)]
    with pytest.raises(
        ValueError, match=r"40 images do not fit into 2 shards of at most 10: set `shards: 5`"
    ):
        index(tmp_path, [rows], n_shards=2, limit=10)  # 2 exams of 4 in each: 5 shards
    assert not (tmp_path / "index.parquet").exists()
    assert index(tmp_path, [rows], n_shards=5, limit=10)


def test_an_exam_larger_than_a_shard_is_an_error(tmp_path: Path) -> None:
    wanted = (
        r"one exam has 4 images, a shard holds at most 3: check that read_headers\.settings\.exam_id_field"
    )
    with pytest.raises(ValueError, match=wanted):
        index(tmp_path, [[header(str(i)) for i in range(4)]], n_shards=9, limit=3)


def test_chunks_of_different_counts_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 files are in two of 2 header tables"):
        index(tmp_path, [[header("a"), header("b")], [header("a")]])


def test_an_intake_without_a_shard_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--n-shards is 0, wanted 1 or more"):
        index(tmp_path, [[header("a")]], n_shards=0)


def test_an_empty_archive_has_an_empty_index(tmp_path: Path) -> None:
    assert index(tmp_path, [[], []], n_shards=2) == []
    assert read_list(tmp_path / "shards/first-001.csv") == []


def test_the_key_may_stand_in_a_file(tmp_path: Path) -> None:
    write_rows(tmp_path / "0.parquet", "headers", [header("a")])
    arguments = [
        "--intake",
        "first",
        "--headers",
        str(tmp_path / "0.parquet"),
        "--index",
        str(tmp_path / "i.parquet"),
    ]
    arguments += ["--n-shards", "1", "--lists", str(tmp_path), "--key-file", str(tmp_path / "key")]
    with pytest.raises(FileNotFoundError, match="is missing"):
        main(arguments)
    (tmp_path / "key").write_text(KEY + "\n")
    main(arguments)
    (row,) = read_table(tmp_path / "i.parquet", "index").to_pylist()
    assert row["exam_id"] == PSEUDONYMS.exam("E1")


def test_three_thousand_shard_lists_are_written(tmp_path: Path) -> None:
    rows = index(tmp_path, [[header(str(n), exam=f"E{n:04d}") for n in range(3000)]], n_shards=3000)
    assert len({row["shard"] for row in rows}) == 3000 == len(list((tmp_path / "shards").iterdir()))
    assert len(read_list(tmp_path / "shards/first-2999.csv")) == 1
