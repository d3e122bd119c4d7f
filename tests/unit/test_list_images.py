"""list_images: who is in the cohort, with which targets, and that nothing is lost."""

from pathlib import Path

import pytest
from small_cohort import FOUR, NAMES, Cohort, files_of, label_of, shard_rows, write_shard

from mammo_steps.core.tables import recipe_of, write_rows
from mammo_steps.list_images import main


def test_a_unilateral_cancer_exam_gives_two_positive_and_no_negative_images(tmp_path: Path) -> None:
    cohort = Cohort(tmp_path, [files_of("a")], [label_of("a", "screen_detected", "L")])
    assert cohort.targets("a") == [1, 1, None, None]


def test_targets_follow_the_outcome(tmp_path: Path) -> None:
    labels = [
        label_of("both", "screen_detected", "both"),
        label_of("unknown side", "screen_detected"),
        label_of("interval", "interval", "R"),
        label_of("prior", "prior", "R"),
        label_of("benign", "benign"),
        label_of("normal"),
    ]
    index = [row for label in labels for row in files_of(label["exam_id"])]
    cohort = Cohort(tmp_path, [index], labels)
    assert cohort.targets("both") == [1, 1, 1, 1]
    assert cohort.targets("unknown side") == [None] * 4  # stays for evaluation
    assert cohort.targets("interval") == [0, 0, 0, 0]
    assert cohort.targets("prior") == [None] * 4
    assert cohort.targets("benign") == cohort.targets("normal") == [0, 0, 0, 0]
    assert any("1 screen-detected exam(s) of unknown side" in note for note in cohort.flow["notes"])


def test_women_whom_the_bundle_has_learned_from_leave_with_all_their_exams(tmp_path: Path) -> None:
    index = [*files_of("a", woman="w1"), *files_of("b", woman="w1"), *files_of("c", woman="w2")]
    labels = [
        label_of("a", "screen_detected", "L", "w1"),
        label_of("b", woman="w1"),
        label_of("c", woman="w2"),
    ]
    rows = [{"patient_id": NAMES.patient(woman), "fold": 0, "role": "train"} for woman in ("w1", "w3")]
    write_rows(tmp_path / "roles.parquet", "roles", rows)
    cohort = Cohort(tmp_path, [index], labels, learned=[tmp_path / "roles.parquet"])
    assert {row["exam_id"] for row in cohort.images} == {NAMES.exam("c")}
    assert cohort.reasons("exam") == {"learned_by_bundle": sorted(map(NAMES.exam, "ab"))}
    steps = {step["step"]: step.get("exams") for step in cohort.flow["steps"]}
    assert steps["of women that the networks had not learned from before"] == 1


def test_interval_cancers_can_be_left_out_of_training_and_priors_taken_as_negative(tmp_path: Path) -> None:
    settings = {"interval_in_training": "leave_out", "prior_in_training": "negative"}
    labels = [label_of("i", "interval", "R"), label_of("p", "prior", "R")]
    cohort = Cohort(tmp_path, [files_of("i") + files_of("p")], labels, settings=settings)
    assert cohort.targets("i") == [None] * 4
    assert cohort.targets("p") == [0] * 4


def test_images_without_pixel_spacing_leave_where_the_study_wants_one(tmp_path: Path) -> None:
    index = files_of("a", pixel_spacing_mm=0.07) + files_of("b", pixel_spacing_mm=0.07)
    index[4]["pixel_spacing_mm"] = None
    labels = [label_of("a"), label_of("b")]
    cohort = Cohort(tmp_path, [index], labels, settings={"require_pixel_spacing": True})
    assert {row["exam_id"] for row in cohort.images} == {NAMES.exam("a")}
    assert cohort.reasons("image")["no_pixel_spacing"] == [NAMES.exam("b")]
    assert cohort.reason_of("b") == "incomplete_exam"


def test_an_undecodable_image_makes_its_exam_incomplete_and_every_file_has_one_reason(tmp_path: Path) -> None:
    index = files_of("a") + files_of("b")
    bad = {index[1]["image_id"]: "undecodable"}
    cohort = Cohort(tmp_path, [index], [label_of("a", "screen_detected", "L"), label_of("b")], bad_pixels=bad)
    assert {row["exam_id"] for row in cohort.images} == {NAMES.exam("b")}
    assert cohort.reasons("image") == {
        "undecodable": [NAMES.exam("a")],
        "incomplete_exam": [NAMES.exam("a")] * 3,
    }
    exam = next(row for row in cohort.excluded if row["level"] == "exam")
    assert (exam["reason"], exam["detail"], exam["outcome"]) == (
        "incomplete_exam",
        "no usable L-MLO",
        "screen_detected",
    )
    assert len({row["file_id"] for row in cohort.excluded if row["file_id"]}) == 4


