"""Every file of a shard list is decoded once; its three tables agree, and bad files get reasons."""

import csv
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
import pytest
from made_files import EXPLICIT, edit, half_disc, make_dicom
from made_shard import SETTINGS, Shard

from mammo_steps.core import decoding, preparing, shard_writing
from mammo_steps.core.dicom_writing import TRANSFER_SYNTAXES, Machine
from mammo_steps.core.preparing import ShardSettings, read_list, resized
from mammo_steps.core.tables import read_table
from mammo_steps.core.windowing import grey_table

SPECK = np.pad(np.ones((8, 8), np.uint16), ((70, 82), (20, 92)))


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    return Shard(tmp_path)


def test_tiles_hold_the_stored_matrix_and_the_holistic_image_is_windowed_then_resized(shard: Shard) -> None:
    shard.add("i1")
    (row,) = shard.make()
    np.testing.assert_array_equal(shard.matrix(row), half_disc())
    windowed = grey_table(row["voi"], 8)[half_disc()]
    wanted = cv2.resize(windowed, (48, 64), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(shard.holistic(row), wanted)
    assert (row["height_px"], row["width_px"]) == (160, 120)
    assert (row["holistic_height_px"], row["holistic_width_px"]) == (64, 48)
    assert (row["reason"], row["flipped"], row["enlarged"], row["intensity"]) == (
        None,
        False,
        False,
        "window",
    )


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("voi", ["linear", "lut"])
def test_the_way_a_file_is_written_does_not_change_the_picture(
    shard: Shard, photometric: str, voi: str
) -> None:
    for number, syntax in enumerate(TRANSFER_SYNTAXES):
        shard.add(f"i{number}", machine=Machine("siemens", voi, "SCT", photometric, syntax))
    shard.add("i9", machine=Machine("siemens", voi, "SCT", "MONOCHROME2", EXPLICIT))
    *rows, reference = shard.make()
    for row in rows:
        difference = shard.holistic(row).astype(int) - shard.holistic(reference)
        assert np.abs(difference).max() <= 1


BAD = {
    "a text file": (lambda path: path.write_text("notes"), "undecodable"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:-999]), "undecodable"),
    "gone": (lambda path: path.unlink(), "file_gone"),
    "one value": (lambda path: make_dicom(path, np.full((160, 120), 9, np.uint16)), "constant_image"),
    "no breast": (lambda path: make_dicom(path, half_disc((160, 120)) * SPECK), "no_breast"),
    "wrong side": (lambda path: make_dicom(path, half_disc(side="right")), "orientation_conflict"),
}


def test_bad_files_get_a_reason_and_the_others_go_on(shard: Shard) -> None:
    for number, (spoil, _) in enumerate(BAD.values()):
        spoil(shard.add(f"i{number}"))
    shard.add("i99")
    rows = {row["image_id"]: row for row in shard.make()}
    assert [row["reason"] for row in rows.values()] == [reason for _, reason in BAD.values()] + [None]
    assert rows["i0"]["detail"] == "no DICOM prefix"
    assert rows["i0"]["height_px"] is None and rows["i0"]["recipe"] == rows["i99"]["recipe"]
    assert rows["i99"]["holistic_row_group"] == 0
    np.testing.assert_array_equal(shard.matrix(rows["i99"]), half_disc())


def test_a_file_in_whose_place_another_image_lies_is_left_out(shard: Shard) -> None:
    path = shard.add("i1")
    same, other = (
        preparing.prepare(
            preparing.Listed("i1", path.name, "L", uid),
            path.parent,
            decoding.read_pixels,
            ShardSettings(**SETTINGS),
        )
        for uid in (str(pydicom.dcmread(path).SOPInstanceUID), "1.2.3.4")
    )
    assert same.row.get("reason") is None and same.cuts
    assert other.row["reason"] == "file_changed" and not other.cuts and not other.holistic


