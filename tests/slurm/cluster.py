"""A SLURM of our own for tests: one controller and two nodes on this machine, with GPUs that are none.

    python tests/slurm/cluster.py start [--folder F]     and: stop, status
    sbatch, squeue and snakemake then find it by themselves, through links in /etc/slurm

Debian's packages slurmctld, slurmd, slurm-client and munge, and root, are wanted: jobs are started as their owner, and
the SLURM executor of Snakemake forgets SLURM_CONF, so that the configuration has to lie where SLURM looks for it.
Nothing is touched if there is a real one. No accounting database, no cgroups, no systemd; everything listens on
127.0.0.1, and every process is stopped by the pid that it wrote.
"""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
_PROGRAMS = ("slurmctld", "slurmd", "squeue", "munged")
_LINKS = Path("/etc/slurm")
_FILES = ("slurm.conf", "gres.conf")
_NULL = os.makedev(1, 3)  # the device number of /dev/null: a GPU's file has to be a character device


def whats_missing() -> str | None:
    """Why no cluster can be started here; None if one can."""
    if os.geteuid() != 0:
        return "a test cluster needs root"
    absent = [name for name in _PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"{', '.join(absent)} not found: install Debian's {' '.join(PACKAGES)}"
    other = _LINKS / "slurm.conf"
    pid = other.resolve().parent.parent / "run/slurmctld.pid"
    if other.is_symlink() and pid.exists() and _runs(int(pid.read_text())):
        return f"a test cluster runs already, in {pid.parent.parent}: `stop --folder` that one"
    real = [name for name in _FILES if (_LINKS / name).exists() and not (_LINKS / name).is_symlink()]
    return f"{_LINKS / real[0]} is of a real cluster: not touched" if real else None


@dataclass(frozen=True)
class Cluster:
    """folder  all it writes, but for the links in /etc/slurm
    cpus, mem_mb, gpus  of each node; the machine itself may have fewer
    """

    folder: Path
    nodes: tuple[str, ...] = ("node1", "node2")
    cpus: int = 8
    mem_mb: int = 32000
    gpus: int = 2
    port: int = 26817

    def start(self) -> None:
        """RuntimeError if its nodes are not idle within 30 s."""
        self._write()
        munge = self.folder / "munge"
        self._run(
            *("munged", "--force", f"--key-file={munge / 'key'}", f"--socket={self._socket}"),
            *(f"--pid-file={self._pid('munged')}", f"--log-file={self.folder / 'log/munged.log'}"),
            f"--seed-file={munge / 'seed'}",
        )
        self.start_controller(fresh=True)
        for node in self.nodes:
            self.start_node(node)
        if not _within(30, self.is_idle):
            told = "\n".join(path.read_text()[-2000:] for path in sorted(self.folder.glob("log/*.log")))
            self.stop()
            raise RuntimeError(f"the nodes did not become idle:\n{told}")

    def stop(self) -> None:
        if self._pid("slurmctld").exists():
            with contextlib.suppress(subprocess.SubprocessError):
                subprocess.run(["scancel", "--user=root"], timeout=10, check=False)
        for name in (*(f"slurmd.{node}" for node in self.nodes), "slurmctld", "munged"):
            self._end(name, signal.SIGTERM)
        for name in _FILES:
            link = _LINKS / name
            if link.is_symlink() and link.readlink().parent == self.folder / "etc":
                link.unlink()

    def start_controller(self, fresh: bool = False) -> None:
        """fresh  without the jobs that an earlier controller knew"""
        self._run("slurmctld", *(["-c"] if fresh else []), "-f", str(self._conf))

    def kill_controller(self) -> None:
        self._end("slurmctld", signal.SIGKILL)

    def start_node(self, node: str) -> None:
        self._run("slurmd", "-N", node, "-f", str(self._conf))

    def kill_node(self, node: str) -> None:
        """As a power cut does: its daemon, its jobs, and the daemons that watch those."""
        self._end(f"slurmd.{node}", signal.SIGKILL)
        jobs = _processes_with(f"SLURMD_NODENAME={node}")
        watchers = {parent for pid in jobs if _name(parent := _parent(pid)) == "slurmstepd"}
        for pid in (*watchers, *jobs):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def is_idle(self) -> bool:
        told = subprocess.run(
            ["sinfo", "-h", "-N", "-p", "gpu", "-t", "idle", "-o", "%N"],
            capture_output=True,
            text=True,
            check=False,
        )
        return set(told.stdout.split()) == set(self.nodes)

    @property
    def _conf(self) -> Path:
        return self.folder / "etc/slurm.conf"

    @property
    def _socket(self) -> Path:
        return self.folder / "munge.socket"

    def _pid(self, name: str) -> Path:
        return self.folder / "run" / f"{name}.pid"

    def _run(self, *command: str) -> None:
        with (self.folder / "log/start.log").open("a") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, timeout=30)

    def _end(self, name: str, how: signal.Signals) -> None:
        """Signal a daemon by the pid that it wrote, and wait until it is gone."""
        path = self._pid(name)
        if not path.exists():
            return
        pid = int(path.read_text())
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)
        if not _within(10, lambda: not _runs(pid)):
            os.kill(pid, signal.SIGKILL)
        path.unlink(missing_ok=True)

    def _write(self) -> None:
        for name in ("etc", "run", "log", "state", "dev", "munge", *(f"spool.{node}" for node in self.nodes)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "munge").chmod(0o700)
        key = self.folder / "munge/key"
        if not key.exists():
            key.touch(0o600)
            key.write_bytes(os.urandom(128))
        devices = [self.folder / f"dev/nvidia{number}" for number in range(self.gpus)]
        for device in devices:
            if not device.exists():
                os.mknod(device, 0o666 | stat.S_IFCHR, _NULL)
        self._conf.write_text(self._slurm_conf())
        names = ",".join(self.nodes)
        lines = [f"NodeName={names} Name=gpu Type=fake File={device}" for device in devices]
        (self.folder / "etc/gres.conf").write_text("\n".join(lines) + "\n")
        _LINKS.mkdir(exist_ok=True)
        for name in _FILES:
            link = _LINKS / name
            link.unlink(missing_ok=True)
            link.symlink_to(self.folder / "etc" / name)

    def _slurm_conf(self) -> str:
        host, run, log = socket.gethostname().split(".")[0], self.folder / "run", self.folder / "log"
        settings = {
            "ClusterName": "test",
            "SlurmctldHost": f"{host}(127.0.0.1)",
            "SlurmctldPort": self.port,
            "SlurmUser": "root",
            "SlurmdUser": "root",
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={self._socket}",
            "CredType": "cred/munge",
            "SlurmctldPidFile": run / "slurmctld.pid",
            "SlurmdPidFile": run / "slurmd.%n.pid",
            "SlurmctldLogFile": log / "slurmctld.log",
            "SlurmdLogFile": log / "slurmd.%n.log",
            "StateSaveLocation": self.folder / "state",
            "SlurmdSpoolDir": self.folder / "spool.%n",
            "SlurmdParameters": "config_overrides",  # more CPUs than the machine has
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            "JobAcctGatherType": "jobacct_gather/none",
            "SwitchType": "switch/none",
            "MpiDefault": "none",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_CPU_Memory",
            "GresTypes": "gpu",
            "SchedulerParameters": "sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0",
            "MinJobAge": 300,  # the executor asks squeue for ended jobs
            "KillWait": 10,  # from SIGTERM to SIGKILL at the time limit
            "SlurmdTimeout": 10,
            "ReturnToService": 2,
            "MailProg": "/bin/true",
        }
        lines = [f"{name}={value}" for name, value in settings.items()]
        for number, node in enumerate(self.nodes, start=1):
            lines.append(
                f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={self.port + number} CPUs={self.cpus} "
                f"RealMemory={self.mem_mb} Gres=gpu:fake:{self.gpus} State=UNKNOWN"
            )
        names = ",".join(self.nodes)
        lines += [
            f"PartitionName=cpu Nodes={names} Default=YES MaxTime=08:00:00 DefMemPerCPU=500 State=UP",
            f"PartitionName=gpu Nodes={names} MaxTime=7-00:00:00 DefMemPerCPU=500 State=UP",
        ]
        return "\n".join(lines) + "\n"


def _within(seconds: float, done: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if done():
            return True
        time.sleep(0.2)
    return done()


def _runs(pid: int) -> bool:
    """Whether a process computes; one that nobody has buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _processes_with(variable: str) -> list[int]:
    """Those that have NAME=value in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if variable.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def _parent(pid: int) -> int:
    """0 if the process is gone."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["start", "stop", "status"])
    parser.add_argument("--folder", type=Path, default=Path("/tmp/mammo-test-cluster"))
    args = parser.parse_args()
    cluster = Cluster(args.folder.absolute())
    if args.what == "start":
        missing = whats_missing()
        if missing:
            sys.exit(missing)
        cluster.start()
    elif args.what == "stop":
        cluster.stop()
    else:
        subprocess.run(["sinfo", "-N", "-o", "%N %P %T %G %c %m"], check=False)


if __name__ == "__main__":
    main()
