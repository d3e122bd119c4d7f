"""mini_mias: labels from Info.txt, and the same images and ids from .pgm and DICOM files."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from header_settings import header_settings

from mammo_steps.core.dicom_headers import quiet_pydicom
from mammo_steps.core.exclusions import ExclusionError
from mammo_steps.core.labels import Windows
from mammo_steps.core.terms import Reason
from mammo_steps.datasets.mini_mias import read_film, read_header, read_labels, read_pixels, write_lesions
from mammo_steps.datasets.mini_mias_info import read_info

WINDOWS = Windows(180, 730, None)

quiet_pydicom()

INFO = """1) The list is arranged in pairs of films, such as mdb001 and mdb002
=================================================================
mdb001 G CIRC B 535 425 197
mdb002 G NORM
mdb003 D NORM
mdb004 D NORM
mdb005 F CIRC B 477 133 30
mdb005 F SPIC M 500 168 26
mdb006 F CALC M
mdb007 G ARCH M 100 200 30
mdb008 G NORM
mdb009 D CALC M *NOTE 3*
mdb010 G ASYM B 5 6 7
"""


@pytest.fixture
def info(tmp_path: Path) -> Path:
    path = tmp_path / "Info.txt"
    path.write_text(INFO)
    return path


def write_pgm(path: Path, film: np.ndarray, comment: str = "") -> Path:
    height, width = film.shape
    path.write_bytes(f"P5\n{comment}{width} {height}\n255\n".encode() + film.tobytes())
    return path


def test_films_of_one_woman_become_one_exam_with_the_worst_of_their_abnormalities(info: Path) -> None:
    found = [
        (label.exam_id, str(label.outcome), label.cancer_laterality) for label in read_labels(info, WINDOWS)
    ]
    assert found == [
        ("MIAS001", "benign", None),
        ("MIAS002", "normal", None),
        ("MIAS003", "screen_detected", "both"),
        ("MIAS004", "screen_detected", "R"),  # odd film numbers are right breasts
        ("MIAS005", "screen_detected", "R"),
    ]
    assert all(label.patient_id == label.exam_id for label in read_labels(info, WINDOWS))
    assert [label.row for label in read_labels(info, WINDOWS)] == [3, 5, 7, 10, 12]


def test_a_film_may_have_several_lines_and_lines_without_a_place(info: Path) -> None:
    films = read_info(info)
    assert [a.malignant for a in films[5].found] == [False, True]
    assert films[6].found[0].place is films[9].found[0].place is None
    assert films[2].found == ()


def test_places_count_from_the_bottom_left_of_the_film(info: Path) -> None:
    lesion = read_info(info)[1].found[0]
    assert lesion.place == (1023 - 425, 535)
    assert lesion.radius_px == 197


def test_a_line_about_a_film_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "Info.txt"
    path.write_text("prose\nmdb001 G CIRC X 535 425 197\n")
    with pytest.raises(ValueError, match=r"Info.txt: line 2 is not `film tissue NORM`"):
        read_labels(path, WINDOWS)
    path.write_text("prose\n")
    with pytest.raises(ValueError, match="no line about a film"):
        read_labels(path, WINDOWS)


def test_a_pgm_film_gives_ids_and_side_by_its_number_and_no_padding(tmp_path: Path) -> None:
    film = np.zeros((1024, 1024), np.uint8)
    film[10:1000, 200:700] = 7
    header = read_header(write_pgm(tmp_path / "mdb028.pgm", film, "# a comment\n"), header_settings())
    assert (header.patient_id, header.exam_id, header.image_id) == ("MIAS014", "MIAS014", "mdb028")
    assert (header.laterality, header.view) == ("L", "MLO")
    assert (header.height_px, header.width_px, header.pixel_spacing_mm) == (990, 500, 0.2)
    stored, ds = read_pixels(tmp_path / "mdb028.pgm")
    assert stored.shape == (ds.Rows, ds.Columns) == (990, 500)
    assert stored.dtype == np.uint8
    assert (float(ds.WindowCenter), float(ds.WindowWidth)) == (127.5, 256.0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mdb001.pgm", b"P2\n2 1\n255\n1 2", "no binary 8-bit PGM"),
        ("mdb001.pgm", b"P5\n2 1\n65535\n1234", "no binary 8-bit PGM"),
        ("mdb001.pgm", b"P5\n2 2\n255\n123", "not as long as the image"),
        ("mdb001.pgm", b"P5\n2 1\n255\n\0\0", "every pixel is 0"),
        ("mdb001.pgm", b"", "no binary 8-bit PGM"),
        ("film.pgm", b"P5\n2 1\n255\n12", "name is not mdb"),
    ],
)
def test_a_damaged_or_foreign_file_is_left_out_with_a_reason(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ExclusionError, match=message):
        read_header(tmp_path / name, header_settings())


def test_a_text_file_is_no_film(tmp_path: Path) -> None:
    (tmp_path / "Info.txt").write_text("mdb001 G NORM")
    assert read_header(tmp_path / "Info.txt", header_settings()).reason == Reason.NOT_DICOM


def test_lesions_are_written_in_pixels_of_the_cropped_matrix(tmp_path: Path, info: Path) -> None:
    film = np.zeros((1024, 1024), np.uint8)
    film[100:900, 50:700] = 9
    for number in (5, 6, 7):
        write_pgm(tmp_path / f"mdb{number:03d}.pgm", film)
    write_lesions(info, tmp_path, tmp_path / "lesions.csv")
    with (tmp_path / "lesions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [list(row.values()) for row in rows] == [
        ["mdb005", "mdb005-1", "mass", "0", str(1023 - 133 - 100), str(477 - 50), "30", ""],
        ["mdb005", "mdb005-2", "mass", "1", str(1023 - 168 - 100), str(500 - 50), "26", ""],
        ["mdb007", "mdb007-1", "architectural_distortion", "1", str(1023 - 200 - 100), "50", "30", ""],
    ]


def test_an_archive_without_lesions_is_refused(tmp_path: Path, info: Path) -> None:
    with pytest.raises(ValueError, match=r"no film .* with an abnormality that has a place"):
        write_lesions(info, tmp_path, tmp_path / "lesions.csv")


def test_the_database_has_15_women_with_a_cancer_among_60(test_data: Path) -> None:
    labels = read_labels(test_data / "data/mini-mias/Info.txt", WINDOWS)
    assert Counter(label.outcome for label in labels) == {"normal": 23, "benign": 22, "screen_detected": 15}
    films = read_info(test_data / "data/mini-mias/Info.txt").values()
    malignant = [any(a.malignant for a in film.found) for film in films]
    assert (len(films), sum(malignant)) == (120, 15)
    assert sum(bool(film.found) for film in films) - sum(malignant) == 24


@pytest.mark.parametrize("name", ["mdb001", "mdb028"])  # JPEG 2000 and JPEG-LS
def test_a_pgm_film_and_its_dicom_version_are_the_same_image(
    tmp_path: Path, test_data: Path, name: str
) -> None:
    dicom = test_data / f"data/mini-mias/dicom/{name}.dcm"
    stored, ds = read_pixels(dicom)
    top, left = (int(word.split("=")[1]) for word in ds.ImageComments.split() if "=" in word)
    film = np.zeros((1024, 1024), np.uint8)
    film[top : top + stored.shape[0], left : left + stored.shape[1]] = stored
    pgm = write_pgm(tmp_path / f"{name}.pgm", film)
    cropped, place = read_film(pgm)
    assert place == (top, left)
    np.testing.assert_array_equal(cropped, stored)
    one, two = (read_header(path, header_settings()) for path in (dicom, pgm))
    for field in ("patient_id", "exam_id", "laterality", "view", "height_px", "width_px", "pixel_spacing_mm"):
        assert getattr(one, field) == getattr(two, field), field
    assert one.exam_date is two.exam_date is None


def test_headers_of_all_films_carry_the_ids_of_the_labels(test_data: Path) -> None:
    folder = test_data / "data/mini-mias"
    exams = {label.exam_id for label in read_labels(folder / "Info.txt", WINDOWS)}
    headers = [read_header(path, header_settings()) for path in sorted((folder / "dicom").glob("*.dcm"))]
    assert len(headers) == 120
    assert {header.exam_id for header in headers} == {header.patient_id for header in headers} == exams


def test_lesions_lie_where_the_films_are_bright(tmp_path: Path, test_data: Path) -> None:
    """The origin is at the bottom left: counted from the top, a third of them would be darker than around."""
    folder = test_data / "data/mini-mias"
    out = tmp_path / "lesions.csv"
    write_lesions(folder / "Info.txt", folder / "dicom", out)
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 39
    for row in rows[::4]:
        stored, _ = read_pixels(folder / "dicom" / f"{row['lesion_id'].split('-')[0]}.dcm")
        rows_px, cols_px = np.ogrid[: stored.shape[0], : stored.shape[1]]
        distance = np.hypot(rows_px - int(row["row"]), cols_px - int(row["col"]))
        radius = min(int(row["radius_px"]), 60)
        inside, around = distance < 0.6 * radius, (distance > radius) & (distance < 1.6 * radius)
        assert stored[inside].mean() > stored[around].mean(), row["lesion_id"]
