"""A node and dcmtk's clients and servers around it, each a process of its own on this machine's loopback."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from made_files import make_dicom

REPO = Path(__file__).resolve().parents[2]
VIEWS = (("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO"))


def dcmtk(name: str) -> str | None:
    """dcmtk's own program: pynetdicom puts ones of the same names beside Python."""
    own = Path(sys.executable).parent
    path = os.pathsep.join(
        p for p in os.environ["PATH"].split(os.pathsep) if Path(p).resolve() != own.resolve()
    )
    return shutil.which(name, path=path)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(there: Callable[[], Any], what: str, seconds: float = 120) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := there():
            return found
        time.sleep(0.05)
    raise AssertionError(f"no {what} within {seconds} s")


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def make_exam(folder: Path, number: int, patient: str = "", views: Iterable[tuple[str, str]] = VIEWS) -> Path:
    """Four tiny mammograms of exam `1.2.<number>`."""
    for which, (laterality, view) in enumerate(views):
        grey = np.full((8, 6), 100 + number % 1000, np.uint16)
        ids = (patient or f"P{number}", f"1.2.{number}", f"1.2.{number}.{which + 1}")
        make_dicom(folder / f"{number}_{which}.dcm", grey, laterality, view, ids)
    return folder


class Receiver:
    """dcmtk's storescp; every reception is a line in a file: checksum and name."""

    def __init__(self, folder: Path, port: int, *options: str) -> None:
        self.folder, self.port, self.options = folder / "received", port, options
        self.lines = folder / "received.txt"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder.parent / "tally.sh").write_text(f'sha256sum "$1" >> {self.lines}\n')
        command = [dcmtk("storescp"), "-aet", "PACS", "-pm", "+B", "-od", str(self.folder)]
        command += ["--exec-sync", "-xcr", f"sh {self.folder.parent}/tally.sh #p/#f"]
        self.process = subprocess.Popen([*command, *self.options, str(self.port)], stderr=subprocess.DEVNULL)
        wait_for(lambda: listens(self.port), "storescp")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def received(self) -> dict[str, Counter[str]]:
        """Name (it holds the SOPInstanceUID) -> checksums and how often each came."""
        found: dict[str, Counter[str]] = {}
        for line in self.lines.read_text().splitlines() if self.lines.exists() else []:
            checksum, name = line.split()
            found.setdefault(Path(name).name, Counter())[checksum] += 1
        return found


class Node:
    """A process that runs light_node.py, or the real command."""

    def __init__(
        self, folder: Path, destination_port: int, maker: str = "make_light_answer", **changes: Any
    ) -> None:
        self.folder, self.maker, self.port = folder, maker, free_port()
        self.queue, self.log = folder / "queue", folder / "node.log"
        config = yaml.safe_load((REPO / "config/node.yaml").read_text())
        config |= {"port": self.port, "callers": ["STORESCU", "ECHOSCU"]}
        config["destinations"][0]["port"] = destination_port
        config["wait"] = {"complete_s": 0.3, "incomplete_s": 3600}
        config["limits"]["free_disk_mb"] = 1
        config["sending"] |= {"first_wait_s": 0.3, "longest_wait_s": 1}
        for name, value in changes.items():
            config[name] = config[name] | value if isinstance(config[name], dict) else value
        self.config = folder / "node.yaml"
        self.config.write_text(yaml.safe_dump(config))
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def command(self) -> list[str]:
        return [
            sys.executable,
            str(REPO / "tests/dicom/light_node.py"),
            str(self.queue),
            str(self.config),
            self.maker,
        ]

    def start(self) -> None:
        environment = os.environ | {"PYTHONPATH": str(REPO)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stderr=log, env=environment)
        wait_for(lambda: self.process.poll() is not None or listens(self.port), "node")
        assert self.process.poll() is None, self.log.read_text()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """The exit code after SIGTERM."""
        if self.process is None or self.process.poll() is not None:
            return -1
        self.process.terminate()
        return self.process.wait(60)

    def status(self) -> str:
        return self.ask("--status")

    def ask(self, flag: str) -> str:
        """What the command prints about the queue."""
        command = [sys.executable, "-m", "mammo_steps.by_hand.serve_dicom", flag, str(self.queue)]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": str(REPO)}
        ).stdout


def storescu(
    port: int, *files: Path | str, caller: str = "STORESCU", called: str = "MAMMO"
) -> subprocess.CompletedProcess[str]:
    """Send by dcmtk's storescu, verbosely; files or options."""
    command = [dcmtk("storescu"), "-v", "-aet", caller, "-aec", called, "127.0.0.1", str(port)]
    return subprocess.run([*command, *map(str, files)], capture_output=True, text=True)


class Sender:
    """dcmtk's storescu, sending a folder; what was acknowledged it renames .done, so a further one sends the rest."""

    def __init__(self, folder: Path, port: int) -> None:
        for file in folder.glob("*.bad"):
            file.rename(file.with_suffix(""))
        command = [
            dcmtk("storescu"),
            "-q",
            "+sd",
            "+sp",
            "*.dcm",
            "+rn",
            "-aec",
            "MAMMO",
            "127.0.0.1",
            str(port),
        ]
        self.process = subprocess.Popen([*command, str(folder)], stderr=subprocess.DEVNULL)

    def end(self) -> None:
        self.process.wait(600)

    @staticmethod
    def n_acknowledged(folder: Path) -> int:
        return sum(1 for _ in folder.rglob("*.dcm.done"))


def echoscu(port: int, caller: str = "ECHOSCU", called: str = "MAMMO") -> subprocess.CompletedProcess[str]:
    command = [dcmtk("echoscu"), "-aet", caller, "-aec", called, "127.0.0.1", str(port)]
    return subprocess.run(command, capture_output=True, text=True)
