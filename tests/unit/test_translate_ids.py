import csv
import io
from pathlib import Path

import pytest

from mammo_steps.by_hand.translate_ids import main
from mammo_steps.core.ids import Pseudonyms
from mammo_steps.core.tables import write_rows

KEY = "a-key-for-tests-only"
HASHED = Pseudonyms(KEY)


@pytest.fixture
def private(tmp_path: Path) -> Path:
    rows = [
        {
            "path": f"a/{n}.dcm",
            "patient_id": "0042",
            "exam_id": "1.2",
            "image_id": f"1.2.{n}",
            "file_bytes": 1,
        }
        for n in range(2)
    ]
    rows.append({"path": "b.txt", "file_bytes": 1, "reason": "not_dicom"})
    write_rows(tmp_path / "intakes/first/headers/0.parquet", "headers", rows)
    return tmp_path


def translated(private: Path, capsys: pytest.CaptureFixture[str], *ids: str) -> list[dict[str, str]]:
    main(["--private", str(private), "--key", KEY, *ids])
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out), delimiter="\t"))


def test_a_pseudonym_gives_the_archives_ids_and_path(
    private: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [row] = translated(private, capsys, HASHED.image("1.2.1"))
    assert (row["archive_patient_id"], row["archive_exam_id"]) == ("0042", "1.2")
    assert (row["archive_image_id"], row["archive_path"]) == ("1.2.1", "a/1.dcm")


def test_an_id_of_the_archive_gives_its_pseudonyms(private: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = translated(private, capsys, "0042")
    assert [row["image_id"] for row in rows] == [HASHED.image("1.2.0"), HASHED.image("1.2.1")]
    assert {row["patient_id"] for row in rows} == {HASHED.patient("0042")}


def test_a_file_without_ids_is_found_by_its_pseudonym(
    private: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [row] = translated(private, capsys, HASHED.file("b.txt"))
    assert (row["archive_path"], row["patient_id"]) == ("b.txt", "")


def test_an_unknown_id_is_an_error(private: Path) -> None:
    with pytest.raises(SystemExit, match="1 of 1 ids are not in this study, or the key is another one"):
        main(["--private", str(private), "--key", "another-key-for-tests", HASHED.patient("0042")])


def test_a_folder_without_headers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="wanted <private_dir>/<study>"):
        main(["--private", str(tmp_path), "--key", KEY, "x"])


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (None, "id_key is missing"),
        (b"short", "id_key is no whole key: it has 5 characters, at least 16 are wanted"),
        (b"\xff\xfe", "id_key is no key: wanted one line of text"),
    ],
)
def test_a_wrong_key_is_told_in_one_line(private: Path, tmp_path: Path, key: bytes | None, told: str) -> None:
    file = tmp_path / "id_key"
    if key is not None:
        file.write_bytes(key)
    with pytest.raises(SystemExit, match=told):
        main(["--private", str(private), "--key-file", str(file), "x"])
