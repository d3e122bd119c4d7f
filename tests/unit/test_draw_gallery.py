import json
import re

import cv2
import numpy as np
import pytest
from html_tags import Tags
from made_gallery import ROI, SIDE, draw, exam_of

from mammo_steps import draw_gallery
from mammo_steps.core import gallery, overlay
from mammo_steps.core.exam_kinds import Kind

IDS = re.compile(rb"exam-id-\d+|image-id-\d+")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Two exams, of a cancer and of a disagreement."""
    exams = [exam_of(7, Kind.MISSED_CANCER), exam_of(8, Kind.MODELS_DISAGREE)]
    return draw(tmp_path_factory.mktemp("drawn"), exams, synthetic=True)


def listed(folder):
    return json.loads((folder / "gallery.json").read_text())


def test_every_picture_that_the_list_names_is_there_and_nothing_else(drawn):
    exams = listed(drawn)
    names = {exam["sheet"] for exam in exams}
    for exam in exams:
        for image in exam["images"]:
            names |= {image[kind] for kind in ("image", "saliency", "top_pixels", "roi")}
    assert len(names) == 2 * (4 * 4 + 1)
    assert {"01_R-CC_image.jpg", "02_L-MLO_roi.jpg", "02_sheet.png"} <= names
    assert names | {"index.html", "gallery.json", "exams.csv"} == {path.name for path in drawn.iterdir()}


def test_right_breasts_are_mirrored_with_all_that_lies_over_them(drawn):
    images = {f"{image['laterality']}-{image['view']}": image for image in listed(drawn)[0]["images"]}
    # the last column is 31: 8 becomes 23, and edges from 0.5 to 16.5 lie from 14.5 to 30.5
    for view, col, box in (("L-CC", 8, [2.5, 0.5, 18.5, 16.5]), ("R-CC", 23, [2.5, 14.5, 18.5, 30.5])):
        image = images[view]
        assert (image["coa"], image["roi_box"]) == ([10, col], box)
        for name, palette in (("saliency", overlay.SALIENCY), ("top_pixels", overlay.TOP_PIXELS)):
            levels = overlay.levels_of((drawn / image[name]).read_bytes(), palette)
            assert np.argwhere(levels).tolist() == [[10, col]] and levels.max() == 15
        grey = cv2.imread(str(drawn / image["image"]), cv2.IMREAD_UNCHANGED)
        bright = np.argwhere(grey > 100)
        assert [*bright.min(axis=0), *bright.max(axis=0)] == (
            [8, 0, 15, 7] if view == "L-CC" else [8, 24, 15, 31]
        )
        roi = cv2.imread(str(drawn / image["roi"]), cv2.IMREAD_UNCHANGED)
        assert (roi[:, 0].mean() > 100) == (view == "L-CC") and roi.shape == (ROI, ROI)


def test_nothing_but_the_table_of_numbers_names_an_exam(drawn):
    assert (drawn / "exams.csv").read_text() == "number,exam_id\n1,exam-id-7\n2,exam-id-8\n"
    for path in drawn.iterdir():
        if path.name != "exams.csv":
            assert not IDS.search(path.name.encode()) and not IDS.search(path.read_bytes()), path.name


def test_the_page_loads_only_the_pictures_beside_it_and_runs_nothing(drawn):
    page = (drawn / "index.html").read_text()
    tags = Tags()
    tags.feed(page)
    assert not tags.open and "script" not in tags.met and len(tags.ids) == len(set(tags.ids))
    files = {name for name in tags.references if not name.startswith("#")}
    assert files < {path.name for path in drawn.iterdir()} and len(files) == 2 * (4 * 4 + 1)
    assert page.count('loading="lazy"') == page.count("<img") == 2 * 4 * 4
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' file:;" in page
    assert "http:" not in page and "https:" not in page
    assert "a &lt;study&gt;" in page


def test_four_switches_of_the_page_hide_four_layers(drawn):
    page = (drawn / "index.html").read_text()
    for name in ("saliency", "top-pixels", "coa", "box"):
        assert page.count(f'type="checkbox" class="show-{name}"') == 1
        assert f".gallery:has(.show-{name}:not(:checked)) .layer-{name}" in page
        assert page.count(f'class="layer-{name}') == 2 * 4 * (1 if name in ("saliency", "top-pixels") else 2)


def test_scores_percentiles_and_the_readers_word_stand_beside_each_exam(drawn):
    first, second = listed(drawn)
    assert [row["model"] for row in first["scores"]] == ["holistic", "attention", "ensemble", "reader_1"]
    assert first["scores"][0] == {
        "model": "holistic", "name": "Holistic model", "score": 1.25, "percentile": 0.75, "recalled": None,
    }  # fmt: skip
    assert first["note"] == ""
    assert second["note"] == "The attention model ranks it 50 percentile points below the holistic model."
    page = (drawn / "index.html").read_text()
    assert ">75.0<" in page and ">recalled<" in page and "Holistic model</th>" in page


def test_the_notes_say_in_which_direction_readers_and_model_disagree():
    percentile = {"ensemble": 0.9, "reader_1": 0.5, "reader_2": 0.3}
    higher = {"kind": Kind.MODEL_ABOVE_READERS, "percentile": percentile}
    assert (
        draw_gallery.note_on(higher) == "The ensemble ranks it 50 percentile points above the readers' mean."
    )
    lower = {"kind": Kind.READERS_ABOVE_MODEL, "percentile": {**percentile, "ensemble": 0.1}}
    assert (
        draw_gallery.note_on(lower) == "The ensemble ranks it 30 percentile points below the readers' mean."
    )


def test_synthetic_data_are_marked_on_page_and_sheets(drawn, tmp_path):
    exams = [exam_of(7, Kind.MISSED_CANCER)]
    real = draw(tmp_path, exams)
    assert "SYNTHETIC DATA" in (drawn / "index.html").read_text()
    assert "SYNTHETIC" not in (real / "index.html").read_text()
    marked, plain = (
        cv2.imread(str(folder / "01_sheet.png"), cv2.IMREAD_UNCHANGED) for folder in (drawn, real)
    )
    assert marked.shape[0] - plain.shape[0] == 26  # a line more on top
    assert marked.shape[1] == plain.shape[1] == 4 * 328 + 8


def test_an_empty_map_has_no_cross_and_a_repeated_view_files_of_its_own(tmp_path):
    exam, arrays = exam_of(1, Kind.INTERVAL, views=(("L", "CC"), ("L", "CC")))
    exam["images"][0]["coa"] = None
    arrays["image-id-10/saliency"] = np.full((SIDE, SIDE), np.nan, np.float32)
    arrays["image-id-10/top_pixels"] = np.zeros((0, 2), np.uint16)
    folder = draw(tmp_path, [(exam, arrays)])
    images = listed(folder)[0]["images"]
    assert [image["image"] for image in images] == ["01_L-CC_image.jpg", "01_L-CC-2_image.jpg"]
    assert images[0]["coa"] is None
    levels = overlay.levels_of((folder / images[0]["saliency"]).read_bytes(), overlay.SALIENCY)
    assert levels.max() == 0
    page = (folder / "index.html").read_text()
    assert "its saliency map is empty" in page and page.count('class="layer-coa casing"') == 1


def test_a_study_without_exams_to_show_has_a_page_that_says_so(tmp_path):
    folder = draw(tmp_path, [])
    assert "No exams were chosen." in (folder / "index.html").read_text()
    assert listed(folder) == [] and gallery.read_gallery(folder, 2) == []


def test_the_same_arrays_give_the_same_bytes(drawn, tmp_path):
    again = draw(tmp_path, [exam_of(7, Kind.MISSED_CANCER), exam_of(8, Kind.MODELS_DISAGREE)], synthetic=True)
    assert (tmp_path / "saliency.npz").read_bytes() == (drawn.parent / "saliency.npz").read_bytes()
    for path in drawn.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name


def bytes_of(exams):
    return sum(len(image[name]) for exam in exams for image in exam["images"] for name in gallery.PICTURES)


def test_a_sample_has_the_first_exams_of_each_kind_and_is_bounded(tmp_path):
    kinds = [Kind.HIGHEST_CANCER] * 3 + [Kind.INTERVAL] * 2
    folder = draw(tmp_path, [exam_of(number, kind) for number, kind in enumerate(kinds)])
    sample = gallery.read_gallery(folder, n_per_kind=2)
    assert [exam["number"] for exam in sample] == [1, 2, 4, 5]
    assert all(
        image[name].startswith("data:image/")
        for exam in sample
        for image in exam["images"]
        for name in gallery.PICTURES
    )
    one = bytes_of(sample[:1])
    # the first of each kind comes before any second one
    bounded = gallery.read_gallery(folder, n_per_kind=2, max_bytes=3 * one - 1)
    assert [exam["number"] for exam in bounded] == [1, 4]
    assert bytes_of(bounded) < 3 * one
    assert [part["title"] for part in gallery.sections(bounded)] == [
        "Highest-scored cancers",
        "Interval cancers",
    ]


def test_pictures_of_a_sample_are_shrunk_by_area_means(tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "SAMPLE_SIDE_PX", 16)
    folder = draw(tmp_path, [exam_of(1, Kind.INTERVAL)])
    (exam,) = gallery.read_gallery(folder, 1)
    levels = np.zeros((2, 2), np.uint8)
    levels[0, 0] = 15
    assert gallery._shrunk(np.tile(levels, (16, 16))).tolist() == [[4] * 16] * 16  # 15 / 4 rounded
    assert exam["images"][0]["side_px"] == SIDE  # what the marks are drawn to stays


def test_a_scale_of_its_own_shows_faint_maps_as_strong_ones():
    generator = np.random.default_rng(0)
    saliency = generator.random((50, 50))
    levels = overlay.saliency_levels(saliency)
    assert np.array_equal(levels, overlay.saliency_levels(saliency * 1e-9))
    assert levels.max() == 15 and levels[saliency > 0.26].min() >= 7  # sqrt(0.26) x 15 = 7.6


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (4, 8)])
@pytest.mark.parametrize("palette", [overlay.SALIENCY, overlay.TOP_PIXELS])
def test_levels_survive_the_file(shape, palette):
    levels = np.random.default_rng(1).integers(0, 16, shape).astype(np.uint8)
    content = overlay.png(levels, palette)
    assert np.array_equal(overlay.levels_of(content, palette), levels)
    bgra = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(bgra[:, :, [2, 1, 0, 3]], palette[levels])


def test_levels_are_blended_by_their_opacity():
    grey = np.full((1, 2), 100, np.uint8)
    levels = np.array([[0, 15]], np.uint8)
    blended = overlay.laid_over(grey, levels, overlay.TOP_PIXELS)
    assert blended.tolist() == [[[100, 100, 100], [86, 180, 233]]]  # nothing, and all of it
