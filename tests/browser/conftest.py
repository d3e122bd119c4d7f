"""A browser, where the machine has one, and a page to open from disk without a network."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Error, Page, sync_playwright
from reported_study import evaluated, page_of

NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium: the one that CHROMIUM names, the system's, or Playwright's own."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except Error as error:
            pytest.skip(
                f"no browser: install Debian's chromium, or set CHROMIUM ({str(error).splitlines()[0]})"
            )
        yield started
        started.close()


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a small synthetic study."""
    folder = evaluated(tmp_path_factory.mktemp("page"))
    page_of(folder)
    return folder / "report.html"


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page from disk, offline, at a width; what its console says is in `page.said`."""
    contexts = []

    def open_(path: Path, width: int = 1440, **more: object) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, offline=True, **more)
        contexts.append(context)
        page = context.new_page()
        page.said = []
        page.on("console", lambda message: page.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("requestfailed", lambda request: page.said.append(f"wanted {request.url[:80]}"))
        page.goto(path.as_uri(), wait_until="load")
        return page

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture
def axe_says() -> Callable[[Page], list[str]]:
    """What axe-core finds wrong with a page: its rule and the first place.

    The shadows of `.scroll` go first: axe does not judge the contrast of text before a picture.
    """

    def says(page: Page) -> list[str]:
        page.evaluate("document.querySelectorAll('.scroll').forEach(one => one.style.background = 'none')")
        found = Axe().run(page).response["violations"]
        return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found]

    return says