def test_an_exam_with_more_images_than_views_is_out_and_counted_with_its_outcome(tmp_path: Path) -> None:
    index = files_of("a", (*FOUR, "L-CC")) + files_of("b")
    cohort = Cohort(tmp_path, [index], [label_of("a", "screen_detected", "L"), label_of("b")])
    assert cohort.reason_of("a") == "extra_images"
    wanted = {"level": "exam", "reason": "extra_images", "outcome": "screen_detected", "n": 1}
    assert wanted in cohort.flow["excluded"]


@pytest.mark.parametrize("reason", ["special_view", "partial_view", "implant_displaced"])
def test_a_view_of_another_kind_counts_as_an_extra_image(tmp_path: Path, reason: str) -> None:
    spot = files_of("a", ("L-CC",) * 6, shard=None, reason=reason)[-1]
    cohort = Cohort(tmp_path, [[*files_of("a"), spot, *files_of("b")]], [label_of("a"), label_of("b")])
    assert cohort.reason_of("a") == "extra_images"
    assert cohort.reasons("file") == {reason: [NAMES.exam("a")]}


def test_best_keeps_one_image_of_each_view(tmp_path: Path) -> None:
    index = files_of("a", (*FOUR, "L-CC"))
    index[4]["height_px"] = 400
    cohort = Cohort(tmp_path, [index], [label_of("a")], settings={"extra_images": "best"})
    assert len(cohort.images) == 4
    assert index[4]["image_id"] in {row["image_id"] for row in cohort.images}
    [out] = [row for row in cohort.excluded if row["level"] == "image"]
    assert (out["image_id"], out["reason"]) == (index[0]["image_id"], "extra_images")
    assert cohort.flow["steps"][-1]["images"] == 4


def test_labels_without_an_exam_and_exams_without_a_label_are_counted(tmp_path: Path) -> None:
    cohort = Cohort(tmp_path, [files_of("a") + files_of("b")], [label_of("a"), label_of("gone", "benign")])
    assert cohort.reason_of("b") == "no_label"
    assert cohort.reasons("label") == {"no_exam": [NAMES.exam("gone")]}
    assert {"level": "label", "reason": "no_exam", "outcome": "benign", "n": 1} in cohort.flow["excluded"]


def test_a_label_whose_files_are_all_out_leaves_an_incomplete_exam(tmp_path: Path) -> None:
    out = files_of("b", shard=None, reason="for_processing")
    cohort = Cohort(tmp_path, [files_of("a") + out], [label_of("a"), label_of("b")])
    assert cohort.reason_of("b") == "incomplete_exam"
    assert len(cohort.reasons("file")["for_processing"]) == 4


def test_an_unlabelled_exam_without_any_mammogram_is_no_exam_of_the_flow_chart(tmp_path: Path) -> None:
    ultrasound = files_of("us", ["L-CC"], shard=None, reason="not_mammography")
    cohort = Cohort(tmp_path, [files_of("a") + ultrasound], [label_of("a")])
    assert cohort.reason_of("us") is None
    assert cohort.reasons("file") == {"not_mammography": [NAMES.exam("us")]}


def test_a_label_that_names_another_woman_puts_its_exam_out(tmp_path: Path) -> None:
    cohort = Cohort(tmp_path, [files_of("a") + files_of("b")], [label_of("a"), label_of("b", woman="other")])
    assert cohort.reason_of("b") == "patient_contradicts_label"
    [row] = [row for row in cohort.excluded if row["level"] == "exam"]
    assert row["detail"] == "line 3 of the label table, 1 in the headers"


def test_an_exam_with_files_of_two_women_is_out(tmp_path: Path) -> None:
    mixed = files_of("b", FOUR[:2]) + files_of("b", FOUR[2:], woman="other")
    for number, row in enumerate(mixed):
        row["image_id"] = NAMES.image(f"mixed {number}")
    cohort = Cohort(tmp_path, [files_of("a") + mixed], [label_of("a"), label_of("b")])
    assert cohort.reason_of("b") == "patient_contradicts_label"


