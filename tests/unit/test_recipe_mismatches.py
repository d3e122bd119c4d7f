"""Each step that puts pixels, weights and scores together refuses those that are not of one recipe."""

from pathlib import Path

import pytest
from marked_files import changed, changed_folder, unmarked
from tiny_study import ATTENTION, COMPUTE, HOLISTIC, JOB, LOCATE, ROIS, SCORE_ATTENTION, TinyStudy

from mammo_steps import crop_rois, locate_coa, score_attention, train_attention, train_holistic
from mammo_steps.core.network import weights_recipe
from mammo_steps.core.tables import recipe_of

OLD = "bears no intensity recipe: an older version wrote it"


class Fold:
    """Fold 0 of the tiny study; each step may be given other files than the fold's own."""

    def __init__(self, study: TinyStudy, results: Path, out: Path) -> None:
        self.study, self.out = study, out
        self.holistic, self.attention = results / "holistic/fold0", results / "attention/fold0"
        self.images, self.roles = study.cohort("images.parquet"), study.cohort("roles.parquet")
        self.weights, self.coas = self.holistic / "model.safetensors", self.holistic / "images.parquet"
        self.rois, self.model = self.attention / "rois", self.attention / "model.safetensors"
        self.shards, self.scores = study.shards, self.attention / "images.parquet"

    def _member(self, settings: str) -> list[str]:
        flags = ["--images", str(self.images), "--roles", str(self.roles), "--fold", "0", "--seed", "1"]
        flags += ["--settings", settings, "--compute", COMPUTE, "--job", JOB]
        flags += ["--model", str(self.out / "m.safetensors")]
        return [*flags, "--history", str(self.out / "h.csv"), "--record", str(self.out / "r.json")]

    def train_holistic(self) -> None:
        train_holistic.main([*self._member(HOLISTIC), "--shards", str(self.shards)])

    def train_attention(self) -> None:
        train_attention.main(
            [*self._member(ATTENTION), "--rois", str(self.rois), "--begin-with", str(self.weights)]
        )

    def locate_coa(self) -> None:
        locate_coa.main(
            ["--images", str(self.images), "--roles", str(self.roles), "--shards", str(self.shards)]
            + ["--model", str(self.weights), "--fold", "0", "--seed", "1", "--settings", LOCATE]
            + ["--compute", COMPUTE, "--job", JOB, "--coas", str(self.out / "coas.parquet")]
        )

    def crop_rois(self) -> None:
        shard = self.shards / "tiny-000"
        crop_rois.main(
            ["--coas", str(self.coas), "--shard-images", str(shard / "images.parquet"), "--settings", ROIS]
            + ["--images", str(self.images), "--tiles", str(shard / "tiles.parquet")]
            + ["--rois", str(self.out / "rois.parquet")]
        )

    def score_attention(self) -> None:
        score_attention.main(
            ["--images", str(self.images), "--coas", str(self.coas), "--rois", str(self.rois)]
            + ["--roles", str(self.roles), "--fold", "0", "--model", str(self.model)]
            + ["--settings", SCORE_ATTENTION, "--compute", COMPUTE, "--job", JOB]
            + ["--scores", str(self.out / "scores.parquet")]
        )

    def other(self, name: str, step: str) -> None:
        """Give one of the fold's files another recipe."""
        source: Path = getattr(self, name)
        setattr(self, name, changed(source, self.out / f"other{source.suffix}", step, bits=16))

    def old(self, name: str) -> None:
        """Let one of the fold's files bear no recipe."""
        source: Path = getattr(self, name)
        setattr(self, name, unmarked(source, self.out / f"old{source.suffix}"))


@pytest.fixture
def fold(tiny_study: TinyStudy, fold_0: Path, tmp_path: Path) -> Fold:
    return Fold(tiny_study, fold_0, tmp_path)


