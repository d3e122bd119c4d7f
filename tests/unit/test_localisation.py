import numpy as np
import pytest

from mammo_steps.core.crop_audit import CropAudit
from mammo_steps.core.geometry import InputCut
from mammo_steps.core.ids import Pseudonyms
from mammo_steps.core.localisation import (
    Case,
    Found,
    Lesion,
    chance_in_breast,
    localisation_rows,
    read_lesions,
    roi_holds,
)

KEY = "a public key of a test"


def mass(row, col):
    return Lesion("mass", True, row, col)


def test_roi_holds_a_lesion_up_to_its_edge():
    # side 4 at (10, 10) in 20 x 20: rows and columns 8..11 or 9..12, whichever the rounding takes
    image = (20, 20)
    held = [row for row in range(20) if roi_holds((10, 10), image, 4, [mass(row, 10)])]
    assert len(held) == 4 and 10 in held
    assert not roi_holds((10, 10), image, 4, [mass(held[0] - 1, 10)])


def test_roi_at_the_edge_is_shifted_inside_and_a_small_image_lies_in_it_whole():
    assert roi_holds((0, 0), (20, 20), 8, [mass(7, 7)])
    assert not roi_holds((0, 0), (20, 20), 8, [mass(8, 7)])
    assert roi_holds((3, 3), (6, 6), 8, [mass(0, 5)])


def test_chance_is_the_share_of_breast_pixels_whose_roi_holds_the_lesion():
    # a breast of 10 columns in one row of 3-pixel ROIs: centres 4, 5, 6 hold column 5
    mask = np.zeros((3, 20), bool)
    mask[1, :10] = True
    assert chance_in_breast(mask, (3, 20), False, 3, [mass(1, 5)]) == pytest.approx(3 / 10)
    # at the left edge centres 0, 1, 2 hold column 1 (0 is shifted inside)
    assert chance_in_breast(mask, (3, 20), False, 3, [mass(1, 1)]) == pytest.approx(3 / 10)
    assert chance_in_breast(mask, (3, 20), False, 3, [mass(1, 5), mass(1, 8)]) == pytest.approx(6 / 10)


def test_chance_mirrors_a_flipped_mask_and_scales_it():
    mask = np.zeros((3, 20), bool)
    mask[1, :10] = True  # mirrored: stored columns 10..19
    assert chance_in_breast(mask, (3, 20), True, 3, [mass(1, 5)]) == 0.0
    assert chance_in_breast(mask, (3, 20), True, 3, [mass(1, 14)]) == pytest.approx(3 / 10)
    # twice the size: mask columns 0..9 are stored points 0.5, 2.5 .. 18.5; three of them hold 10 in ROIs of 6
    assert chance_in_breast(mask, (6, 40), False, 6, [mass(3, 10)]) == pytest.approx(3 / 10)


def test_chance_equals_counting_every_pixel_of_a_random_breast():
    generator = np.random.default_rng(0)
    mask = generator.random((30, 25)) < 0.5
    lesions = [mass(4, 20), mass(25, 3)]
    points = np.argwhere(mask)
    counted = np.mean([roi_holds((r, c), (30, 25), 8, lesions) for r, c in points])
    assert chance_in_breast(mask, (30, 25), False, 8, lesions) == pytest.approx(counted)


def test_an_empty_mask_is_refused():
    with pytest.raises(ValueError, match="empty"):
        chance_in_breast(np.zeros((3, 3), bool), (3, 3), False, 1, [mass(1, 1)])


def test_lesions_are_read_under_pseudonyms_and_errors_name_the_line_only(tmp_path):
    header = "image_id,lesion_id,lesion_type,malignant,row,col,radius_px,contrast\n"
    path = tmp_path / "lesions.csv"
    path.write_text(header + "1.2.3,a,mass,1,10,20.5,5,1\n1.2.3,b,specks,0,1,2,5,1\n")
    image = Pseudonyms(KEY).image("1.2.3")
    assert read_lesions(path, Pseudonyms(KEY)) == {
        image: [Lesion("mass", True, 10.0, 20.5), Lesion("specks", False, 1.0, 2.0)]
    }
    for cells, message in (
        ("1.2.3,a,mass,1.2.3,10,20.5,5,1", "line 2: malignant is neither 0 nor 1"),
        ("1.2.3,a,mass,1,1.2.3,20.5,5,1", "line 2: row and col have to be numbers"),
        ("1.2.3,a,mass,1,10", "line 2: row and col have to be numbers"),
    ):
        path.write_text(f"{header}{cells}\n")
        with pytest.raises(ValueError, match=message) as caught:
            read_lesions(path, Pseudonyms(KEY))
        assert "1.2.3" not in str(caught.value)
    path.write_text("1.2.3,row\n")  # no line of names
    with pytest.raises(ValueError, match=r"columns .*lesion_type.* are missing") as caught:
        read_lesions(path, Pseudonyms(KEY))
    assert "1.2.3" not in str(caught.value)


