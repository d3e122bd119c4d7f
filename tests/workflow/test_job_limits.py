"""What jobs ask a cluster for, as Snakemake plans them."""

import re
from pathlib import Path

from running import snakemake


def asked_for(text: str) -> dict[str, dict[str, str]]:
    """Rule -> its resources, of a dry run."""
    found = re.findall(r"^(?:local)?rule (\w+):$.*?^    resources: ([^\n]*)$", text, re.MULTILINE | re.DOTALL)
    return {rule: dict(re.findall(r"(\w+)=([^,]*)", resources)) for rule, resources in found}


def test_every_job_asks_for_memory_and_time_and_the_command_line_goes_over_them(tmp_path: Path) -> None:
    given = ("--set-resources", "train_holistic:mem_mb=12345", "train_holistic:gpu=2", "evaluate:runtime=77")
    done = snakemake(tmp_path, "all", "-n", *given)
    assert done.returncode == 0, done.stdout + done.stderr
    rules = asked_for(done.stdout)
    assert len(rules) > 12
    for rule, resources in rules.items():
        if rule != "all":
            assert int(resources["mem_mb"]) >= 500 and int(resources["runtime"]) >= 10, rule
    assert rules["train_holistic"]["mem_mb"] == "12345" and rules["train_holistic"]["gpu"] == "2"
    assert rules["evaluate"]["runtime"] == "77"
    assert "--nproc-per-node 2" in done.stdout
