from pathlib import Path

import numpy as np
import pytest
from marked_files import with_change
from tiny_study import COMPUTE, JOB, TinyStudy

from mammo_steps import explain_exams
from mammo_steps.core.exam_choice import chosen_exams, percentiles
from mammo_steps.core.exam_pictures import open_pictures
from mammo_steps.core.recipe import Recipe
from mammo_steps.core.tables import read_table, recipe_of, write_rows


def explain(study: TinyStudy, results: Path, out: Path, recipe: Recipe) -> Path:
    """The step's maps, for scores of the exams that fold 0 tests."""
    exams = read_table(study.cohort("exams.parquet"), "exams").to_pandas()
    rows = [
        {
            **{name: getattr(exam, name) for name in ("patient_id", "exam_id", "outcome", "fold")},
            **{"holistic": 0.0, "attention": 0.0, "ensemble": float(n)},
        }
        for n, exam in enumerate(exams[exams.fold == 0].itertuples())
    ]
    write_rows(out / "exams.parquet", "exam_scores", rows, recipe)
    explain_exams.main(
        ["--scores", str(out / "exams.parquet"), "--images", str(study.cohort("images.parquet"))]
        + ["--labels", str(study.cohort("labels.parquet"))]
        + ["--results", str(results), "--shards", str(study.shards), "--top-fraction", "0.01"]
        + ["--settings", '{"n_each": 1, "reader_recall_from": 2}', "--compute", COMPUTE, "--job", JOB]
        + ["--maps", str(out / "maps.npz")]
    )
    return out / "maps.npz"


