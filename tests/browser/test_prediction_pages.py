"""The pages of new exams as their readers have them: from disk, offline, at three widths, light and dark."""

import json

import pytest
from tiny_study import JOB

from mammo_steps import predict, score_new_exams


@pytest.fixture(scope="module")
def predictions(tiny_study, tiny_bundle, tmp_path_factory):
    """Scores of a tiny archive by a bundle made of it, with a picture of each exam."""
    folder = tmp_path_factory.mktemp("pages")
    index, parts = tiny_study.root / "index.parquet", []
    for shard in sorted(tiny_study.shards.iterdir()):
        parts.append(folder / shard.name)
        score_new_exams.main(
            ["--bundle", str(tiny_bundle), "--index", str(index), "--shard", str(shard)]
            + ["--job", JOB, "--scores", str(parts[-1])]
        )
    predict.main(
        ["--bundle", str(tiny_bundle), "--indexes", str(index), "--shards", str(tiny_study.shards)]
        + ["--parts", *map(str, parts), "--settings", json.dumps({"study": "new", "drift": {}})]
        + ["--predictions", str(folder)]
    )
    return folder


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1440])
@pytest.mark.parametrize("name", ["index.html", "drift.html"])
def test_nothing_sticks_out_the_console_is_silent_and_axe_finds_nothing(
    opened, axe_says, predictions, name, width, scheme
):
    page = opened(predictions / name, width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert axe_says(page) == []
    assert page.said == [] and "SYNTHETIC" in page.inner_text("body")


def test_an_exam_opens_by_the_keyboard_and_shows_its_picture(opened, predictions):
    page = opened(predictions / "index.html")
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    picture = page.locator("details[open] img").first
    picture.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('details[open] img').naturalWidth > 0")
    assert picture.get_attribute("alt").startswith("Views of exam")
