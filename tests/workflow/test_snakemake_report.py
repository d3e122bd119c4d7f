"""`snakemake --report` of a finished SYNTHETIC study, made without a network where the machine lets us take it away."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from running import TINY, command_of, environment


def offline() -> list[str]:
    """What a command is put behind to have no network; nothing where that is not allowed."""
    tried = ["unshare", "--net", "--map-root-user"]
    allowed = shutil.which("unshare") and not subprocess.run([*tried, "true"], check=False).returncode
    return tried if allowed else []


@pytest.fixture(scope="module")
def made(finished_study: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    page = tmp_path_factory.mktemp("snakemake") / "report.html"
    command = command_of(finished_study, "--report", str(page), configs=TINY)
    done = subprocess.run(
        [*offline(), *command], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    return page.read_text()


def test_every_figure_is_in_its_category_with_its_own_caption(made: str, finished_study: Path) -> None:
    figures = json.loads((finished_study / "results/demo/report/figures/figures.json").read_text())
    for figure in figures:
        assert f"report/figures/{figure['file']}" in made, figure["file"]
        assert json.dumps(figure["title"])[1:-1] in made and f'"{figure["section"]}"' in made
        first = re.escape(figure["caption"].split("'")[0][:60].rstrip())
        assert re.search(first.replace(r"\ ", r"(\s|\\n)+"), made), figure["file"]


def test_the_page_the_tables_the_exams_and_the_cards_are_there_and_it_says_synthetic(made: str) -> None:
    for name in ("report.html", "auc.csv", "localisation.csv", "table1.md", "01_sheet.png", "model_card.md"):
        assert name in made, name
    assert all(f'"{category}"' in made for category in ("Page", "Tables", "Exams", "Cards"))
    assert "SYNTHETIC DATA" in made and "drawn by a program" in made
