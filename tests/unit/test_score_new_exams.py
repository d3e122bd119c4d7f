"""Scores of new exams equal the study's own, and exams that are not complete."""

import copy
import json
import shutil
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from tiny_study import JOB, KEY

from mammo_steps import score_new_exams
from mammo_steps.core.bundle import open_bundle
from mammo_steps.core.compute import Compute, Job
from mammo_steps.core.exam_files import read_exam
from mammo_steps.core.ids import Pseudonyms
from mammo_steps.core.new_exams import Flag, NewExam, breast_score, predicted
from mammo_steps.core.prediction import ImagePrediction, MemberView
from mammo_steps.core.scorer import Scorer, read_shard
from mammo_steps.core.tables import read_table, write_rows
from mammo_steps.core.windowing import shard_recipe
from mammo_steps.predict import read_files, unscored


def score(study, bundle, shard, out, *more):
    score_new_exams.main(
        ["--bundle", str(bundle), "--index", str(study.root / "index.parquet"), "--shard", str(shard)]
        + ["--job", JOB, "--scores", str(out), *more]
    )
    return out


@pytest.fixture(scope="module")
def scored(tiny_study, tiny_bundle, tmp_path_factory):
    out = tmp_path_factory.mktemp("predictions")
    return [
        score(tiny_study, tiny_bundle, shard, out / shard.name)
        for shard in sorted(tiny_study.shards.iterdir())
    ]


def rows_of(parts, name, kind, key):
    return {row[key]: row for part in parts for row in read_table(part / name, kind).to_pylist()}


def test_scores_of_the_fold_s_own_test_exams_are_the_study_s_to_the_bit(scored, fold_0, tiny_bundle):
    images = rows_of(scored, "images.parquet", "new_images", "image_id")
    for model in ("holistic", "attention"):
        own = read_table(fold_0 / model / "fold0/images.parquet", f"{model}_scores").to_pylist()
        tested = [row for row in own if row["role"] == "test"]
        assert len(tested) > 20
        assert [images[row["image_id"]][model] for row in tested] == [row["margin"] for row in tested]
        if model == "holistic":
            found = [
                (images[row["image_id"]]["coa_row"], images[row["image_id"]]["coa_col"]) for row in tested
            ]
            assert found == [(row["coa_row"], row["coa_col"]) for row in tested]
    exams = rows_of(scored, "exams.parquet", "new_exams", "exam_id")
    study = read_table(tiny_bundle.parent / "scores.parquet", "exam_scores").to_pylist()
    for row in study:
        found = exams[row["exam_id"]]
        assert [found[name] for name in ("holistic", "attention", "ensemble")] == [
            row["holistic"], row["attention"], row["ensemble"],
        ]  # fmt: skip


def test_the_same_scores_straight_from_dicom_files(scored, tiny_study, tiny_bundle, tmp_path):
    bundle = open_bundle(tiny_bundle)
    scorer = Scorer(bundle, Compute(**bundle.settings("compute")), Job(**json.loads(JOB)))
    exams = rows_of(scored, "exams.parquet", "new_exams", "exam_id")
    pseudonyms, found = Pseudonyms(KEY), 0
    by_exam = {}
    for file in sorted((tiny_study.root / "demo/archive").rglob("*.dcm")):
        by_exam.setdefault(pydicom.dcmread(file, stop_before_pixels=True).StudyInstanceUID, []).append(file)
    for number, files in enumerate(list(by_exam.values())[:3]):
        scratch = tmp_path / str(number)
        scratch.mkdir()
        read = read_exam(files, bundle, pseudonyms, scratch)
        (exam,) = scorer.score(read.shard)
        row = exams[exam.exam_id]
        assert exam.scores["ensemble"].margin == row["ensemble"] and exam.scores["ensemble"].spread is None
        assert set(read.files) == {image.image_id for image in exam.images} and read.left_out == []
        found += 1
    assert found == 3


