import logging
import os
import platform
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import small_run
from bright import SETTINGS, bright_task
from small_run import await_text, start

from mammo_steps.by_hand.show_progress import main
from mammo_steps.core.history import Epoch, EpochCost
from mammo_steps.core.processes import Process, leads
from mammo_steps.core.run_log import DONE, FAILED, RUNNING, WAITING, Job, RunLog
from mammo_steps.core.slurm_queue import _seconds
from mammo_steps.core.stages import most_at_once
from mammo_steps.core.step_log import TrainingLine, training_line
from mammo_steps.core.watching import Watch

LOG = "2026-11-23T100000.0.snakemake.log"
HEAD = """Assuming unrestricted shared filesystem usage.

SNAKEMAKE
=========
  Date: 2026-11-23 10:00:00
  Host: {host}
  User: anna
  Command: /env/bin/snakemake --profile slurm all

SLURM run ID: mammo_fed48cc7
Job stats:
job               count
--------------  -------
train_holistic        5
crop_rois             4
report                1
total                10

Select jobs to execute...
Execute 2 jobs...
"""


def stamp(minute: int) -> str:
    return f"[Mon Nov 23 10:{minute:02d}:00 2026]"


def begin(number: int, fold: str, minute: int, slurm_id: int) -> str:
    return (
        f"{stamp(minute)}\nrule train_holistic:\n    input: a, b\n    output: results/s/{fold}.txt\n"
        f"    log: logs/{fold}.log\n    jobid: {number}\n    wildcards: fold={fold}\n    resources: gpu=1\n"
        "Shell command: \n        python -m x\n    \n"
        f"Job {number} has been submitted with SLURM jobid {slurm_id} (log: logs/slurm/{slurm_id}.log).\n"
    )


def end(number: int, minute: int, rule: str = "train_holistic") -> str:
    return f"{stamp(minute)}\nFinished jobid: {number} (Rule: {rule})\n1 of 10 steps (10%) done\n"


def group(name: str, numbers: list[int], minute: int) -> str:
    blocks = [
        f"    {stamp(minute)}\n    rule crop_rois:\n        input: a\n        log: logs/r{number}.log\n"
        f"        jobid: {number}\n        wildcards: fold={name}, shard=first-{number:03d}\n"
        "Shell command: \n        python -m x\n    \n"
        for number in numbers
    ]
    return f"{stamp(minute)} Group job rois_{name} (jobs in lexicogr. order):\n" + "".join(blocks)


def error(number: int, minute: int, quoted: str) -> str:
    fence = "=" * 80
    return (
        f"{stamp(minute)}\nError in rule train_holistic:\n    message: SLURM-job '9' failed\n    jobid: {number}\n"
        f"    log: logs/a.log, logs/slurm/9.log (check log file(s) for error details)\n"
        f"Logfile logs/a.log:\n{fence}\n{quoted}\n{fence}\nLogfile logs/slurm/9.log: empty file\n"
    )


def written(folder: Path, text: str, host: str = "login2") -> RunLog:
    (folder / ".snakemake/log").mkdir(parents=True, exist_ok=True)
    path = folder / ".snakemake/log" / LOG
    path.write_text(HEAD.format(host=host) + text)
    return RunLog(path).read()


def shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    main(["--directory", str(folder)])
    return capsys.readouterr().out


@pytest.fixture
def squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of this name that prints the file it returns."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    queue = tmp_path / "queue.txt"
    queue.write_text("")
    (bin_folder / "squeue").write_text(f"#!/bin/sh\ncat '{queue}'\n")
    (bin_folder / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}:/usr/bin:/bin")
    return queue


def test_jobs_are_told_by_their_latest_attempt(tmp_path: Path) -> None:
    run = written(
        tmp_path,
        begin(1, "fold0", 0, 7)
        + begin(2, "fold1", 0, 8)
        + end(1, 10)
        + error(2, 12, "Traceback")
        + "Trying to restart job 2.\n",
    )
    assert run.counts == {"train_holistic": 5, "crop_rois": 4, "report": 1}
    assert [(job.state, job.place, job.slurm_id) for job in run.jobs.values()] == [
        (DONE, "fold0", "7"),
        (WAITING, "fold1", "8"),
    ]
    with run.path.open("a") as log:
        log.write(begin(2, "fold1", 13, 9) + "Complete log")  # the last line is not whole yet
    job = run.read().jobs[2]
    assert (job.state, job.attempt, job.slurm_id, run.is_ended) == (RUNNING, 2, "9", False)
    assert run.jobs[1].ended is not None and run.jobs[1].begun == run.jobs[1].ended - 600


def test_logs_of_failed_jobs_that_hold_a_snakemake_log_count_nothing(tmp_path: Path) -> None:
    nested = "Job stats:\nreport 9\ntotal 9\n" + error(1, 3, end(1, 4)) + end(1, 5) + "Complete log(s): x"
    run = written(tmp_path, begin(1, "fold0", 0, 7) + error(1, 12, nested))
    assert run.counts["report"] == 1 and run.jobs[1].state == FAILED and not run.is_ended
    assert run.jobs[1].logs == ("logs/a.log", "logs/slurm/9.log")