def test_dates_of_headers_and_labels_decide_what_came_after_a_cancer(tmp_path: Path) -> None:
    days = {"before": 100, "cancer": 800, "after": 1500}
    index = [row for exam, day in days.items() for row in files_of(exam, woman="w", exam_day=day)]
    labels = [
        label_of("before", woman="w", follow_up_months="23"),
        label_of("cancer", "interval", "L", woman="w", follow_up_months=""),
        label_of("after", woman="w", follow_up_months="60"),
    ]
    cohort = Cohort(tmp_path, [index], labels, settings={"follow_up_months": 24})
    assert cohort.reason_of("before") == "short_follow_up"
    assert cohort.reason_of("cancer") is None
    assert cohort.reason_of("after") == "after_cancer"


def test_a_label_table_without_follow_up_is_taken_at_its_word_and_the_flow_chart_says_so(
    tmp_path: Path,
) -> None:
    cohort = Cohort(tmp_path, [files_of("a")], [label_of("a")], settings={"follow_up_months": 24})
    assert len(cohort.images) == 4
    assert any("follow_up_months" in note for note in cohort.flow["notes"])


def test_the_same_image_in_two_intakes_is_taken_once(tmp_path: Path) -> None:
    second = files_of("a", shard="second-000") + files_of("b", shard="second-000")
    cohort = Cohort(tmp_path, [files_of("a"), second], [label_of("a"), label_of("b")])
    shards = {(row["exam_id"], row["shard"]) for row in cohort.images}
    assert shards == {(NAMES.exam("a"), "first-000"), (NAMES.exam("b"), "second-000")}
    assert cohort.reasons("file") == {"duplicate_instance": [NAMES.exam("a")] * 4}


def test_flow_steps_count_files_images_exams_and_women(tmp_path: Path) -> None:
    index = files_of("a") + files_of("b") + files_of("c", FOUR[:3])
    index += files_of("z", ["L-CC"], shard=None, reason="no_pixels")
    bad = {index[0]["image_id"]: "no_breast"}
    cohort = Cohort(tmp_path, [index], [label_of(e) for e in "abc"], bad_pixels=bad)
    steps = cohort.flow["steps"]
    assert steps[0] == {"step": "files in the archive", "files": 12}
    assert [(s["images"], s["exams"], s["women"]) for s in steps[1:3]] == [(11, 3, 3), (10, 3, 3)]
    assert (steps[-1]["images"], steps[-1]["exams"], steps[-1]["women"]) == (4, 1, 1)
    n_out = sum(row["n"] for row in cohort.flow["excluded"] if row["level"] in ("file", "image"))
    assert n_out + len(cohort.images) == 12


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    index = files_of("a") + files_of("b") + files_of("c", FOUR[:3])
    labels = [label_of(e) for e in "abc"]
    one = Cohort(tmp_path / "1", [index], labels)
    two = Cohort(tmp_path / "2", [index[::-1]], labels)
    for row in one.images + two.images:
        row.pop("holistic_row_group")
    assert one.images == two.images
    assert one.exams == two.exams
    assert one.excluded == two.excluded


def test_views_of_a_film_archive_without_cc_make_a_complete_exam(tmp_path: Path) -> None:
    index = files_of("a", ("L-MLO", "R-MLO"))
    cohort = Cohort(tmp_path, [index], [label_of("a")], settings={"views": ["MLO"]})
    assert len(cohort.images) == 2


def test_no_id_of_the_archive_is_written(tmp_path: Path) -> None:
    Cohort(tmp_path, [files_of("exam-17", woman="secret-5")], [label_of("exam-17", woman="secret-5")])
    for path in [*tmp_path.glob("*.parquet"), tmp_path / "flow.json"]:
        assert b"secret-5" not in path.read_bytes()
        assert b"exam-17" not in path.read_bytes()


def test_an_empty_cohort_stops_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no exam is left.*exam no_label 1.*label no_exam 1"):
        Cohort(tmp_path, [files_of("a")], [label_of("1.2.3")])
    assert not (tmp_path / "images.parquet").exists()