def test_files_of_two_exams_are_refused(tiny_study, tiny_bundle, tmp_path):
    files = sorted((tiny_study.root / "demo/archive").rglob("*.dcm"))
    with pytest.raises(ValueError, match="96 files are of 24 exams, wanted those of one"):
        read_exam(files, open_bundle(tiny_bundle), Pseudonyms(KEY), tmp_path)


def test_each_exam_gets_a_picture_unless_none_are_wanted(scored, tiny_study, tiny_bundle, tmp_path):
    exams = rows_of(scored, "exams.parquet", "new_exams", "exam_id")
    sheets = {path.stem for part in scored for path in (part / "sheets").glob("*.png")}
    assert sheets == set(exams)
    shard = min(tiny_study.shards.iterdir())
    out = score(tiny_study, tiny_bundle, shard, tmp_path / "plain", "--no-sheets")
    assert list((out / "sheets").glob("*.png")) == []


def test_shards_of_another_recipe_are_refused(tiny_study, tiny_bundle, tmp_path):
    shard = shutil.copytree(min(tiny_study.shards.iterdir()), tmp_path / "first-000")
    table = read_table(shard / "images.parquet", "shard_images")
    write_rows(
        shard / "images.parquet", "shard_images", table.to_pylist(), shard_recipe({"holistic_bits": 16})
    )
    with pytest.raises(ValueError, match="different intensity recipes"):
        score(tiny_study, tiny_bundle, shard, tmp_path / "out")


def test_of_the_index_the_shard_s_own_exams_are_taken_with_their_files_that_were_left_out(
    tiny_study, tiny_bundle, tmp_path
):
    shard = min(tiny_study.shards.iterdir())
    rows = read_table(tiny_study.root / "index.parquet", "index").to_pylist()
    own = next(row for row in rows if row["shard"] == shard.name)
    other = next(row for row in rows if row["shard"] not in (None, shard.name))
    for number, row in enumerate((own, own, other)):
        more = {"file_id": f"f{number}", "image_id": f"i{number}", "shard": None, "reason": "for_processing"}
        rows.append({**row, **more})
    write_rows(tmp_path / "index.parquet", "index", rows)
    exams = {
        exam.exam_id: exam
        for exam in read_shard(shard, tmp_path / "index.parquet", open_bundle(tiny_bundle)).exams
    }
    assert len(exams) == 12 and sum(len(exam.images) for exam in exams.values()) == 48
    assert exams[own["exam_id"]].n_left_out == 2 and other["exam_id"] not in exams
    assert sum(exam.n_left_out for exam in exams.values()) == 2


def test_an_exam_whose_images_name_two_patients_is_refused(tiny_study, tiny_bundle, tmp_path):
    shard = min(tiny_study.shards.iterdir())
    rows = read_table(tiny_study.root / "index.parquet", "index").to_pylist()
    one = next(row for row in rows if row["shard"] == shard.name)
    one["patient_id"] = "another"
    write_rows(tmp_path / "index.parquet", "index", rows)
    exams = read_shard(shard, tmp_path / "index.parquet", open_bundle(tiny_bundle)).exams
    assert [exam.exam_id for exam in exams if exam.refused] == [one["exam_id"]]
    assert {exam.refused for exam in exams} == {None, "its images name more than one patient"}


def test_images_without_pixel_spacing_are_out_where_the_study_left_them_out(
    tiny_study, tiny_bundle, tmp_path
):
    shard = min(tiny_study.shards.iterdir())
    rows = read_table(tiny_study.root / "index.parquet", "index").to_pylist()
    one, *others = [row for row in rows if row["shard"] == shard.name]
    another = next(row["exam_id"] for row in others if row["exam_id"] != one["exam_id"])
    whole = [row for row in others if row["exam_id"] == another]
    for row in (one, *whole):
        row["pixel_spacing_mm"] = None
    index = tmp_path / "index.parquet"
    write_rows(index, "index", rows)
    takes_all = open_bundle(tiny_bundle)
    wants_it = copy.deepcopy(takes_all)
    wants_it.about["settings"]["list_images"]["require_pixel_spacing"] = True
    assert sum(len(exam.images) for exam in read_shard(shard, index, takes_all).exams) == 48
    exams = {exam.exam_id: exam for exam in read_shard(shard, index, wants_it).exams}
    assert len(exams) == 11 and another not in exams
    assert (len(exams[one["exam_id"]].images), exams[one["exam_id"]].n_left_out) == (3, 1)
    files = read_files([index], tiny_study.shards, wants_it)
    assert files["reason"].value_counts().to_dict() == {"no_pixel_spacing": 5}
    (row,) = unscored(files[files["shard"] == shard.name], set(exams), wants_it)
    assert row["refused"] == "all its files were left out: no_pixel_spacing 4"
    assert read_files([index], tiny_study.shards, takes_all)["reason"].isna().all()


