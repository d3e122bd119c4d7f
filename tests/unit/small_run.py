"""A workflow of a few shell commands, run by a Snakemake of its own that tests watch and kill."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

# fold0 is quick, fold1 fails, fold2 lasts until somebody ends it
SNAKEFILE = """
LONG = "a" * 200  # Snakemake cuts the name of an output's marker into folders

rule all:
    input:
        expand(f"results/small/{LONG}/{{fold}}.txt", fold=["fold0", "fold1", "fold2"]),
        "results/small/report.txt",

rule train_holistic:
    output: f"results/small/{LONG}/{{fold}}.txt"
    log: "results/small/logs/train_holistic/{fold}.log"
    shell:
        '''
        echo 'rule train_holistic:' > {log}; echo '    jobid: 1' >> {log}; echo 'Finished jobid: 0 (Rule: all)' >> {log}
        case {wildcards.fold} in fold1) exit 1;; fold2) exec sleep 60;; esac
        touch {output}
        '''

rule report:
    input: expand(f"results/small/{LONG}/{{fold}}.txt", fold=["fold0", "fold1", "fold2"])
    output: "results/small/report.txt"
    shell: "touch {output}"
"""


def start(folder: Path) -> subprocess.Popen[str]:
    """A run in the folder, with a process group of its own as in a terminal."""
    (folder / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-m", "snakemake", "--cores", "3", "--keep-going", "--show-failed-logs"]
    silent = subprocess.DEVNULL
    return subprocess.Popen(
        command, cwd=folder, stdout=silent, stderr=silent, text=True, start_new_session=True
    )


def await_text(folder: Path, *texts: str) -> None:
    """Until the run's log holds the texts."""
    for _ in range(1200):
        logs = sorted((folder / ".snakemake/log").glob("*.snakemake.log"))
        if logs and all(text in logs[-1].read_text() for text in texts):
            return
        time.sleep(0.05)
    raise TimeoutError(f"no {texts} in the log of {folder}")


def end(process: subprocess.Popen[str], folder: Path) -> None:
    """Kill it at once, and what it started."""
    process.kill()
    process.wait()
    for pid in sleepers(folder):
        os.kill(pid, signal.SIGKILL)


def sleepers(folder: Path) -> list[int]:
    """What a killed run leaves behind on this host."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            is_sleep = entry.name.isdigit() and (entry / "cmdline").read_bytes() == b"sleep\x0060\x00"
            if is_sleep and (entry / "cwd").readlink() == folder.resolve():
                found.append(int(entry.name))
        except OSError:
            continue
    return found
