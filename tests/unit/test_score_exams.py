"""score_exams: margins to exam scores, checked by hand, and every way in which a score could be none."""

import json
from pathlib import Path
from typing import Any

import pytest
from cohort_rows import SLOTS, exam_row, image_row

from mammo_steps.core.recipe import Recipe
from mammo_steps.core.tables import read_table, recipe_of, write_rows
from mammo_steps.score_exams import Settings, main

Row = dict[str, Any]
WHO = ("image_id", "patient_id", "exam_id", "laterality", "view")
# exam -> (fold, holistic margins, attention margins) of L-CC, L-MLO, R-CC, R-MLO
MARGINS = {
    "e1": (0, (1.0, 2.0, -1.0, 0.5), (3.0, 0.0, 4.0, 2.5)),
    "e2": (1, (-4.0, -4.0, -1.0, -1.0), (-2.0, -3.0, -5.0, -6.0)),
}


class Study:
    """The step's input tables; a test changes rows before `score` writes and runs them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.exams: list[Row] = []
        self.images: list[Row] = []
        self.holistic: dict[int, list[Row]] = {0: [], 1: []}
        self.attention: dict[int, list[Row]] = {0: [], 1: []}
        cohort_recipe = Recipe().then("make_shards", {"holistic_bits": 8})
        holistic_recipe = cohort_recipe.then("locate_coa", {"top_fraction": 0.01})
        attention_recipe = holistic_recipe.then("crop_rois", {"bits": 8})
        self.recipes: dict[str, Recipe | None] = {"images": cohort_recipe}  # of each table by its name
        self.recipes["published"] = cohort_recipe.then("score_wu2019", {})
        self.published: list[Row] = []
        self.adapted: list[Row] = []
        for fold in (0, 1):
            self.recipes |= {f"holistic{fold}": holistic_recipe, f"attention{fold}": attention_recipe}
        coa = {"coa_row": 0.0, "coa_col": 0.0, "coa_fallback": False, "top_outside_breast": 0.0}
        coa |= {"top_spread_px": 0.0, "further_coa_rows": [], "further_coa_cols": []}
        for exam, (fold, holistic, attention) in MARGINS.items():
            self.exams.append(exam_row(exam, fold))
            for slot, h, a in zip(SLOTS, holistic, attention, strict=True):
                self.images.append(image_row(exam, slot))
                who = {name: self.images[-1][name] for name in WHO}
                for other in (0, 1):
                    role = {"fold": other, "role": "test" if other == fold else "train"}
                    margin = (h, a) if other == fold else (99.0, 99.0)  # of a network that saw the woman
                    self.holistic[other].append(who | role | coa | {"margin": margin[0]})
                    self.attention[other].append(who | role | {"margin": margin[1]})

    def score(self, members: int = 1, folds: list[int] | None = None) -> dict[str, Row]:
        write_rows(self.folder / "exams.parquet", "exams", self.exams)
        write_rows(self.folder / "images.parquet", "images", self.images, self.recipes["images"])
        arguments = [f"--{name}={self.folder / name}.parquet" for name in ("exams", "images")]
        for model, tables in (("holistic", self.holistic), ("attention", self.attention)):
            arguments.append(f"--{model}")
            for fold, rows in tables.items():
                arguments.append(str(self.folder / f"{model}{fold}.parquet"))
                write_rows(Path(arguments[-1]), f"{model}_scores", rows, self.recipes[f"{model}{fold}"])
        if self.published:
            recipe = self.recipes["published"]
            write_rows(self.folder / "wu2019/s/exams.parquet", "wu2019_scores", self.published, recipe)
            arguments += ["--wu2019", str(self.folder / "wu2019"), "--wu2019-adapted"]
            for fold in sorted({row["fold"] for row in self.adapted}):
                arguments.append(str(self.folder / f"adapted{fold}.parquet"))
                rows = [row for row in self.adapted if row["fold"] == fold]
                write_rows(Path(arguments[-1]), "adapted_scores", rows, recipe)
        out = self.folder / "scores.parquet"
        main(
            [
                *arguments,
                "--members",
                str(members),
                "--settings",
                json.dumps({"aggregation": "sum", "folds": folds}),
                "--out",
                str(out),
            ]
        )
        return {row["exam_id"]: row for row in read_table(out, "exam_scores").to_pylist()}

    def tested(self, model: dict[int, list[Row]]) -> list[Row]:
        return [row for rows in model.values() for row in rows if row["role"] == "test"]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path)


def test_scores_are_max_over_breasts_of_the_sum_over_views(study: Study) -> None:
    scores = study.score()
    assert scores["e1"]["holistic"] == 3.0  # left 1 + 2, right -1 + 0.5
    assert scores["e1"]["attention"] == 6.5  # right 4 + 2.5, left 3 + 0
    assert scores["e1"]["ensemble"] == 3.0  # left (3 + 3) / 2, right (-0.5 + 6.5) / 2
    assert scores["e2"]["holistic"] == -2.0
    assert scores["e2"]["attention"] == -5.0
    assert scores["e2"]["ensemble"] == -6.5  # right (-2 - 11) / 2 = -6.5, left (-8 - 5) / 2 = -6.5


def test_of_some_folds_only_their_exams_are_scored_and_nothing_of_the_others_is_needed(study: Study) -> None:
    whole = study.score()
    del study.holistic[1], study.attention[1]
    with pytest.raises(ValueError, match="holistic: there are no margins of fold 1"):
        study.score()
    assert study.score(folds=[0]) == {"e1": whole["e1"]}
    with pytest.raises(ValueError, match="exams that another fold tests"):
        study.score(folds=[1])  # with tables of fold 0


def test_only_margins_of_the_fold_that_tests_the_exam_count(study: Study) -> None:
    scores = study.score()
    assert (scores["e1"]["fold"], scores["e2"]["fold"]) == (0, 1)
    assert max(row["holistic"] for row in scores.values()) < 99


def test_readers_are_max_over_breasts_and_two_readers_the_max_of_the_sum(study: Study) -> None:
    study.exams[0] |= {
        "reader_1_left": 1.0,
        "reader_1_right": 3.0,
        "reader_2_left": 4.0,
        "reader_2_right": 1.0,
    }
    study.exams[1] |= {"reader_1_left": 2.0, "reader_1_right": 1.0}
    scores = study.score()
    names = ("reader_1", "reader_2", "two_readers")
    assert [scores["e1"][name] for name in names] == [3.0, 4.0, 5.0]
    assert [scores["e2"][name] for name in names] == [2.0, None, None]


def test_a_reader_who_scored_one_breast_alone_has_not_read_the_exam(study: Study) -> None:
    study.exams[0] |= {"reader_1_left": 1.0, "reader_2_left": 4.0, "reader_2_right": 1.0}
    scores = study.score()
    assert [scores["e1"][name] for name in ("reader_1", "reader_2", "two_readers")] == [None, 4.0, None]


def test_rows_are_sorted_and_do_not_depend_on_the_order_of_the_inputs(study: Study) -> None:
    one = study.score()
    for rows in (study.exams, study.images, *study.holistic.values(), *study.attention.values()):
        rows.reverse()
    first = (study.folder / "scores.parquet").read_bytes()
    two = study.score()
    assert list(one) == list(two) == ["e1", "e2"]
    assert (study.folder / "scores.parquet").read_bytes() == first


def test_an_image_that_one_model_did_not_score_stops_the_run(study: Study) -> None:
    study.attention[0].remove(study.tested(study.attention)[0])
    with pytest.raises(ValueError, match="1 images have a test margin of only one of the two models"):
        study.score()
    assert not (study.folder / "scores.parquet").exists()


def test_an_exam_with_an_unscored_image_stops_the_run(study: Study) -> None:
    study.holistic[0].remove(study.tested(study.holistic)[0])
    study.attention[0].remove(study.tested(study.attention)[0])
    with pytest.raises(ValueError, match="1 images of 1 exams have no test margin"):
        study.score()


def test_a_fold_that_tests_an_exam_of_another_one_stops_the_run(study: Study) -> None:
    study.exams[0]["fold"] = 1
    with pytest.raises(ValueError, match="4 test images are of exams that another fold tests"):
        study.score()


def test_a_woman_in_test_and_in_training_of_one_fold_stops_the_run(study: Study) -> None:
    study.holistic[0][0]["role"] = "validation"
    with pytest.raises(ValueError, match="1 women are in test and in training or validation"):
        study.score()


def test_the_same_fold_given_twice_stops_the_run(study: Study) -> None:
    study.holistic[2], study.recipes["holistic2"] = study.holistic[0], study.recipes["holistic0"]
    with pytest.raises(ValueError, match=r"4 images have \[2\] test margins, wanted 1"):
        study.score()


@pytest.mark.parametrize("value", [float("inf"), -float("inf")])
def test_a_margin_that_is_no_number_stops_the_run(study: Study, value: float) -> None:
    study.tested(study.attention)[0]["margin"] = value
    with pytest.raises(ValueError, match="attention: 1 of 8 margins are not finite"):
        study.score()


def test_an_exam_with_one_breast_stops_the_run(study: Study) -> None:
    for rows in (study.images, *study.holistic.values(), *study.attention.values()):
        rows[:] = [row for row in rows if row["exam_id"] != "e1" or row["laterality"] == "L"]
    with pytest.raises(ValueError, match="1 exams have images of one breast only"):
        study.score()


def test_an_exam_without_images_stops_the_run(study: Study) -> None:
    study.exams.append(study.exams[0] | {"exam_id": "e3"})
    with pytest.raises(ValueError, match="different exams: rerun split_folds"):
        study.score()


def test_another_aggregation_is_refused() -> None:
    with pytest.raises(ValueError, match="aggregation is 'max', wanted sum"):
        Settings("max", None)


def test_the_scores_bear_the_whole_recipe(study: Study) -> None:
    study.score()
    assert recipe_of(study.folder / "scores.parquet").recipe == study.recipes["attention0"]


@pytest.mark.parametrize("table", ["holistic1", "attention1", "images"])
def test_score_tables_of_different_recipes_are_refused(study: Study, table: str) -> None:
    recipe = study.recipes[table]
    assert recipe is not None
    bits = Recipe().then("make_shards", {"holistic_bits": 16})
    study.recipes[table] = Recipe((*bits.parts, *recipe.parts[1:]))
    with pytest.raises(
        ValueError, match=rf"{table}.parquet.* `make_shards.holistic_bits`: (8 and 16|16 and 8)"
    ):
        study.score()


def test_an_attention_model_on_other_coas_than_the_holistic_scores_is_refused(study: Study) -> None:
    cohort = study.recipes["images"]
    assert cohort is not None
    other = cohort.then("locate_coa", {"top_fraction": 0.5}).then("crop_rois", {"bits": 8})
    study.recipes |= {"attention0": other, "attention1": other}
    with pytest.raises(
        ValueError, match=r"`locate_coa.top_fraction`: 0.5 and 0.01. Run the folds' attention model"
    ):
        study.score()


@pytest.mark.parametrize("table", ["holistic0", "attention1", "images"])
def test_a_score_table_without_a_recipe_is_refused(study: Study, table: str) -> None:
    study.recipes[table] = None
    with pytest.raises(
        ValueError, match=rf"{table}.parquet bears no intensity recipe: an older version wrote it"
    ):
        study.score()


def second_members(study: Study) -> None:
    """Of each fold one more network; its margins are higher by 4 in the holistic and 2 in the attention model."""
    for model, name, more in ((study.holistic, "holistic", 4.0), (study.attention, "attention", 2.0)):
        for fold in (0, 1):
            model[fold + 2] = [row | {"margin": row["margin"] + more} for row in model[fold]]
            study.recipes[f"{name}{fold + 2}"] = study.recipes[f"{name}{fold}"]


def test_margins_of_a_folds_members_are_averaged_before_they_are_added_up(study: Study) -> None:
    one = study.score()
    second_members(study)
    two = study.score(members=2)
    for exam, row in two.items():  # each image 2 and 1 higher, a breast has two images
        assert row["holistic"] == one[exam]["holistic"] + 4
        assert row["attention"] == one[exam]["attention"] + 2
        assert row["ensemble"] == one[exam]["ensemble"] + 3


def test_a_member_without_margins_stops_the_run(study: Study) -> None:
    second_members(study)
    del study.attention[3]
    with pytest.raises(
        ValueError, match=r"attention: 4 images have \[1\] test margins, wanted 2, one of each member"
    ):
        study.score(members=2)


def test_an_image_twice_in_one_members_table_stops_the_run(study: Study) -> None:
    study.holistic[0].append(study.holistic[0][0])
    with pytest.raises(ValueError, match=r"holistic0\.parquet: 1 images have more than one test margin"):
        study.score()


class TestPublishedModel:
    """Scores of Wu et al. 2019 and of its adapted head, beside the study's own."""

    @staticmethod
    def row(exam: str, left: float | None, right: float | None, **more: Any) -> Row:
        who = {"exam_id": exam, "patient_id": f"w{exam}", "features": []}
        return who | {"left_malignant": left, "right_malignant": right} | more

    @pytest.fixture
    def published(self, study: Study) -> Study:
        study.published = [self.row("e1", 0.2, 0.7), self.row("e2", None, None, reason="views")]
        who = {name: {"exam_id": name, "patient_id": f"w{name}"} for name in ("e1", "e2")}
        seen = {"fold": 0, "role": "train", "margin": 99.0}
        study.adapted = [who["e1"] | {"fold": 0, "role": "test", "margin": -1.5}, who["e2"] | seen]
        study.adapted.append(who["e1"] | seen | {"fold": 1})  # this fold's test exam has no features
        return study

    def test_the_breast_with_the_higher_probability_counts_and_an_exam_may_have_none(
        self, published: Study
    ) -> None:
        scores = published.score()
        assert [(scores[e]["wu2019"], scores[e]["wu2019_adapted"]) for e in ("e1", "e2")] == [
            (0.7, -1.5),
            (None, None),
        ]

    def test_without_them_the_columns_are_empty(self, study: Study) -> None:
        assert study.score()["e1"]["wu2019"] is None

    def test_exams_that_are_missing_or_there_twice_are_refused(self, published: Study) -> None:
        published.published.append(self.row("e1", 0.1, 0.1))
        with pytest.raises(ValueError, match="1 exams do not stand in it once"):
            published.score()
        published.published = published.published[:1]
        with pytest.raises(ValueError, match="1 exams do not stand in it once"):
            published.score()

    @pytest.mark.parametrize("value", [None, 1.5, float("inf")])
    def test_no_probability_needs_a_reason(self, published: Study, value: float | None) -> None:
        published.published[0]["left_malignant"] = value
        with pytest.raises(ValueError, match="1 exams have no probability and no reason for it"):
            published.score()

    def test_a_head_that_saw_the_woman_is_refused(self, published: Study) -> None:
        published.adapted[1]["patient_id"] = "we1"
        with pytest.raises(ValueError, match="1 women are in test and in training"):
            published.score()

    def test_a_fold_without_a_table_is_refused_by_its_number(self, published: Study) -> None:
        del published.adapted[2]
        with pytest.raises(ValueError, match="wu2019_adapted: there are no margins of fold 1, which tests"):
            published.score()

    def test_scores_of_other_pixels_are_refused(self, published: Study) -> None:
        published.recipes["published"] = Recipe().then("make_shards", {"holistic_bits": 16})
        with pytest.raises(ValueError, match="Run score_wu2019 again on these images"):
            published.score()