def test_images_of_views_that_the_study_did_not_take_are_out(tiny_study, tiny_bundle):
    """Their margins would be averaged with those of the view that the reference is of."""
    shard, index = min(tiny_study.shards.iterdir()), tiny_study.root / "index.parquet"
    bundle = open_bundle(tiny_bundle)
    bundle.about["settings"]["list_images"]["views"] = ["MLO"]
    exams = read_shard(shard, index, bundle).exams
    assert len(exams) == 12
    assert {tuple(image["view"] for image in exam.images) for exam in exams} == {("MLO", "MLO")}
    files = read_files([index], tiny_study.shards, bundle)
    assert files.groupby("view")["reason"].unique().map(list).to_dict()["CC"] == ["other_view"]
    assert files.loc[files["view"] == "MLO", "reason"].isna().all()


def test_an_exam_or_an_image_in_two_intakes_is_refused(tiny_study, tiny_bundle, tmp_path):
    """Each intake's images would be scored by themselves: two rows of one exam."""
    rows = read_table(tiny_study.root / "index.parquet", "index").to_pylist()
    first = next(row for row in rows if row["shard"])
    other = next(row["shard"] for row in rows if row["shard"] not in (None, first["shard"]))
    bundle, index = open_bundle(tiny_bundle), tmp_path / "index.parquet"
    for late, words in (
        ({"image_id": "late"}, "1 exams have images in two intakes, as e"),
        ({"exam_id": "another"}, "1 images are in two intakes, as i"),
    ):
        write_rows(index, "index", [{**first, "shard": other, **late}])
        with pytest.raises(ValueError, match=f"{words}.* Put all files of an exam into one intake's folder"):
            read_files([tiny_study.root / "index.parquet", index], tiny_study.shards, bundle)


def test_an_exam_without_a_patient_id_is_told_with_the_reason_of_its_files(tiny_study, tiny_bundle):
    bundle = open_bundle(tiny_bundle)
    files = read_files([tiny_study.root / "index.parquet"], tiny_study.shards, bundle)
    one = files["exam_id"] == files["exam_id"].iloc[0]
    files.loc[one, ["patient_id", "reason"]] = [None, "missing_id"]
    (row,) = unscored(files, set(files.loc[~one, "exam_id"]), bundle)
    assert row["patient_id"] is None and row["refused"] == "all its files were left out: missing_id 4"


def test_a_file_without_pixel_spacing_is_left_out_of_an_exam_read_from_its_files(
    tiny_study, tiny_bundle, tmp_path
):
    bundle = open_bundle(tiny_bundle)
    bundle.about["settings"]["list_images"]["require_pixel_spacing"] = True
    first = sorted((tiny_study.root / "demo/archive").rglob("*.dcm"))[0]
    exam = pydicom.dcmread(first).StudyInstanceUID
    files = []
    for file in sorted((tiny_study.root / "demo/archive").rglob("*.dcm")):
        dataset = pydicom.dcmread(file)
        if dataset.StudyInstanceUID == exam:
            if not files:
                for name in ("PixelSpacing", "ImagerPixelSpacing"):
                    dataset.pop(name, None)
            files.append(tmp_path / file.name)
            dataset.save_as(files[-1])
    (tmp_path / "scratch").mkdir()
    read = read_exam(files, bundle, Pseudonyms(KEY), tmp_path / "scratch")
    assert len(read.files) == 3 and len(read.shard.exams[0].images) == 3
    assert [(file, reason) for file, reason, _ in read.left_out] == [(files[0], "no_pixel_spacing")]