def test_each_file_of_a_fold_goes_on_where_the_one_before_it_ends(fold: Fold) -> None:
    shard = recipe_of(fold.shards / "tiny-000/images.parquet").recipe
    assert recipe_of(fold.shards / "tiny-000/tiles.parquet").recipe == shard
    assert recipe_of(fold.shards / "tiny-000/holistic.parquet").recipe == shard
    scores = recipe_of(fold.scores).recipe
    assert scores == weights_recipe(fold.model).recipe
    steps = ["make_shards", "list_images", "train_holistic", "locate_coa", "crop_rois", "train_attention"]
    assert [step for step, _ in scores.parts] == steps
    files = [shard, recipe_of(fold.images).recipe, weights_recipe(fold.weights).recipe]
    files += [recipe_of(fold.coas).recipe, recipe_of(fold.rois / "tiny-000.parquet").recipe]
    for number, recipe in enumerate(files, 1):
        assert recipe == scores.first(number)


@pytest.mark.parametrize("step", ["train_holistic", "locate_coa"])
def test_a_shard_of_another_recipe_than_the_cohort_is_refused(fold: Fold, step: str) -> None:
    fold.shards = changed_folder(
        fold.shards, fold.out / "shards", "tiny-001/holistic.parquet", "make_shards", bits=16
    )
    with pytest.raises(
        ValueError, match=r"in .*tiny-001/holistic.parquet.*`make_shards.bits`: not there and 16. Take"
    ):
        getattr(fold, step)()


@pytest.mark.parametrize(
    ("step", "name"),
    [
        ("locate_coa", "weights"),
        ("locate_coa", "images"),
        ("train_attention", "weights"),
        ("train_attention", "images"),
        ("crop_rois", "coas"),
        ("score_attention", "coas"),
        ("score_attention", "model"),
    ],
)
def test_pixels_of_another_recipe_than_the_weights_or_tables_are_refused(
    fold: Fold, step: str, name: str
) -> None:
    fold.other(name, "make_shards")
    wanted = r"different intensity recipes: \w{12} in .*, \w{12} in .*`make_shards.bits`.* (again|Take)"
    with pytest.raises(ValueError, match=wanted) as refused:
        getattr(fold, step)()
    assert "other." in str(refused.value)
    assert not list(fold.out.glob("[mcrs]*.[ps]*"))  # nothing was written


@pytest.mark.parametrize(
    ("step", "name"),
    [
        ("train_holistic", "images"),
        ("locate_coa", "weights"),
        ("locate_coa", "images"),
        ("train_attention", "weights"),
        ("train_attention", "images"),
        ("crop_rois", "coas"),
        ("score_attention", "coas"),
        ("score_attention", "model"),
    ],
)
def test_a_file_of_an_older_version_is_refused(fold: Fold, step: str, name: str) -> None:
    fold.old(name)
    with pytest.raises(ValueError, match=OLD):
        getattr(fold, step)()


def test_tiles_of_another_recipe_than_their_shard_are_refused(fold: Fold) -> None:
    fold.shards = changed_folder(
        fold.shards, fold.out / "shards", "tiny-000/tiles.parquet", "make_shards", bits=16
    )
    with pytest.raises(
        ValueError, match=r"tiles.parquet.*`make_shards.bits`.* Run make_shards again for this"
    ):
        fold.crop_rois()


@pytest.mark.parametrize("step", ["train_attention", "score_attention"])
def test_rois_of_several_recipes_are_refused(fold: Fold, step: str) -> None:
    fold.rois = changed_folder(fold.rois, fold.out / "rois", "tiny-001.parquet", "crop_rois", side_px=999)
    with pytest.raises(
        ValueError, match=r"`crop_rois.side_px`: 32 and 999. Run crop_rois again for this fold"
    ):
        getattr(fold, step)()


def test_rois_around_coas_of_other_weights_are_refused(fold: Fold) -> None:
    fold.weights = changed(fold.weights, fold.out / "other.safetensors", "train_holistic", crop="pad_to_fit")
    with pytest.raises(
        ValueError, match=r"`train_holistic.crop`: .*centre.* and .*pad_to_fit.* Run locate_coa and"
    ):
        fold.train_attention()


def test_rois_that_the_attention_model_was_not_trained_on_are_refused(fold: Fold) -> None:
    fold.model = changed(fold.model, fold.out / "other.safetensors", "crop_rois", bits=16)
    with pytest.raises(
        ValueError, match=r"`crop_rois.bits`: 16 and 8. Take the weights that were trained on"
    ):
        fold.score_attention()
