"""Runs the workflow as a user would, in a folder of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
TINY = ("config/demo.yaml", "tests/workflow/tiny.yaml")


def snakemake(
    folder: Path,
    *arguments: str,
    configs: tuple[str, ...] = TINY,
    config: tuple[str, ...] = (),
    repo: Path = REPO,
) -> subprocess.CompletedProcess[str]:
    """`snakemake <arguments> --configfile <configs> --config <config>` in `folder`, on two cores.

    repo  the checkout
    """
    command = command_of(folder, *arguments, configs=configs, config=config, repo=repo)
    return subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)


def command_of(
    folder: Path,
    *arguments: str,
    configs: tuple[str, ...],
    config: tuple[str, ...] = (),
    repo: Path = REPO,
) -> list[str]:
    command = [sys.executable, "-m", "snakemake", *arguments, "--cores", "2", "--snakefile"]
    command += [str(repo / "workflow/Snakefile"), "--directory", str(folder)]
    if configs:
        command += ["--configfile", *(str(repo / name) for name in configs)]
    if config:
        command += ["--config", *config]
    return command


def environment() -> dict[str, str]:
    """The workflow finds the package by itself."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def planned(result: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Rule -> number of jobs, of a dry run."""
    assert result.returncode == 0, result.stdout + result.stderr
    table = re.search(r"^Job stats:\njob +count\n[- ]+\n(.*?)^total", result.stdout, re.MULTILINE | re.DOTALL)
    if table is None:
        assert "Nothing to be done" in result.stdout + result.stderr, result.stdout + result.stderr
        return {}
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table[1], re.MULTILINE)}


def reasons(result: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Rule -> the reasons of its jobs, of a dry run."""
    found: dict[str, str] = {}
    for _, rule, reason in re.findall(  # those of a group are indented
        r"^( *)(?:local)?rule (\w+):\n(?:\1    .*\n)*?\1    reason: (.*)", result.stdout, re.MULTILINE
    ):
        found[rule] = found.get(rule, "") + reason
    return found