def test_each_exam_of_the_test_fold_comes_with_the_maps_of_its_four_views(
    tiny_study: TinyStudy, fold_0: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(fold_0 / "attention/fold0/images.parquet").recipe
    labels = read_table(tiny_study.cohort("labels.parquet"), "labels").to_pandas().set_index("exam_id")
    with open_pictures(explain(tiny_study, fold_0, tmp_path, recipe)) as (exams, maps):
        # nobody read these exams, and both models say the same of all
        kinds = ["highest_cancer", "missed_cancer", "highest_normal", "interval"]
        assert [exam["kind"] for exam in exams] == kinds
        for exam in exams:
            views = [f"{image['laterality']}-{image['view']}" for image in exam["images"]]
            assert views == ["R-CC", "L-CC", "R-MLO", "L-MLO"]
            label = labels.loc[exam["exam_id"]]
            for image in exam["images"]:
                assert image["affected"] == (label.cancer_laterality in (image["laterality"], "both"))
                arrays = {name: maps[f"{image['image_id']}/{name}"] for name in ("input", "saliency", "roi")}
                assert {array.shape for array in arrays.values()} == {(32, 32)}
                top = maps[f"{image['image_id']}/top_pixels"]
                assert top.shape == (10, 2)  # round(0.01 x 1024)
                assert image["coa"] == pytest.approx(top.mean(axis=0))
                first_row, first_col, last_row, last_col = image["roi_box"]
                row, col = image["coa"]
                assert first_row <= row <= last_row and first_col <= col <= last_col


@pytest.mark.parametrize("step", ["train_holistic", "crop_rois"])
def test_networks_and_rois_that_the_scores_do_not_come_of_are_refused(
    tiny_study: TinyStudy, fold_0: Path, tmp_path: Path, step: str
) -> None:
    recipe = recipe_of(fold_0 / "attention/fold0/images.parquet").recipe
    with pytest.raises(ValueError, match=rf"in .*exams.parquet, .*`{step}.bits`: .* Take weights and tables"):
        explain(tiny_study, fold_0, tmp_path, with_change(recipe, step, bits=16))


def test_the_affected_breast_is_the_cancers_own_and_not_known_without_a_side() -> None:
    def found(outcome: str, side: str | None) -> list[bool | None]:
        label = {"outcome": outcome, "cancer_laterality": side}
        return [explain_exams.affected(breast, label) for breast in ("L", "R")]

    assert found("interval", "L") == [True, False]
    assert found("screen_detected", "both") == [True, True]
    assert found("screen_detected", None) == [None, None]
    assert found("normal", None) == [False, False]


def exam(
    number: int, outcome: str, ensemble: float, *readers: float | None, **scores: float
) -> dict[str, object]:
    named = dict(zip(("reader_1", "reader_2"), readers, strict=False))
    own = {"holistic": ensemble, "attention": ensemble, "ensemble": ensemble}
    return {"exam_id": f"e{number:02d}", "outcome": outcome, "fold": 0, **own, **named, **scores}


def shown(rows: list[dict[str, object]], n_each: int = 2) -> dict[str, list[str]]:
    """Kind -> exam numbers, in order."""
    found: dict[str, list[str]] = {}
    for row in chosen_exams(rows, n_each, recall_from=2):
        found.setdefault(row["kind"], []).append(row["exam_id"][1:])
    return found


def test_percentiles_are_mid_ranks_over_the_scored_exams() -> None:
    assert percentiles([1.0, 1.0, None, 5.0, -2.0]) == [0.5, 0.5, None, 0.875, 0.125]
    assert percentiles([None, None]) == [None, None]
    assert percentiles([3.0]) == [0.5]


def test_extremes_come_in_the_order_of_their_scores() -> None:
    cancers = [exam(n, "screen_detected", float(n)) for n in range(1, 6)]
    others = [exam(11, "normal", 3.5), exam(12, "benign", 2.5), exam(13, "normal", -1.0)]
    intervals = [exam(21, "interval", 0.5), exam(22, "interval", 1.5)]
    assert shown([*cancers, *others, *intervals]) == {
        "highest_cancer": ["05", "04"],
        "missed_cancer": ["01", "02"],
        "highest_normal": ["11", "12"],
        "interval": ["22", "21"],
    }


def test_ties_go_by_exam_id_whatever_the_order_of_the_rows() -> None:
    rows = [exam(n, "screen_detected" if n < 5 else "normal", 1.0) for n in range(1, 9)]
    expected = {"highest_cancer": ["01", "02"], "missed_cancer": ["03", "04"], "highest_normal": ["05", "06"]}
    assert shown(rows) == shown(rows[::-1]) == expected


def test_few_cancers_are_not_all_highest() -> None:
    assert shown([exam(1, "screen_detected", 0.0)]) == {"highest_cancer": ["01"]}
    three = [exam(n, "screen_detected", float(n)) for n in (1, 2, 3)]
    assert shown(three, n_each=4) == {"highest_cancer": ["03", "02"], "missed_cancer": ["01"]}


def test_no_exam_is_in_two_kinds() -> None:
    generator = np.random.default_rng(0)
    outcomes = ("screen_detected", "interval", "normal", "benign", "prior")
    rows = []
    for number in range(60):
        networks = dict(zip(("holistic", "attention"), generator.standard_normal(2), strict=True))
        readers = generator.integers(1, 4, 2).astype(float)
        rows.append(exam(number, outcomes[number % 5], sum(networks.values()), *readers, **networks))
    found = shown(rows, n_each=4)
    everybody = [number for numbers in found.values() for number in numbers]
    assert len(everybody) == len(set(everybody)) == 28
    assert [len(numbers) for numbers in found.values()] == [4] * 7


def test_models_disagree_where_their_percentiles_lie_furthest_apart() -> None:
    rows = [exam(n, "prior", float(n)) for n in range(1, 9)]  # a kind that takes priors alone
    rows[1]["holistic"] = 100.0  # second lowest by one, highest by the other
    rows[4]["attention"] = -100.0  # fifth, and lowest
    assert shown(rows) == {"models_disagree": ["02", "05"]}


def test_readers_and_model_disagree_in_both_directions() -> None:
    def readers_kinds(rows: list[dict[str, object]]) -> dict[str, list[str]]:
        return {kind: own for kind, own in shown(rows, 1).items() if "readers" in kind}

    cancers = [
        exam(1, "screen_detected", 9.0, 5.0, 5.0),  # highest
        exam(2, "screen_detected", 8.0, 1.0, 4.0),  # one reader did not recall it
        exam(3, "screen_detected", 0.0, 3.0, 3.0),  # missed
    ]
    normals = [
        exam(11, "normal", 7.0, 1.0, 1.0),  # highest normal
        exam(12, "normal", 1.0, 4.0, None),  # recalled by the only reader
        exam(13, "normal", 1.5, 1.0, 1.0),  # not recalled, however low
        *(exam(n, "normal", n / 10, 1.0, 1.0) for n in range(20, 30)),
    ]
    assert readers_kinds([*cancers, *normals]) == {
        "model_above_readers": ["02"],
        "readers_above_model": ["12"],
    }
    unread = [{**row, "reader_1": None, "reader_2": None} for row in [*cancers, *normals]]
    assert readers_kinds(unread) == {}


def test_a_cohort_without_columns_of_readers_has_no_recalls() -> None:
    (found,) = chosen_exams([exam(1, "interval", 1.0)], 1, recall_from=2)
    assert found["recalled"] == {} and found["percentile"]["reader_1"] is None
    assert found["percentile"]["ensemble"] == 0.5