def test_the_tasks_of_an_array_are_told_apart(tmp_path: Path) -> None:
    both = begin(1, "fold0", 0, 7) + begin(2, "fold1", 0, 7)
    told = (
        "Submitted array job with Snakemake IDs 2,1 and SLURM job ID 34. The individual task IDs are 1-2.\n"
    )
    run = written(tmp_path, both + told)
    assert {number: job.slurm_id for number, job in run.jobs.items()} == {2: "34_1", 1: "34_2"}


def test_jobs_of_a_group_share_its_submission(tmp_path: Path) -> None:
    uuid = "66bf6cb1-98fd-5fbc-8b8a-614ec678e2a4"
    run = written(
        tmp_path,
        group("fold0", [3, 4], 0)
        + group("fold1", [5, 6], 0)
        + f"Job {uuid} has been submitted with SLURM jobid 34 (log: logs/slurm/group_rois_fold1_crop_rois/34.log).\n"
        + end(5, 3, "crop_rois")
        + f"    {stamp(4)}\n    Error in rule crop_rois:\n        jobid: 6\n        log: logs/r6.log (check log "
        "file(s) for error details)\n        shell:\n        \n        python -m x\n        \n",
    )
    assert {n: (job.state, job.slurm_id, job.place) for n, job in run.jobs.items()} == {
        3: (RUNNING, None, "fold0 first-003"),
        4: (RUNNING, None, "fold0 first-004"),
        5: (DONE, "34", "fold1 first-005"),
        6: (FAILED, "34", "fold1 first-006"),
    }


def test_a_screen_says_what_runs_waits_and_failed(
    tmp_path: Path, squeue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/fold1.log").write_text(
        "2026 mammo_steps.core.watching: fold 1: step 40 of 100, loss 0.5; 212 images/s, 0:10:00 left\nother\n"
    )
    (tmp_path / "logs/fold0.log").write_text('x\ncost: {"wall_s": 300.0, "peak_mb": 3}\n')
    jobs = [begin(n, f"fold{n}", 0, 10 + n) for n in range(4)]
    written(tmp_path, "".join(jobs) + end(0, 10) + error(3, 11, "Traceback"))
    squeue.write_text(
        "11|RUNNING|5:00|None|mammo_fed48cc7|rule_train_holistic|/x\n"
        "12|PENDING|0:00|PartitionConfig|mammo_fed48cc7|rule_train_holistic|/x\n"
    )
    text = shown(tmp_path, capsys)
    # two to begin at 300 s each and 600 s of the one under way, one at a time
    assert "1 of 10 jobs done, about 0:20:00 left, and what 2 stages take of which no job is done yet" in text
    assert (
        "train_holistic  1 of 5 done, 1 running, 1 queued in SLURM (PartitionConfig), 1 failed, 1 waiting, "
        "about 0:20:00 left\n"
        "    fold1: step 40 of 100, 212 images/s, 0:10:00 left\n"
        "    fold3: failed, see logs/a.log and logs/slurm/9.log\n"
    ) in text
    assert "can be seen on login2 alone" in text