def test_shards_of_another_run_than_the_index_are_refused(tmp_path: Path) -> None:
    index = files_of("a")
    cohort = Cohort(tmp_path, [index], [label_of("a")])
    write_shard(tmp_path / "shards/first-000", shard_rows(index[:3], {}))
    with pytest.raises(ValueError, match="send 4 images to shards, the shards hold 3"):
        main(cohort.arguments)


def test_shards_of_two_recipes_are_refused(tmp_path: Path) -> None:
    index = files_of("a") + files_of("b", shard="first-001")
    cohort = Cohort(tmp_path, [index], [label_of("a"), label_of("b")])
    write_shard(tmp_path / "shards/first-001", shard_rows(index[4:], {}), holistic_bits=16)
    told = r"in .*first-000.*, \w{12} in .*first-001.*`make_shards.settings.holistic_bits`: 8 and 16. Run make_shards"
    with pytest.raises(ValueError, match=told):
        main(cohort.arguments)


def test_shards_of_an_older_version_bear_no_recipe_and_are_refused(tmp_path: Path) -> None:
    index = files_of("a")
    cohort = Cohort(tmp_path, [index], [label_of("a")])
    write_rows(tmp_path / "shards/first-000/images.parquet", "shard_images", shard_rows(index, {}))
    with pytest.raises(ValueError, match="first-000/images.parquet bears no intensity recipe"):
        main(cohort.arguments)


def test_the_cohorts_recipe_is_that_of_its_shards_and_of_the_kind_of_images(tmp_path: Path) -> None:
    Cohort(tmp_path / "a", [files_of("a")], [label_of("a")])
    Cohort(tmp_path / "b", [files_of("a", intent="processing")], [label_of("a")])
    plain, raw = (recipe_of(tmp_path / name / "images.parquet").recipe for name in "ab")
    assert plain.first(1) == raw.first(1) == recipe_of(tmp_path / "a/shards/first-000/images.parquet").recipe
    assert plain.parts[1] == ("list_images", {"intent": "presentation"})
    assert raw.parts[1] == ("list_images", {"intent": "processing"})


def test_raw_and_processed_images_are_not_mixed(tmp_path: Path) -> None:
    mixed = files_of("a", intent="processing") + files_of("b", intent="presentation")
    with pytest.raises(ValueError, match="images for presentation and for processing are in one cohort"):
        Cohort(tmp_path, [mixed], [label_of("a"), label_of("b")])


@pytest.mark.parametrize(
    ("name", "value"), [("extra_images", "keep"), ("interval_in_training", "no"), ("prior_in_training", "")]
)
def test_a_setting_outside_its_set_is_refused(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{value!r}, wanted"):
        Cohort(tmp_path, [files_of("a")], [label_of("a")], settings={name: value})


def test_an_archive_without_any_mammogram_stops_and_says_why(tmp_path: Path) -> None:
    bad = {"file_id": "f1", "file_bytes": 1, "shard": None, "reason": "not_dicom"}
    with pytest.raises(ValueError, match=r"no exam is left.*file not_dicom 1"):
        Cohort(tmp_path, [[bad]], [label_of("a")])


@pytest.mark.long
def test_three_thousand_shards_are_joined(tmp_path: Path) -> None:
    rows = [row for n in range(3000) for row in files_of(f"e{n}", shard=f"first-{n:03d}")]
    cohort = Cohort(tmp_path, [rows], [label_of(f"e{n}") for n in range(3000)])
    assert len(cohort.images) == 12000 and {row["shard"] for row in cohort.images} >= {
        "first-000",
        "first-2999",
    }
    assert sum(map(len, cohort.arguments)) < 2000


def test_the_date_of_a_file_that_is_left_out_does_not_count(tmp_path: Path) -> None:
    cancer = files_of("a", woman="w", exam_day=1000, exam_year=2010)
    after = files_of("b", woman="w", exam_day=1400, exam_year=2011)
    raw = files_of(
        "b", ["L-CC"], woman="w", exam_day=-40000, exam_year=1900, reason="for_processing", shard=None
    )
    raw[0] |= {"file_id": NAMES.file("raw"), "image_id": NAMES.image("raw")}
    labels = [label_of("a", "screen_detected", "L", woman="w"), label_of("b", woman="w")]
    cohort = Cohort(tmp_path, [cancer + after + raw], labels)
    assert cohort.reason_of("b") == "after_cancer"
