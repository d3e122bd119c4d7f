"""A site with planted text in its archive: runs the workflow, and searches what it wrote and said."""

import subprocess
from pathlib import Path

from canary_search import Search
from running import command_of, environment, snakemake

CONFIG = """
make_demo_cohort: null
public_id_key: null
archive: {folder}/archive
labels: {folder}/labels.csv
lesions: {folder}/lesions.csv
split_folds: {{folds: 2}}   # fewer networks
"""


class Site:
    """A folder with archive, labels.csv and lesions.csv, and a working directory for Snakemake."""

    def __init__(self, folder: Path, days: set[str]) -> None:
        self.folder, self.work, self.search = folder, folder / "work", Search(days)
        (folder / "own.yaml").write_text(CONFIG.format(folder=folder))
        self.work.mkdir(exist_ok=True)
        self._configs = ("config/demo.yaml", "tests/workflow/tiny.yaml", str(folder / "own.yaml"))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return snakemake(self.work, *arguments, configs=self._configs)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """As `run`, without waiting, in a process group of its own."""
        return subprocess.Popen(
            command_of(self.work, *arguments, configs=self._configs),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), start_new_session=True,
        )  # fmt: skip

    def check(self, result: subprocess.CompletedProcess[str]) -> None:
        """Nothing planted in what the run printed or wrote outside of the private folder."""
        assert self.search.in_bytes((result.stdout + result.stderr).encode()) == []
        assert self.search.below(self.work, self.work / "private") == {}
