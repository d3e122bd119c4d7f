import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import small_run

from mammo_steps.by_hand.clean_up import main
from mammo_steps.core import slurm_queue
from mammo_steps.core.checkpoint import Checkpoints
from mammo_steps.core.files import replacing
from mammo_steps.core.leftovers import incomplete_outputs, lock_files, scratch_files

DEAD = 2**22 + 1  # no pid is that high


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run that was killed while fold2 was made; while it ran, nothing was touched."""
    folder = tmp_path_factory.mktemp("killed")
    process = small_run.start(folder)
    try:
        small_run.await_text(folder, "1 of 5 steps", "Error in rule")
        for arguments in ([], ["--yes"], ["--yes", "--run-is-dead"]):
            with pytest.raises(SystemExit, match=rf"at work in {folder}: pid {process.pid} on this host"):
                main(["--directory", str(folder), *arguments])
    finally:
        small_run.end(process, folder)
    assert lock_files(folder)
    return folder


@dataclass
class Site:
    """A killed run, and a SLURM of two shell scripts: `queue` is what squeue prints, `cancelled` what scancel got."""

    folder: Path
    queue: Path
    cancelled: Path
    asked: Path

    def clean_up(self, *arguments: str) -> None:
        main(["--directory", str(self.folder), "--patience", "10", *arguments])

    @property
    def tools(self) -> str:
        """A PATH without SLURM."""
        return str(self.folder.parent / "tools")

    def name_run(self, host: str = platform.node()) -> None:
        """Into the run's log, as the SLURM executor does."""
        log = next((self.folder / ".snakemake/log").glob("*"))
        text = log.read_text().replace("Building DAG", "SLURM run ID: mammo_1-2\nBuilding DAG", 1)
        log.write_text(text.replace(f"Host: {platform.node()}", f"Host: {host}"))