def case(lesions):
    chance = dict.fromkeys(("all", "mass", "specks"), 0.25)
    return Case((100, 100), 20, lesions, 800, (90.0, 90.0), chance)


def test_rows_count_an_image_once_per_role_and_type():
    cases = {"a": case([mass(10, 10)]), "b": case([Lesion("specks", True, 90, 90)])}
    coas = [
        Found("a", "train", 10, 10),  # two networks trained on image a, one finds the lesion
        Found("a", "train", 90, 90),
        Found("a", "test", 10, 10),
        Found("b", "test", 10, 10),
        Found("without truth", "test", 10, 10),
    ]
    rows = {
        (r["locator"], r["role"], r["lesion_type"]): (r["n_images"], r["n_hit"])
        for r in localisation_rows(cases, coas, [Found("b", "test", 90, 90)])
    }
    assert rows["coa", "train", "all"] == (1, 0.5)
    assert rows["coa", "test", "all"] == (2, 1.0)
    assert rows["coa", "test", "mass"] == (1, 1.0)
    assert rows["coa", "test", "specks"] == (1, 0.0)
    assert rows["random_in_breast", "test", "all"] == (2, 0.5)
    assert rows["breast_centroid", "test", "all"] == (2, 1.0)
    assert rows["untrained_coa", "test", "all"] == (1, 1.0)
    assert ("untrained_coa", "train", "all") not in rows


def test_rows_state_the_roi_area_over_the_median_breast_area():
    rows = localisation_rows({"a": case([mass(10, 10)])}, [Found("a", "test", 10, 10)], [])
    assert rows[0]["roi_area_over_median_breast_area"] == 400 / 800


def image(height=200, width=100, flipped=False):
    return {
        "height_px": height,
        "width_px": width,
        "flipped": flipped,
        "breast_row": 0.0,
        "pixel_spacing_mm": None,
        "holistic_height_px": height // 2,
        "holistic_width_px": width // 2,
    }


def test_crop_audit_counts_rows_cut_by_the_centre_crop():
    audit = CropAudit(InputCut(50, "centre"), per_size=1)
    assert len(audit.chosen(["x", "y", "z"], [(200, 100)] * 2 + [(90, 100)], seed=1)) == 2
    mask = np.zeros((100, 50), bool)
    mask[:, :10] = True
    audit.add_breast(image(), mask)  # rows 25..74 of 100 are seen: half is outside
    audit.add_lesions(image(), [mass(49, 0), mass(50, 0), mass(149, 0), mass(150, 0)])
    tall, wide = audit.rows()
    assert (tall["height_px"], tall["n_images"], tall["breast_share_outside"]) == (200, 2, 0.5)
    assert tall["lesion_share_outside"] == 0.5  # stored rows 50..149 are seen
    assert (wide["height_px"], wide["n_measured"]) == (90, 0)
    assert wide["breast_share_outside"] is None and wide["lesion_share_outside"] is None


def test_an_image_lower_than_the_input_loses_nothing_flipped_or_not():
    for flipped in (False, True):
        audit = CropAudit(InputCut(50, "centre"), per_size=1)
        small = image(height=80, flipped=flipped)
        audit.chosen(["x"], [(80, 100)], seed=1)
        audit.add_breast(small, np.ones((40, 50), bool))
        audit.add_lesions(small, [mass(0, 0), mass(79, 99)])
        assert [(r["breast_share_outside"], r["lesion_share_outside"]) for r in audit.rows()] == [(0.0, 0.0)]
