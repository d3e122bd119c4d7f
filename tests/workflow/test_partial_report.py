"""One fold missing: the report is made of the others when that is asked for, and says so."""

import json
import shutil
from pathlib import Path

from running import TINY, planned, snakemake

from mammo_steps.core.manifest import stated_sha256
from mammo_steps.core.step_costs import step_costs
from mammo_steps.core.study_origin import step_settings
from mammo_steps.core.tables import read_table


def test_a_report_of_some_folds_needs_nothing_of_the_others_and_is_marked(own_study: Path) -> None:
    results = own_study / "results/demo"
    whole = {path.name: path.read_bytes() for path in (results / "report").iterdir() if path.is_file()}
    for model in ("holistic", "attention"):
        shutil.rmtree(results / model / "fold1")
    (own_study / "some.yaml").write_text("score_exams: {folds: [0, 2]}\n")
    configs = (*TINY, str(own_study / "some.yaml"))
    jobs = planned(snakemake(own_study, "all", "-n", configs=configs))
    assert set(jobs) == {
        "score_exams",
        "evaluate",
        "explain_exams",
        "draw_figures",
        "draw_gallery",
        "report",
        "write_cards",
        "all",
    }
    result = snakemake(own_study, "all", configs=configs)
    assert result.returncode == 0, result.stdout + result.stderr

    scores = read_table(results / "partial/scores/exams.parquet", "exam_scores")
    exams = read_table(results / "cohort/exams.parquet", "exams")
    assert set(scores["fold"].to_pylist()) == {0, 2}
    assert scores.num_rows == sum(fold != 1 for fold in exams["fold"].to_pylist())
    page = (results / "partial/report/report.html").read_text()
    assert "PARTIAL" in page and "Folds 0, 2 of 3 alone." in page
    assert (
        f"scores/exams.parquet, sha256 {stated_sha256(results / 'partial/scores/exams.parquet')[:16]}" in page
    )
    for name in ("table1.md", "model_card.md", "data_card.md", "gallery/index.html"):
        assert "Folds 0, 2 of 3 alone." in (results / "partial/report" / name).read_text(), name
    assert (
        ">synthetic data, 2 of 3 folds</text>"
        in (results / "partial/report/figures/roc_interval.svg").read_text()
    )
    # each of the two pages tells of its own evaluation
    for evaluated, folds in ((results, None), (results / "partial", [0, 2])):
        costs = {row["step"]: row["n_jobs"] for row in step_costs(results, evaluated)}
        assert costs["score_exams"] == costs["evaluate"] == 1 and costs["split_folds"] == 1
        [told] = [
            one["settings"] for one in step_settings(results, evaluated) if one["step"] == "score_exams"
        ]
        assert json.loads(told)["settings"]["folds"] == folds
    assert {name: (results / "report" / name).read_bytes() for name in whole} == whole


def test_folds_that_the_study_does_not_have_and_all_of_them_are_refused(tmp_path: Path) -> None:
    for folds in ("[0, 3]", "[0, 1, 2]"):
        (tmp_path / "some.yaml").write_text(f"score_exams: {{folds: {folds}}}\n")
        result = snakemake(tmp_path, "all", configs=(*TINY, str(tmp_path / "some.yaml")))
        assert result.returncode != 0
        assert f"config key `score_exams.folds` is {folds}, the study has folds 0 to 2" in result.stderr