@pytest.fixture
def site(killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site(tmp_path / "run", tmp_path / "queue", tmp_path / "cancelled", tmp_path / "asked")
    shutil.copytree(killed, made.folder)
    made.queue.write_text("")
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "squeue").write_text(f"#!/bin/sh\necho \"$*\" >> '{made.asked}'\n/bin/cat '{made.queue}'\n")
    # gone half a second after scancel has returned
    (bin_folder / "scancel").write_text(
        f"#!/bin/sh\necho \"$*\" > '{made.cancelled}'\n(/bin/sleep 0.5; : > '{made.queue}') > /dev/null 2>&1 &\n"
    )
    for script in bin_folder.iterdir():
        script.chmod(0o755)
    tools = tmp_path / "tools"  # what Snakemake wants of a PATH, without a SLURM that this machine may have
    tools.mkdir()
    for name in ("bash", "sh", "which"):
        (tools / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    monkeypatch.setenv("PATH", f"{bin_folder}:{tools}")
    return made


def job(number: int, folder: Path, name: str = "mammo_1-2", state: str = "RUNNING") -> str:
    return f"{number}|{state}|1:00|None|{name}|rule_train_holistic_wildcards_fold{number}|{folder}\n"


def test_without_yes_it_says_what_there_is_and_changes_nothing(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.name_run()
    site.queue.write_text(job(11, site.folder) + job(12, site.folder, state="PENDING"))
    scratch = site.folder / f"results/small/.{DEAD}-0123abcd.fold2.txt"
    scratch.write_text("half")
    os.utime(scratch, (time.time() - 300, time.time() - 300))
    taken = Checkpoints.taken(site.folder / "results/small/.resume/train_holistic/fold2", {"seed": 1})
    before = {path: path.stat().st_mtime_ns for path in site.folder.rglob("*")}
    site.clean_up()
    text = capsys.readouterr().out
    long = "a" * 200
    assert "Jobs in SLURM without a run (2), to be cancelled:\n    11 RUNNING rule_train_holistic" in text
    assert "The folder is locked" in text and "Nothing was changed" in text
    assert (
        f"Incomplete outputs (1), which the next run makes again:\n    results/small/{long}/fold2.txt" in text
    )
    assert (
        f"Scratch files of killed writers (1), to be removed:\n    results/small/.{DEAD}-0123abcd.fold2.txt"
        in text
    )
    assert (
        f"results/small/.resume/train_holistic/fold2: starts anew; last held by pid {os.getpid()} on" in text
    )
    assert "cut off or failed (2):" in text and "    train_holistic fold2\n" in text
    assert "never began: 2" in text
    assert {
        path: path.stat().st_mtime_ns for path in site.folder.rglob("*")
    } == before and taken.lock.exists()
    assert not site.cancelled.exists() and f"--user={os.getuid()}" in site.asked.read_text()


def test_odd_comments_of_other_jobs_and_damaged_locks_stop_nothing(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.name_run()
    odd = b"15|RUNNING|1:00|None|mine|of\n\ntwo | lines \xff|/elsewhere\n"
    site.queue.write_bytes(odd + job(11, site.folder).encode())
    lock = site.folder / "results/small/.resume/train_holistic/fold3/lock.json"
    lock.parent.mkdir(parents=True)
    lock.touch()
    site.clean_up()
    text = capsys.readouterr().out
    assert "Jobs in SLURM without a run (1), to be cancelled:\n    11 RUNNING" in text and lock.exists()


def test_yes_cancels_its_own_jobs_waits_unlocks_and_removes_scratch_files(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.name_run()
    others = job(13, site.folder, name="mammo_9-9") + job(14, site.folder, name="train_my_model")
    # with --directory SLURM knows the folder where the run was started
    site.queue.write_text(job(11, site.folder) + job(12, site.folder.parent) + others)
    scratch = site.folder / f"results/small/.{DEAD}-0123abcd.fold2.txt"
    scratch.write_text("half")
    os.utime(scratch, (1e9, 1e9))
    artefacts = {path for path in (site.folder / "results").rglob("*") if path != scratch}
    assert any(path.name == "fold0.txt" for path in artefacts)
    site.clean_up("--yes")
    text = capsys.readouterr().out
    assert site.cancelled.read_text() == "--quiet 11 12\n" and "cancelled and gone: 2" in text
    assert "left alone:\n    13 RUNNING mammo_9-9\n    14 RUNNING train_my_model\n" in text
    assert "Unlocked." in text and not lock_files(site.folder) and not scratch.exists()
    assert set((site.folder / "results").rglob("*")) == artefacts
    # and a second time there is nothing to do
    site.clean_up("--yes")
    assert "nothing to clean up: the next run can start" in capsys.readouterr().out


def test_jobs_that_do_not_go_leave_the_folder_locked(site: Site) -> None:
    site.name_run()
    site.queue.write_text(job(11, site.folder))
    (site.queue.parent / "bin/scancel").write_text("#!/bin/sh\n")
    with pytest.raises(SystemExit, match=r"Still in SLURM after 0 s: 11. Not unlocked"):
        site.clean_up("--yes", "--patience", "0")
    assert lock_files(site.folder)


def test_a_slurm_that_stops_to_answer_leaves_the_folder_locked(site: Site) -> None:
    site.name_run()
    site.queue.write_text(job(11, site.folder))
    (site.queue.parent / "bin/scancel").write_text("#!/bin/sh\necho no controller >&2; exit 1\n")
    with pytest.raises(SystemExit, match=r"does not answer \(scancel: no controller\). Not unlocked"):
        site.clean_up("--yes")
    assert lock_files(site.folder)


def test_a_slurm_that_lets_wait_is_not_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.name_run()
    (site.queue.parent / "bin/squeue").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    monkeypatch.setattr(slurm_queue, "_PATIENCE_S", 0.2)
    with pytest.raises(
        SystemExit, match=r"SLURM does not answer: jobs there are not seen \(squeue: no answer"
    ):
        site.clean_up("--yes")
    assert lock_files(site.folder)


def test_without_slurm_the_rest_is_done(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", site.tools)
    site.clean_up("--yes")
    assert "There is no squeue on this host" in capsys.readouterr().out and not lock_files(site.folder)


@pytest.mark.parametrize("failing", ["missing", "out of order"])
def test_a_run_in_slurm_is_left_alone_where_its_jobs_are_not_seen(
    site: Site, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.name_run()
    if failing == "missing":
        monkeypatch.setenv("PATH", site.tools)
    else:
        (site.queue.parent / "bin/squeue").write_text("#!/bin/sh\necho no controller >&2; exit 1\n")
    with pytest.raises(
        SystemExit, match=r"jobs in SLURM are not seen|jobs there are not seen \(squeue: no controller"
    ):
        site.clean_up("--yes")
    assert lock_files(site.folder)


def test_a_run_of_another_host_is_left_alone_until_somebody_looked_there(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.name_run("login2")
    site.clean_up()
    assert "was started on login2; on" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"started on login2"):
        site.clean_up("--yes")
    assert lock_files(site.folder)
    site.clean_up("--yes", "--run-is-dead")
    assert not lock_files(site.folder)


def test_an_earlier_run_of_another_host_keeps_its_jobs(site: Site) -> None:
    site.name_run()
    last = next((site.folder / ".snakemake/log").glob("*"))
    text = last.read_text().replace("mammo_1-2", "mammo_3-4").replace(platform.node(), "login2")
    (last.parent / "2026-01-01T000000.0.snakemake.log").write_text(text)
    site.queue.write_text(job(11, site.folder, name="mammo_3-4"))
    with pytest.raises(SystemExit, match=r"2026-01-01T000000.0.snakemake.log was started on login2"):
        site.clean_up("--yes")
    assert not site.cancelled.exists()


def test_an_earlier_run_of_another_host_keeps_its_lock_while_its_log_is_fresh(site: Site) -> None:
    """It may be of another study, and still at work."""
    last = next((site.folder / ".snakemake/log").glob("*"))
    earlier = last.parent / "2026-01-01T000000.0.snakemake.log"
    earlier.write_text(last.read_text().replace(platform.node(), "login2"))
    with last.open("a") as log:
        log.write("Complete log(s): x\n")
    with pytest.raises(SystemExit, match=r"2026-01-01T000000.0.snakemake.log was started on login2"):
        site.clean_up("--yes")
    assert lock_files(site.folder)
    os.utime(earlier, (0, 0))
    site.clean_up("--yes")
    assert not lock_files(site.folder)


def test_a_step_that_still_works_in_the_folder_keeps_it_locked(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(60)", "mammo_steps.train_holistic"]
    step = subprocess.Popen(command, cwd=site.folder)
    try:
        with pytest.raises(SystemExit, match=rf"end them first \(kill {step.pid}\)"):
            site.clean_up("--yes")
    finally:
        step.kill()
        step.wait()
    assert f"pid {step.pid}: train_holistic" in capsys.readouterr().out and lock_files(site.folder)


def test_scratch_files_stay_while_their_writer_may_live(site: Site) -> None:
    places = [
        site.folder / f"results/small/.{pid}-0123abcd.x.parquet" for pid in (os.getpid(), DEAD, DEAD + 1)
    ]
    for place in places:
        place.write_text("half")
    os.utime(places[2], (time.time() - 300, time.time() - 300))
    found = {scratch.path: scratch.kept for scratch in scratch_files(site.folder, time.time())}
    assert [found[place] for place in places] == [
        f"pid {os.getpid()} is alive on this host",
        "it was written in the last two minutes",
        "",
    ]
    os.utime(places[0], (1e9, 1e9))  # before this host was started, thus by another process of that number
    assert not {s.path: s.kept for s in scratch_files(site.folder, time.time())}[places[0]]


def test_scratch_files_are_known_by_the_names_that_writers_give_them(site: Site) -> None:
    with replacing(site.folder / "results/small/x.parquet") as scratch:
        scratch.write_text("half")
        assert [found.path for found in scratch_files(site.folder, time.time())] == [scratch]


def test_a_folder_without_runs_is_told(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no run was started here"):
        main(["--directory", str(tmp_path)])
    assert incomplete_outputs(tmp_path) == []
