import numpy as np
import pytest

from mammo_steps.core.geometry import InputCut, InputFrame, roi_corner


def frame(crop: str = "centre", **changes: object) -> InputFrame:
    values: dict[str, object] = {
        "stored_px": (4096, 3328), "holistic_px": (1201, 976), "flipped": False,
        "side_px": 976, "mm_per_px": None, "breast_row": 2000.0,
    }  # fmt: skip
    values |= changes
    cut = InputCut(values.pop("side_px"), crop, values.pop("mm_per_px"))  # type: ignore[arg-type]
    return cut.frame(**values)  # type: ignore[arg-type]


def test_centre_crop_takes_the_middle_rows() -> None:
    found = frame()
    assert (found.top_px, found.left_px) == (112, 0)  # (1201 - 976) // 2
    assert found.valid_box == (0, 976, 0, 976)


def test_pixel_centres_map_by_hand() -> None:
    # 4:1 in both axes, no crop: input pixel 0 covers stored pixels 0..3, whose centre is 1.5
    whole = frame(stored_px=(400, 400), holistic_px=(100, 100), side_px=100)
    assert whole.to_stored(0, 0) == (1.5, 1.5)
    assert whole.to_stored(99, 99) == (397.5, 397.5)
    mirrored = frame(stored_px=(400, 400), holistic_px=(100, 100), side_px=100, flipped=True)
    assert mirrored.to_stored(0, 0) == (1.5, 397.5)


@pytest.mark.parametrize("crop", ["centre", "breast_centred", "pad_to_fit"])
@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("stored, holistic", [((2340, 940), (2430, 976)), ((900, 1000), (878, 976))])
def test_round_trip_is_exact(
    crop: str, flipped: bool, stored: tuple[int, int], holistic: tuple[int, int]
) -> None:
    found = frame(crop, stored_px=stored, holistic_px=holistic, flipped=flipped, breast_row=400.0)
    for row, col in np.random.default_rng(0).uniform(0, 975, (50, 2)):
        assert found.to_input(*found.to_stored(row, col)) == pytest.approx((row, col), abs=1e-9)


def test_an_image_lower_than_the_square_is_padded_evenly() -> None:
    found = frame(stored_px=(900, 1000), holistic_px=(878, 976))
    assert found.top_px == -49
    assert found.valid_box == (49, 927, 0, 976)


def test_pad_to_fit_shows_the_whole_image() -> None:
    found = frame("pad_to_fit", stored_px=(2340, 940), holistic_px=(2430, 976))
    assert found.canvas_px == (976, 392)
    first_row, end_row, first_col, end_col = found.valid_box
    assert (end_row - first_row, end_col - first_col) == (976, 392)
    assert found.to_stored(first_row - 0.5, first_col - 0.5) == pytest.approx((-0.5, -0.5))


def test_breast_centred_follows_the_breast_and_stays_inside() -> None:
    assert frame("breast_centred", breast_row=0.0).top_px == 0
    assert frame("breast_centred", breast_row=4095.0).top_px == 1201 - 976
    assert frame("breast_centred", breast_row=2047.5).top_px == frame().top_px


def test_an_unknown_crop_is_refused() -> None:
    with pytest.raises(ValueError, match="crop is 'middle', wanted one of"):
        frame("middle")


def test_roi_stays_inside_the_image_when_the_coa_is_at_the_edge() -> None:
    assert roi_corner(0, 0, (400, 300), 100) == (0, 0)
    assert roi_corner(399, 299, (400, 300), 100) == (300, 200)


def test_roi_is_centred_where_it_fits() -> None:
    # a square of 3 around pixel 10 begins at 9; of 4 pixels around 10.5 (between two pixels) at 9
    assert roi_corner(10, 10, (100, 100), 3) == (9, 9)
    assert roi_corner(10.5, 10.5, (100, 100), 4) == (9, 9)


def test_an_image_smaller_than_the_roi_lies_in_its_middle() -> None:
    assert roi_corner(5, 5, (400, 94), 100) == (0, -3)