def test_a_silent_training_is_told_and_slurm_may_be_missing_or_out_of_order(
    tmp_path: Path, squeue: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs/fold1.log"
    log.write_text("w: fold 1 epoch 3 of 10: loss 1; 90 images/s, 9 MB at most, 1 day, 2:00:00 left\n")
    os.utime(log, (time.time() - 1200, time.time() - 1200))
    written(tmp_path, begin(1, "fold1", 0, 11))
    squeue.write_text("11|RUNNING|5:00|None|mammo_fed48cc7|rule_train_holistic|/x\n")
    assert "epoch 3 of 10, 90 images/s, 1 day, 2:00:00 left, silent for 0:20:00" in shown(tmp_path, capsys)
    squeue.write_text("")
    assert "    fold1: no more in SLURM, which Snakemake sees within minutes\n" in shown(tmp_path, capsys)
    (tmp_path / "bin/squeue").write_text("#!/bin/sh\necho no controller >&2; exit 1\n")
    assert "SLURM does not answer" in shown(tmp_path, capsys)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "There is no squeue on this host" in shown(tmp_path, capsys)


def test_many_jobs_of_a_stage_are_summed_up_by_fold(
    tmp_path: Path, squeue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folds = group("fold0", [1, 2, 3], 0) + group("fold1", list(range(4, 20)), 0)
    written(tmp_path, folds + end(1, 3, "crop_rois") + end(2, 3, "crop_rois") + end(4, 3, "crop_rois"))
    text = shown(tmp_path, capsys)
    assert "    done: fold0 2, fold1 1\n" in text and "    and 8 more\n" in text


def test_a_folder_without_a_run_and_a_quiet_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"none was started here yet"):
        main(["--directory", str(tmp_path)])
    written(tmp_path, end(1, 10))
    assert "1 jobs are under way. The run is quiet" in shown(tmp_path, capsys)
    # an unlocking leaves a log, too, which is no run
    (tmp_path / ".snakemake/log/2027-01-01T000000.0.snakemake.log").write_text(
        "Unlocked working directory.\n"
    )
    assert "Run of 2026-11-23 10:00:00 by anna on login2" in shown(tmp_path, capsys)


def test_a_killed_run_is_told_from_one_on_another_host(
    tmp_path: Path, squeue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, begin(1, "fold1", 0, 11), host=platform.node())
    text = shown(tmp_path, capsys)
    assert "killed at" in text and "1 cut off, 4 not begun" in text and "left" not in text


def test_a_log_of_20000_jobs_is_read_in_two_seconds_of_computing(tmp_path: Path) -> None:
    jobs = "".join(begin(n, f"fold{n % 10}", n % 60, n) + end(n, n % 60) for n in range(20000))
    began = time.process_time()
    run = written(tmp_path, jobs)
    assert len(run.jobs) == 20000 and time.process_time() - began < 2


def test_a_snakemake_of_another_user_is_known_by_its_command_and_start(tmp_path: Path) -> None:
    run = written(tmp_path, "")
    assert run.began is not None
    all_jobs = ("/env/bin/python3", "/env/bin/snakemake", "--profile", "slurm", "all")
    for arguments, began, expected in (
        (all_jobs, run.began - 3, True),
        (all_jobs, run.began - 7200, False),
        (all_jobs, run.began + 60, False),
        ((*all_jobs, "-n"), run.began - 3, False),
        ((*all_jobs[:2], "--mode", *all_jobs[2:]), run.began - 3, False),
        (("timeout", "900", "snakemake", *all_jobs[2:]), run.began - 3, False),
        (("python", "-m", "snakemake", *all_jobs[2:]), run.began - 3, True),
    ):
        assert leads(Process(1, arguments, None, began), run) is expected, arguments


def test_a_run_that_made_no_job_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / ".snakemake/log" / LOG
    log.parent.mkdir(parents=True)
    log.write_text(HEAD.format(host=platform.node()).partition("Job stats")[0])
    assert f"It made no job, see {log}" in shown(tmp_path, capsys)


def test_the_lines_that_trainings_write_are_understood(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    now = [1000.0]
    monkeypatch.setattr("mammo_steps.core.watching.time.monotonic", lambda: now[0])
    log = tmp_path / "fold.log"
    with closing(Watch(bright_task(tmp_path), SETTINGS, 300, 0, None)) as watch:
        watch.bar.disable = True
        now[0] += 3600
        watch.step(10, 0.5, 0.1, 16.4)
        log.write_text(f"2026-11-23 10:00:00,1 watching: {caplog.messages[-1]}\n")
        assert training_line(log) == TrainingLine("step", 10, 300, 16, 29 * 3600)
        watch.epoch(Epoch(0, 4, 4, 0.1, 0.5, 0.6, 0.7), EpochCost(10.0, 1.0, 25.0, 900.0, 0.01))
        log.write_text(f"2026-11-23 10:00:00,1 watching: {caplog.messages[-1]}\n")
    assert training_line(log) == TrainingLine("epoch", 1, SETTINGS.epochs, 25, 29 * 3600)


def test_times_of_slurm_and_a_log_that_is_not_there(tmp_path: Path) -> None:
    assert [_seconds(text) for text in ("0:04", "1:02:03", "2-00:00:01", "INVALID")] == [4, 3723, 172801, 0]
    assert training_line(tmp_path / "none.log") is None
    jobs = [Job("r", begun=0, ended=10), Job("r", begun=5, ended=20), Job("r", begun=10, ended=None)]
    assert most_at_once(jobs) == 2


@pytest.fixture(scope="module")
def real_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("run")
    process = start(folder)
    try:
        await_text(folder, "1 of 5 steps", "Error in rule")
        yield folder
    finally:
        small_run.end(process, folder)


def test_a_real_run_is_seen_while_it_runs_and_after_it_was_interrupted(
    real_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(real_run, capsys)
    assert "running, pid " in text and "1 of 5 jobs done" in text
    assert (
        "train_holistic  1 of 3 done, 1 running, 1 failed" in text and "report          0 of 1 done" in text
    )
    assert "    fold1: failed, see results/small/logs/train_holistic/fold1.log\n" in text
    assert "    fold2: 0:00:0" in text
    pid = int(text.partition("pid ")[2].split()[0])
    os.killpg(os.getpgid(pid), signal.SIGINT)  # Ctrl-C
    await_text(real_run, "Complete log")
    main(["--directory", str(real_run), "--watch", "0.1"])  # ends by itself
    text = capsys.readouterr().out
    assert "ended with failed jobs at" in text or "stopped at" in text