def image(image_id, laterality, view, *margins):
    """Each margin is one member's, of both networks."""
    members = tuple(
        MemberView(f"fold{k}", value, value, (10.0 * k, 5.0), False, (0, 0, 8))
        for k, value in enumerate(margins)
    )
    return ImagePrediction(image_id, laterality, view, (64, 64), members)


def margin(one):
    return one.margin("ensemble")


def test_a_missing_view_counts_as_the_mean_of_the_others():
    both = [image("a", "L", "CC", 1.0), image("b", "L", "MLO", 3.0)]
    assert breast_score(both, ["CC", "MLO"], margin) == 4.0
    assert breast_score(both[:1], ["CC", "MLO"], margin) == 2.0
    assert breast_score([image("a", "L", "CC", -1.0)], ["CC", "MLO"], margin) == -2.0


def test_of_a_view_taken_twice_the_mean_counts():
    images = [image("a", "L", "CC", 1.0), image("b", "L", "CC", 2.0), image("c", "L", "MLO", 3.0)]
    assert breast_score(images, ["CC", "MLO"], margin) == 4.5


def exam_of(*images, left_out=0):
    rows = [
        {"image_id": i.image_id, "laterality": i.laterality, "view": i.view, "height_px": 64, "width_px": 64,
         "orientation_conflict": False} for i in images
    ]  # fmt: skip
    return NewExam("p1", "e1", rows, left_out), {i.image_id: i.members for i in images}


def two_members(tiny_bundle):
    return replace(open_bundle(tiny_bundle), members=("fold0", "fold1"))


def test_an_exam_is_its_higher_breast_and_the_spread_is_that_of_the_members_exams(tiny_bundle):
    exam, views = exam_of(
        image("a", "L", "CC", 1.0, 3.0), image("b", "L", "MLO", 1.0, 3.0),
        image("c", "R", "CC", 0.0, 0.0), image("d", "R", "MLO", 2.5, 0.0),
    )  # fmt: skip
    found = predicted(exam, views, two_members(tiny_bundle))
    assert found.breasts["L"]["ensemble"].margin == 4.0 and found.breasts["R"]["ensemble"].margin == 1.25
    assert found.scores["ensemble"].margin == 4.0 and found.flags == ()
    # the members' own exam scores are 2.5 (right) and 6 (left)
    assert found.scores["ensemble"].spread == pytest.approx(np.std([2.5, 6.0], ddof=1))


@pytest.mark.parametrize("side", ["L", "R"])
def test_an_exam_with_an_answer_that_is_no_number_is_refused(tiny_bundle, side):
    other = "R" if side == "L" else "L"
    exam, views = exam_of(image("a", side, "CC", 1.0, float("nan")), image("b", other, "CC", 1.0, 1.0))
    found = predicted(exam, views, two_members(tiny_bundle))
    assert found.refused == "a network's answer for one of its images is no number" and not found.scores


def test_what_is_unusual_is_flagged(tiny_bundle):
    exam, views = exam_of(image("a", "L", "CC", 1.0, 1.0), image("b", "L", "CC", 1.0, 1.0), left_out=2)
    found = predicted(exam, views, two_members(tiny_bundle))
    assert set(found.flags) == {Flag.MISSING_VIEW, Flag.ONE_BREAST, Flag.REPEATED_VIEW, Flag.OTHER_FILES}


def test_an_exam_without_a_usable_image_has_a_reason_and_no_score(tiny_bundle):
    found = predicted(NewExam("p1", "e1", [], 4), {}, two_members(tiny_bundle))
    assert found.scores == {} and found.refused == "none of its files is an image that the networks can score"


def test_the_shown_roi_is_that_of_the_coa_that_lies_closest_to_all_others():
    one = image("a", "L", "CC", 0.0, 0.0, 0.0)  # COAs at rows 0, 10 and 20
    assert one.shown.member == "fold1"