def test_damaged_headers_of_pixels_never_stop_the_step(shard: Shard) -> None:
    path = shard.add("i1", machine=Machine("siemens", "lut", "SCT", "MONOCHROME1", EXPLICIT))
    whole = path.read_bytes()
    start = whole.index(b"\x28\x00\x02\x00") - 4  # group 0028: pixels and display
    preparing.start_worker()
    work = partial(
        preparing.prepare,
        archive=path.parent,
        read_pixels=decoding.read_pixels,
        settings=ShardSettings(**SETTINGS),
    )
    rng = np.random.default_rng(5)
    reasons = Counter()
    for _ in range(500):
        damaged = bytearray(whole)
        for place in rng.integers(start, start + 700, 3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        reasons[work(preparing.Listed("i1", path.name, "L")).row.get("reason")] += 1
    assert reasons["undecodable"] > 50


def test_narrow_images_are_enlarged_bilinearly(shard: Shard) -> None:
    shard.add("i1")
    (row,) = shard.make(holistic_width_px=240)
    assert row["enlarged"] and shard.holistic(row).shape == (320, 240)
    ramp = np.array([[0, 100]], dtype=np.uint8)
    assert resized(ramp, 4, ramp.dtype).tolist() == [[0, 25, 75, 100]] * 2


def test_sixteen_bits_keep_finer_grey_levels(shard: Shard) -> None:
    shard.add("i1")
    (coarse,) = shard.make()
    eight = shard.holistic(coarse)
    (fine,) = shard.make(holistic_bits=16)
    sixteen = shard.holistic(fine)
    assert sixteen.dtype == np.uint16 and np.abs(sixteen / 257 - eight).max() <= 1
    assert coarse["recipe"] != fine["recipe"]


def test_padding_is_background(shard: Shard) -> None:
    padded = half_disc()
    padded[:, 100:] = 4000
    path = shard.add("i1", grey=padded)
    edit(path, lambda ds: setattr(ds, "PixelPaddingValue", 4000))
    (row,) = shard.make()
    assert not shard.holistic(row)[:, 41:].any()


def test_the_number_of_workers_does_not_change_a_byte(shard: Shard) -> None:
    for number in range(5):
        shard.add(f"i{number}", grey=half_disc(seed=number))
    shard.listed.append(("i9", "nowhere.dcm", "L"))
    shard.make()
    alone = shard.contents()
    shard.make(workers=2)
    assert shard.contents() == alone


def test_an_interrupted_run_leaves_no_table(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    shard.add("i1")
    shard.add("i2")
    write = shard_writing.ShardWriter.write

    def killed(self: shard_writing.ShardWriter, image: preparing.Prepared) -> dict[str, Any]:
        if image.row["image_id"] == "i2":
            raise KeyboardInterrupt
        return write(self, image)

    monkeypatch.setattr(shard_writing.ShardWriter, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        shard.make()
    assert sorted(path.name for path in shard.folder.iterdir()) == ["archive", "list.csv"]


def test_an_archive_that_is_not_there_is_an_error_not_a_shard_of_exclusions(shard: Shard) -> None:
    shard.add("i1").unlink()
    with pytest.raises(FileNotFoundError, match=r"none of 1 files is below .*archive"):
        shard.make()
    assert not (shard.folder / "images.parquet").exists()


def test_an_empty_list_gives_empty_tables(shard: Shard) -> None:
    assert shard.make() == []
    assert read_table(shard.folder / "tiles.parquet", "tiles").num_rows == 0


def test_a_data_set_may_bring_its_own_reader(shard: Shard) -> None:
    pixels = (half_disc() // 16).astype(np.uint8)
    (shard.folder / "archive").mkdir()
    (shard.folder / "archive/mdb001.pgm").write_bytes(b"P5 120 160 255\n" + pixels.tobytes())
    shard.listed.append(("i1", "mdb001.pgm", "L"))
    (row,) = shard.make(dataset="mini_mias")
    assert row["reason"] is None and shard.matrix(row).max() == pixels.max()


def test_no_text_of_a_header_is_written(shard: Shard, capsys: pytest.CaptureFixture[str]) -> None:
    path = shard.add("i1", ids=("SECRETID", "1.2.10", "1.2.10.1"))
    edit(path, lambda ds: setattr(ds, "PatientName", "SECRET^NAME"))
    shard.make()
    assert not any(b"SECRET" in content for content in shard.contents())
    assert "SECRET" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("i2", "a", "L"), ("i1", "b", "L")], "not unique and sorted"),
        ([("i1", "a", "L"), ("i1", "b", "L")], "not unique and sorted"),
        ([("i1", "a", "L"), ("i2", "b", "X")], "line 3: laterality is neither L nor R"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path: Path, rows: Sequence[tuple[str, str, str]], message: str) -> None:
    with (tmp_path / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image_id", "path", "laterality"), *rows])
    with pytest.raises(ValueError, match=message):
        read_list(tmp_path / "list.csv")


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="orientation_conflict is 'drop', wanted exclude or keep"):
        ShardSettings(**SETTINGS | {"orientation_conflict": "drop"})
    with pytest.raises(ValueError, match="holistic_bits is 12, wanted 8 or 16"):
        ShardSettings(**SETTINGS | {"holistic_bits": 12})


def test_files_are_read_once(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    path = shard.add("i1")
    read = []
    dcmread = pydicom.dcmread
    monkeypatch.setattr(pydicom, "dcmread", lambda *args, **more: read.append(1) or dcmread(*args, **more))
    image = preparing.Listed("i1", path.name, "L")
    preparing.prepare(image, path.parent, decoding.read_pixels, ShardSettings(**SETTINGS))
    assert read == [1]
