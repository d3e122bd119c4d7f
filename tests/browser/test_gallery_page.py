"""The exam gallery as its readers have it: from disk, offline, at three widths, light and dark, by keyboard."""

import pytest
from made_gallery import draw, exam_of

from mammo_steps.core.exam_kinds import Kind


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    exams = [exam_of(7, Kind.MISSED_CANCER), exam_of(8, Kind.MODELS_DISAGREE)]
    return draw(tmp_path_factory.mktemp("gallery"), exams, synthetic=True) / "index.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1440])
def test_nothing_sticks_out_the_console_is_silent_and_axe_finds_nothing(
    opened, axe_says, gallery, width, scheme
):
    page = opened(gallery, width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert axe_says(page) == []
    assert page.said == [] and "SYNTHETIC" in page.inner_text("body")


def test_saliency_is_switched_off_and_on_by_the_keyboard(opened, gallery):
    page = opened(gallery)
    box = page.get_by_role("checkbox", name="saliency").first
    layers = page.locator("img[src*='saliency']")
    shown = layers.evaluate_all("(all) => all.filter((e) => e.checkVisibility()).length")
    box.focus()
    page.keyboard.press("Space")
    hidden = layers.evaluate_all("(all) => all.filter((e) => e.checkVisibility()).length")
    page.keyboard.press("Space")
    again = layers.evaluate_all("(all) => all.filter((e) => e.checkVisibility()).length")
    assert shown == again > hidden == 0


def test_every_picture_has_a_text_and_is_loaded_when_it_comes_near(opened, gallery):
    page = opened(gallery)
    assert page.locator("img:not([alt])").count() == 0 < page.locator("img").count()
    assert page.locator("img[loading='lazy']").count() > 0
