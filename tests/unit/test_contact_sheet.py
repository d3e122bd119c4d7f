"""The sample of images, what is measured of each, and its two small pictures."""

import base64
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from made_index import exam_rows, files_of
from pydicom.dataset import Dataset

from mammo_steps.core.contact_sheet import HEIGHT_PX, as_seen, as_stored, jpeg_uri
from mammo_steps.core.examination import Plan, Task, examine
from mammo_steps.core.exclusions import ExclusionError
from mammo_steps.core.geometry import InputCut
from mammo_steps.core.image_sample import sampled_images, sheet_images
from mammo_steps.core.preparing import ShardSettings
from mammo_steps.core.terms import Reason


def test_a_rare_machine_is_sampled_as_often_as_a_frequent_one() -> None:
    files = files_of(*(exam_rows(str(n)) for n in range(20)), exam_rows("rare", model="old"))
    chosen = sampled_images(files, 6, seed=1)
    assert len(chosen) == len(set(chosen)) == 6 and sum(i.startswith("irare") for i in chosen) == 3


def test_the_sample_depends_on_ids_and_seed_alone() -> None:
    files = files_of(*(exam_rows(str(n)) for n in range(9)))
    assert sampled_images(files, 5, 1) == sampled_images(files[::-1], 5, 1) != sampled_images(files, 5, 2)
    assert len(sampled_images(files, 1000, 1)) == 36


def test_images_left_out_come_first_in_up_to_half_of_the_sheet() -> None:
    rows = [{"n": n, "reason": "no_breast" if n % 2 else None} for n in range(20)]
    assert [row["n"] for row in sheet_images(rows, 6)] == [1, 3, 5, 0, 2, 4]
    assert [row["n"] for row in sheet_images(rows[:4], 6)] == [1, 3, 0, 2]
    assert sheet_images(rows, 0) == []


def test_the_stored_matrix_runs_from_its_smallest_value_to_its_largest() -> None:
    stored = np.array([[-100, 0], [50, 100]], dtype=np.int16)
    assert as_stored(stored).tolist() == [[0, 128], [191, 255]]
    tall = as_stored(np.zeros((3000, 2000), np.uint16))
    assert tall.shape == (HEIGHT_PX, 200)


def test_rows_outside_the_crop_are_dimmed_and_its_edges_drawn() -> None:
    grey = np.full((200, 100), 200, np.uint8)
    frame = InputCut(100, "centre").frame((200, 100), (200, 100), False, 0.0)
    picture = as_seen(grey, np.zeros((200, 100), bool), frame)
    assert picture[10, 50].tolist() == [90, 90, 90] and picture[100, 50].tolist() == [200, 200, 200]
    assert picture[50, 50].tolist() == picture[149, 50].tolist() == [86, 180, 233]


def test_nothing_is_dimmed_where_the_whole_image_is_padded() -> None:
    frame = InputCut(100, "pad_to_fit").frame((200, 100), (200, 100), False, 0.0)
    picture = as_seen(np.full((200, 100), 200, np.uint8), np.zeros((200, 100), bool), frame)
    assert (picture == 200).all()


def test_the_breasts_outline_is_drawn_also_on_16_bits() -> None:
    mask = np.zeros((100, 100), bool)
    mask[20:80, :50] = True
    frame = InputCut(100, "centre").frame((100, 100), (100, 100), False, 0.0)
    picture = as_seen(np.full((100, 100), 256 * 7, np.uint16), mask, frame)
    assert picture[20, 25].tolist() == [230, 159, 0] and picture[50, 25].tolist() == [7, 7, 7]


def test_a_picture_is_a_data_uri_of_its_own_colours() -> None:
    uri = jpeg_uri(np.full((16, 16, 3), (230, 159, 0), np.uint8))
    assert uri.startswith("data:image/jpeg;base64,")
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(uri.split(",")[1]), np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(shown[8, 8].astype(int) - (0, 159, 230)).max() < 6  # OpenCV reads blue first


SETTINGS = {
    "holistic_width_px": 80,
    "holistic_bits": 8,
    "tile_side_px": 64,
    "orientation_conflict": "exclude",
}
WINDOW = {"WindowCenter": "2000", "WindowWidth": "4001"}


def stored_image(path: Path) -> tuple[np.ndarray[Any, Any], Dataset]:
    """120 x 160 pixels, the left half of the rows 20 to 99 a breast of stored value 2000."""
    if path.name == "damaged":
        raise ExclusionError(Reason.UNDECODABLE, "the encoded pixels are damaged")
    stored = np.zeros((120, 160), np.uint16)
    if path.name != "empty":
        rows, cols = np.mgrid[:120, :160]
        stored[((rows - 60) / 40) ** 2 + (cols / 80) ** 2 < 1] = 2000
    stored[0, 0] = 1
    ds = Dataset()
    ds.update(
        {
            "PhotometricInterpretation": "MONOCHROME2", "BitsStored": 12, "PixelRepresentation": 0,
            **(WINDOW if path.name != "without" else {}),
        }
    )  # fmt: skip
    return stored, ds


def examined(name: str = "fine", laterality: str = "L", **changes: Any) -> dict[str, Any]:
    plan = Plan(stored_image, ShardSettings(**(SETTINGS | changes)), InputCut(80, "centre"))
    return examine(Task("i1", laterality, Path("archive", name), None), plan)


def test_an_image_is_measured_and_shown_before_and_after() -> None:
    found = examined()
    assert found["image_id"] == "i1" and found["reason"] is None and found["intensity"] == "window"
    assert found["mean_grey"] == pytest.approx(
        255 / 2, abs=12
    )  # the window's middle; the mask's edge is soft
    assert found["breast_share"] == pytest.approx(np.pi * 40 * 80 / 2 / (120 * 160), rel=0.1)
    assert found["before"].startswith("data:image/jpeg") and found["after"].startswith("data:image/jpeg")
    assert 0 < found["decode_s"] <= found["total_s"]


def test_grey_levels_of_16_bits_are_told_on_the_same_scale() -> None:
    assert examined(holistic_bits=16)["mean_grey"] == pytest.approx(examined()["mean_grey"], abs=3)


def test_an_image_without_a_window_says_so() -> None:
    assert examined("without")["intensity"] == "fallback"


def test_a_damaged_file_has_its_reason_and_no_picture() -> None:
    found = examined("damaged")
    assert (found["reason"], found["detail"]) == ("undecodable", "the encoded pixels are damaged")
    assert found["before"] is None and found["decode_s"] is None


def test_unusable_pixels_are_shown_as_stored_with_their_reason() -> None:
    found = examined("empty")
    assert (found["reason"], found["after"]) == ("no_breast", None)
    assert found["before"] is not None


def test_a_breast_on_the_other_side_is_shown_and_left_out_only_where_the_study_does_so() -> None:
    dropped, kept = examined(laterality="R"), examined(laterality="R", orientation_conflict="keep")
    assert dropped["reason"] == "orientation_conflict" and dropped["after"] is not None
    assert kept["reason"] is None and kept["orientation_conflict"] is True
