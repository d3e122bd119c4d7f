"""What `doctor` says of an archive as its readers have it: from disk, offline, at three widths, light and dark."""

import pytest
from examined_study import Seen


@pytest.fixture(scope="module")
def doctor(tiny_study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("doctor")
    Seen(folder, tiny_study)
    return folder / "doctor.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1440])
def test_nothing_sticks_out_the_console_is_silent_and_axe_finds_nothing(
    opened, axe_says, doctor, width, scheme
):
    page = opened(doctor, width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert axe_says(page) == []
    assert page.said == [] and "SYNTHETIC" in page.inner_text("body")
