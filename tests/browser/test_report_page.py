"""The report as its readers have it: from disk, without a network, on a phone and a desk, light, dark, by keyboard."""

import csv
import re
import time

import pytest
from reported_study import SECTIONS

# what sticks out of the page at the right; what scrolls by itself may
STICKING_OUT = """() => [...document.body.querySelectorAll("*")].filter((element) => {
  if (element.closest(".scroll, pre, svg")) return false;
  const box = element.getBoundingClientRect();
  return box.width && box.right > document.documentElement.clientWidth + 1;
}).map((element) => element.outerHTML.slice(0, 80))"""


STROKES = "document.querySelectorAll(\"#figure-roc_screen_detected svg path[stroke='#009E73']\").length"


def all_alive(page):
    """Scroll through the page until every chart has come to life."""
    height = page.evaluate("document.documentElement.scrollHeight")
    for top in range(0, height, 600):
        page.evaluate(f"window.scrollTo(0, {top})")
        page.wait_for_timeout(30)
    until(page, "!document.querySelector('figure[data-chart]:not([data-live])')")


def until(page, expression, seconds=60):
    """Wait until JavaScript is true; Playwright's own wait may not go on where the page's policy forbids `eval`."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(50)


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (360, "dark"),
        (1440, "light"),
        pytest.param(360, "light", marks=pytest.mark.long),
        pytest.param(768, "light", marks=pytest.mark.long),
        pytest.param(768, "dark", marks=pytest.mark.long),
        pytest.param(1440, "dark", marks=pytest.mark.long),
    ],
)
def test_every_section_is_there_nothing_sticks_out_the_console_is_silent_and_axe_finds_nothing(
    opened, axe_says, report, scheme, width
):
    page = opened(report, width, color_scheme=scheme)
    all_alive(page)
    assert [page.locator(f"#{name}").count() for name in SECTIONS] == [1] * len(SECTIONS)
    assert page.evaluate(STICKING_OUT) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert axe_says(page) == []
    assert page.said == []


def test_a_switch_hides_its_series_by_keyboard_and_brings_it_back(opened, report):
    page = opened(report)
    figure = page.locator("#figure-roc_screen_detected")
    figure.scroll_into_view_if_needed()
    box = figure.get_by_role("checkbox", name=re.compile("^Ensemble"))
    box.wait_for()
    lines = figure.locator("svg path[stroke='#009E73']")
    before = lines.count()
    box.focus()
    page.keyboard.press("Space")
    assert not box.is_checked()
    until(page, f"{STROKES} < {before}")
    page.keyboard.press("Space")
    until(page, f"{STROKES} === {before}")
    assert page.said == []


def test_the_pointer_is_told_what_it_meets(opened, report):
    page = opened(report)
    figure = page.locator("#figure-folds_screen_detected")
    figure.scroll_into_view_if_needed()
    figure.locator("xpath=self::*[@data-live]").wait_for()
    figure.locator("svg .mark-symbol path").last.hover()
    told = page.locator("#vg-tooltip-element.visible")
    told.wait_for()
    assert "AUC" in told.inner_text()


def test_a_table_is_sorted_by_its_heads_and_saved_as_csv(opened, report):
    page = opened(report)
    table = page.locator("table[data-name='table1']")
    head = table.get_by_role("button", name=re.compile(r"screen-detected vs"))
    cells = "table[data-name='table1'] tbody td:nth-child(2) b"
    values = f'[...document.querySelectorAll("{cells}")].map((b) => +b.textContent)'
    head.focus()
    page.keyboard.press("Enter")
    up = page.evaluate(values)
    assert up == sorted(up) and len(up) > 3
    page.keyboard.press("Enter")
    assert page.evaluate(values) == up[::-1]
    assert table.locator("th[aria-sort='descending']").count() == 1
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV: table1").click()
    assert download.value.suggested_filename == "table1.csv"
    lines = download.value.path().read_text().splitlines()
    endpoint = "(a) screen-detected vs the rest"
    parts = ("AUC", "from", "to", "positive", "negative", "paper")
    assert lines[0].split(",")[:7] == ["model", *(f"{endpoint}: {part}" for part in parts)]
    row = next(line.split(",") for line in lines if line.startswith("Ensemble,"))
    assert 0 < float(row[2]) < float(row[1]) <= float(row[3]) and row[4:7] == ["10", "60", "0.940"]
    assert len(lines) == 1 + table.locator("tbody tr").count()


def test_columns_under_a_common_word_are_told_apart_sorted_and_saved(opened, report):
    page = opened(report)
    table = page.locator("table[data-name='operating_points_screen_detected']")
    table.get_by_role("button", name="specificity, model").click()
    values = table.locator("tbody td:nth-child(8)").evaluate_all(
        "(all) => all.map((e) => parseFloat(e.innerText))"
    )
    assert values == sorted(values) and len(set(values)) > 1
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV: operating_points_screen_detected").click()
    lines = list(csv.reader(download.value.path().read_text().splitlines()))
    parts = ("reader", "model", "difference", "95 %")
    both = [f"{name}, {part}" for name in ("sensitivity", "specificity") for part in parts]
    recalls = ["recalls per 1,000, reader", "recalls per 1,000, model"]
    assert lines[0] == ["recalled by", "model", *both, *recalls, "n"]
    assert len(lines) == 1 + table.locator("tbody tr").count() and {len(line) for line in lines} == {13}


def test_a_wide_tables_caption_is_read_without_scrolling_and_stays_when_the_table_moves(opened, report):
    page = opened(report, 360)
    box = page.locator("#localisation .scroll")
    box.evaluate("(box) => { box.scrollLeft = 200; }")
    left, right = box.evaluate(
        """(box) => { const words = document.createRange(); words.selectNodeContents(box.querySelector("caption"));
        const {left, right} = words.getBoundingClientRect(); return [left, right]; }"""
    )
    assert box.evaluate("(box) => box.scrollLeft") == 200
    assert 0 <= left < right <= 360


def test_everything_that_can_be_used_is_reached_by_the_keyboard_with_a_ring_to_see(opened, report):
    page = opened(report)
    all_alive(page)
    page.evaluate("window.scrollTo(0, 0)")
    wanted = page.evaluate(
        "[...document.querySelectorAll('a[href], button, summary, input')].filter((e) => e.checkVisibility()).length"
    )
    met = set()
    for _ in range(wanted + 60):
        page.keyboard.press("Tab")
        key = page.evaluate(
            """() => { const e = document.activeElement; if (!e || e === document.body) return null;
            e.dataset.met ||= String(Math.random()); const style = getComputedStyle(e);
            return [e.dataset.met, e.matches('a[href], button, summary, input'), style.outlineStyle]; }"""
        )
        if key is None:
            break
        assert key[2] != "none", page.evaluate("document.activeElement.outerHTML.slice(0, 100)")
        if key[1]:
            met.add(key[0])
    assert len(met) == wanted


def test_without_its_scripts_the_page_shows_the_same_charts_and_tables(opened, report):
    page = opened(report, java_script_enabled=False)
    assert page.locator("figure[data-chart] svg").count() == page.locator("figure[data-chart]").count() > 20
    assert page.locator("table[data-name='table1'] tbody tr").count() > 8


def test_every_chart_and_picture_has_a_text(opened, report):
    page = opened(report)
    texts = page.locator("figure[data-chart] .chart").evaluate_all(
        "(all) => all.map((e) => e.getAttribute('aria-label'))"
    )
    assert len(texts) > 20 and all(len(text) > 20 for text in texts)
    assert page.locator("img:not([alt])").count() == 0


def test_it_prints_with_a_banner_and_all_charts(opened, report):
    page = opened(report)
    page.emulate_media(media="print")
    pdf = page.pdf(format="A4")
    assert pdf[:5] == b"%PDF-" and len(pdf) > 100_000
    assert page.locator(".save").first.is_visible() is False
    assert page.locator(".synthetic").first.is_visible()
