"""The pictures that `inspect --png` draws."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from inspected import WOMAN, inspect, scored
from made_shard import Shard

from mammo_steps.core.tables import RowGroupWriter


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def grey_images(n: int) -> Path:
    """n images of 20 x 10 pixels, the k-th of grey k."""
    path = Path("shards/a-000/holistic.parquet")
    with RowGroupWriter(path, "holistic", "none") as writer:
        for k in range(n):
            row = {"image_id": WOMAN, "height_px": 20, "width_px": 10, "bits": 8, "pixels": bytes([k] * 200)}
            writer.append(row)
    return path


def test_a_sheet_is_drawn_of_images_from_all_over_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    path = grey_images(101)
    assert "--png FILE writes a sheet" in inspect(capsys, path)[1]
    status, said = inspect(capsys, path, "--png", "out/sheet.png", "--images", 5)
    assert status == 0 and "5 images on out/sheet.png: mammograms" in said
    sheet = cv2.imread("out/sheet.png", cv2.IMREAD_UNCHANGED)
    assert sheet.shape == (8 + 20 + 22 + 8, 5 * (180 + 8) + 8)
    assert [int(sheet[20, 12 + 188 * k]) for k in range(5)] == [0, 25, 50, 75, 100]
    assert sorted(Path("out").iterdir()) == [Path("out/sheet.png")]


def test_rois_of_16_bits_are_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    pixels = np.full((4, 4), 200 * 256, "<u2").tobytes()
    sizes = dict.fromkeys(("row_px", "col_px"), 0) | dict.fromkeys(("side_px", "stored_side_px"), 4)
    row = {"image_id": "i", "number": 1, "margin_px": 0, "bits": 16, "pixels": pixels} | sizes
    with RowGroupWriter(Path("r.parquet"), "rois", "none") as writer:
        writer.append(row)
    assert inspect(capsys, "r.parquet", "--png", "r.png")[0] == 0
    assert int(cv2.imread("r.png", cv2.IMREAD_UNCHANGED)[9, 9]) == 200


def test_tiles_are_drawn_as_whole_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shard = Shard(tmp_path)
    for name in ("a", "b", "c"):
        shard.add(name)
    shard.make()
    status, said = inspect(capsys, "tiles.parquet", "--png", "t.png")
    assert status == 0 and "3 images on t.png" in said
    Path("images.parquet").unlink()
    status, said = inspect(capsys, "tiles.parquet", "--png", "t.png")
    assert status == 1 and "images.parquet beside it, which is not there" in said


def test_a_sheet_of_what_holds_no_images_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = inspect(capsys, scored(), "--png", "a.png")
    assert status == 1 and "holds no images: a sheet is drawn of holistic, rois, tiles" in said
    assert "holds no image" in inspect(capsys, grey_images(0), "--png", "a.png")[1]
    assert not Path("a.png").exists()
