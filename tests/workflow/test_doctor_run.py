"""`snakemake doctor`: what it plans, with and without a label table, and that it runs by itself."""

from pathlib import Path

from running import TINY, planned, snakemake

OWN = """
archive: {folder}/archive
labels: null
intakes: [{{name: first, archive: null, chunks: 1, shards: 1}}]
"""


def own(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "notes.txt").write_text("no image")
    (tmp_path / "own.yaml").write_text(OWN.format(folder=tmp_path))
    return (str(tmp_path / "own.yaml"),)


def test_it_reads_headers_and_a_sample_and_trains_nothing(tmp_path: Path) -> None:
    jobs = planned(snakemake(tmp_path, "doctor", "-n"))
    assert jobs == {"make_demo_cohort": 1, "read_headers": 1, "index_archive": 1, "doctor": 1}


def test_an_archive_without_labels_can_be_looked_at(tmp_path: Path) -> None:
    result = snakemake(tmp_path, "doctor", configs=own(tmp_path))
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "results/paper/cohort/doctor.html").read_text()
    assert "There is no label table" in page and "Do not start yet" in page


def test_everything_else_stops_without_labels_and_says_so(tmp_path: Path) -> None:
    result = snakemake(tmp_path, "all", configs=own(tmp_path))
    assert result.returncode != 0 and "config key `labels` is empty" in result.stderr
    assert "Traceback" not in result.stderr and not (tmp_path / "results").exists()


def test_it_runs_once_on_the_demo_and_a_second_study_looks_at_its_shards(tmp_path: Path) -> None:
    result = snakemake(tmp_path, "doctor")
    assert result.returncode == 0, result.stderr
    assert "SYNTHETIC DATA" in (tmp_path / "results/demo/cohort/doctor.html").read_text()
    assert not (tmp_path / "results/demo/shards").exists()
    assert planned(snakemake(tmp_path, "doctor", "-n")) == {}
    (tmp_path / "second.yaml").write_text("study: second\nshards_from: results/demo\n")
    jobs = planned(snakemake(tmp_path, "doctor", "-n", configs=(*TINY, str(tmp_path / "second.yaml"))))
    assert jobs["doctor"] == 1 and "read_headers" not in jobs
