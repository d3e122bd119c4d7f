"""What makes an exam strange, with numbers to check by hand."""

import json
import shutil

import numpy as np
import pytest
from tiny_study import JOB

from mammo_steps import score_new_exams
from mammo_steps.core.drift import KINDS, compared, distance, findings_of, fingerprint_of, reading
from mammo_steps.core.drift_guard import guarded
from mammo_steps.core.fact_names import GREY, NUMBERS, WORDS
from mammo_steps.core.image_facts import counted_quantiles, image_facts
from mammo_steps.core.new_exams import NewExam
from mammo_steps.core.tables import RowGroupWriter, read_table, recipe_of

USUAL = {
    "vendor": "siemens", "model": "Mammomat Inspiration", "photometric": "MONOCHROME2", "bits_stored": "12",
    "size": "4096 x 3328", "intensity": "window", "voi": "linear",
}  # fmt: skip


def facts(number=50, **more):
    """Numbers are 0.00 to 1.00 by `number`, pixel spacings 0.080 to 0.090 mm; each number is an exam of its own."""
    values = dict.fromkeys(NUMBERS, number / 100) | {"pixel_spacing_mm": 0.08 + number * 1e-4}
    return {"exam_id": f"e{number}", **USUAL, **values, **more}


@pytest.fixture(scope="module")
def fingerprint():
    rare = [facts(vendor="planmed") for _ in range(4)]  # of one exam
    return fingerprint_of([facts(number) for number in range(101)] + rare, 105, 30)


def kinds(fingerprint, **more):
    return {finding.kind for finding in findings_of(facts(**more), fingerprint)}


def test_an_image_like_the_training_cohorts_has_no_finding(fingerprint):
    assert all(not kinds(fingerprint, number=number) for number in (0, 50, 100))


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({"vendor": "hologic"}, {"vendor"}),
        ({"size": "2294 x 1914"}, {"size"}),
        ({"voi": "sigmoid"}, {"voi"}),
        ({"pixel_spacing_mm": 0.05}, {"pixel_spacing_mm"}),
        ({"pixel_spacing_mm": 0.0985}, set()),  # within a tenth of itself
        # quartiles of the 101 of this machine 0.25 and 0.75: the fences stand at 0.25 - 1.75 x 0.5 = -0.625 and 1.625
        ({"grey_p50": 1.62}, set()),
        ({"grey_p50": 1.63, "grey_p95": 1.7}, {"grey_levels"}),
        ({"grey_p05": -0.63}, {"grey_levels"}),
        ({"pixel_spacing_mm": None}, set()),
    ],
)
def test_what_training_did_not_have_is_found(fingerprint, more, wanted):
    assert kinds(fingerprint, **more) == wanted


def test_one_odd_image_in_the_training_cohort_does_not_open_the_limits():
    clean = [facts(number) for number in range(101)]
    odd = fingerprint_of([*clean, facts(grey_p50=40.0)], 102, 102)
    assert kinds(odd, grey_p50=1.7) == {"grey_levels"}


def test_in_a_cohort_of_one_grey_level_the_fences_stand_35_thousandths_away():
    same = fingerprint_of([facts(number, grey_p50=0.5) for number in range(101)], 101, 101)
    assert kinds(same, grey_p50=0.534) == set() and kinds(same, grey_p50=0.536) == {"grey_levels"}


def test_a_rare_machine_is_compared_with_its_own_grey_levels_if_it_has_twenty_exams():
    most = [facts(number, grey_p50=0.3 + number * 1e-4) for number in range(200)]

    def with_rare(n):
        rare = [facts(vendor="fuji", grey_p50=0.7, exam_id=f"r{number}") for number in range(n)]
        return fingerprint_of([*most, *rare], 200 + n, 200 + n)

    assert kinds(with_rare(20), vendor="fuji", grey_p50=0.71) == set()
    assert kinds(with_rare(20), grey_p50=0.71) == {"grey_levels"}
    assert kinds(with_rare(19), vendor="fuji", grey_p50=0.71) == {"grey_levels"}
    (finding,) = findings_of(facts(grey_p50=0.71), with_rare(20))
    assert finding.text == (
        "50% quantile of the breast's grey levels 0.71; training of this machine: 0.3 to 0.32 "
        "(1st to 99th percentile)"
    )


def test_no_quantile_lies_further_out_than_five_images(fingerprint):
    quantiles = fingerprint["numbers"]["age_years"]["quantiles"]
    assert (quantiles[0], quantiles[-1]) == (0.04, 0.96)


def test_a_number_that_few_images_have_is_not_told_and_never_strange():
    few = fingerprint_of([facts(number) for number in range(9)], 9, 9)
    assert few["numbers"] == {} and kinds(few, grey_p50=9.0) == set()


def test_a_word_of_fewer_than_five_exams_is_not_told_and_counts_as_new(fingerprint):
    assert fingerprint["words"]["vendor"] == {"siemens": 101, "other": 4}
    assert kinds(fingerprint, vendor="planmed") == {"vendor"}


def test_a_finding_says_what_was_found_and_what_training_had(fingerprint):
    (finding,) = findings_of(facts(vendor="hologic"), fingerprint)
    assert finding.text == "maker hologic; training: siemens (96%), other (4%)"
    (finding,) = findings_of(facts(pixel_spacing_mm=0.05), fingerprint)
    assert finding.text == ("pixel spacing in mm 0.05; training: 0.0804 to 0.0896 (1st to 99th percentile)")


def exam(n=4):
    return NewExam("p", "e", [{"image_id": f"i{k}"} for k in range(n)], 0)


def test_findings_warn_or_refuse_or_are_ignored_as_the_config_says(fingerprint):
    images = [findings_of(facts(vendor="hologic", size="1 x 1"), fingerprint)] + [[]] * 3
    warned = guarded(exam(), images, dict.fromkeys(KINDS, "warn"))
    assert warned.refused is None and len(warned.drift) == 2
    assert warned.drift[0] == "Maker hologic; training: siemens (96%), other (4%) (1 of 4 images)."
    refused = guarded(exam(), images, dict.fromkeys(KINDS, "ignore") | {"vendor": "refuse"})
    assert refused.refused == "unlike the exams that the networks learned from: vendor"
    assert len(refused.drift) == 1
    assert guarded(exam(), images, dict.fromkeys(KINDS, "ignore")) == exam()


def test_another_word_or_kind_in_the_config_is_refused():
    with pytest.raises(ValueError, match="drift wants one of"):
        guarded(exam(), [], dict.fromkeys(KINDS, "shout"))
    with pytest.raises(ValueError, match="drift wants one of"):
        guarded(exam(), [], {"vendor": "warn"})


def test_quantiles_by_counting_are_numpys():
    values = np.random.default_rng(1).integers(0, 4096, (37, 21)).astype(np.uint16)
    shares = [0.0, 0.05, 0.25, 0.5, 0.951, 1.0]
    assert counted_quantiles(values, shares) == pytest.approx(np.quantile(values, shares), abs=1e-9)


def test_the_distance_of_two_distributions():
    even = np.linspace(0, 1, 101)
    assert distance(even.tolist(), even) == pytest.approx(0.01, abs=0.005)
    assert distance([2.0, 3.0], even) == 1.0
    assert distance([0.5], even) == 0.5


def test_the_distance_of_numbers_that_come_in_few_values():
    """Three spacings in equal parts; then two thirds and one third of the first two."""
    spacings = np.quantile([0.05, 0.07, 0.1] * 100, np.linspace(0, 1, 101))
    assert distance([0.05, 0.07, 0.1] * 4, spacings) < 0.02
    assert distance([0.05, 0.05, 0.07], spacings) == pytest.approx(1 / 3, abs=0.02)
    assert distance([0.05] * 4, [0.05] * 101) == 0.0 and distance([0.06] * 4, [0.05] * 101) == 1.0


def test_a_distance_is_read_beside_what_chance_gives():
    assert reading(0.13, 100) == "no more than chance gives (up to 0.14)"
    assert [reading(found, 100) for found in (0.2, 0.6)] == ["differs", "differs greatly"]


def test_the_comparison_gives_shares_side_by_side(fingerprint):
    found = compared([facts(vendor="hologic"), facts()], fingerprint)
    vendor = next(fact for fact in found["words"] if fact["name"] == "maker")
    rows = {row["word"]: (round(row["training"], 2), row["new"]) for row in vendor["rows"]}
    assert rows == {"siemens": (0.96, 0.5), "other": (0.04, 0.0), "hologic": (0.0, 0.5)}
    assert len(found["words"]) == len(WORDS) and len(found["numbers"]) == len(NUMBERS)
    assert set(GREY) < set(NUMBERS)


def test_inverted_pixels_are_found_and_refused_where_the_config_says_so(tiny_study, tiny_bundle, tmp_path):
    shard = shutil.copytree(min(tiny_study.shards.iterdir()), tmp_path / "shards/tiny-000")
    invert(shard)
    out = tmp_path / "out"
    drift = dict.fromkeys(KINDS, "warn") | {"grey_levels": "refuse"}
    score_new_exams.main(
        [
            "--bundle",
            str(tiny_bundle),
            "--index",
            str(tiny_study.root / "index.parquet"),
            "--shard",
            str(shard),
        ]
        + ["--job", JOB, "--scores", str(out), "--no-sheets", "--drift", json.dumps(drift)]
    )
    exams = read_table(out / "exams.parquet", "new_exams").to_pylist()
    assert all(row["ensemble"] is None for row in exams)
    assert {row["refused"] for row in exams} == {
        "unlike the exams that the networks learned from: grey_levels"
    }
    strange = read_table(out / "facts.parquet", "new_facts")["strange"].to_pylist()
    assert all("grey_levels" in words for words in strange)


def test_exams_of_the_training_cohort_itself_are_not_strange(tiny_study, tiny_bundle, tmp_path):
    score_new_exams.main(
        ["--bundle", str(tiny_bundle), "--index", str(tiny_study.root / "index.parquet"), "--no-sheets"]
        + ["--shard", str(min(tiny_study.shards.iterdir())), "--job", JOB, "--scores", str(tmp_path / "out")]
    )
    exams = read_table(tmp_path / "out/exams.parquet", "new_exams").to_pylist()
    assert {row["refused"] for row in exams} == {None}
    # of 24 exams four have LUTs, too few to be told of; one image is a little bright
    strange = [row["drift"] for row in exams if row["drift"] and "lut" not in row["drift"]]
    assert len(strange) <= 1


def invert(shard):
    """Every grey level in the breast becomes a bright one, the lower the brighter."""
    rows = read_table(shard / "holistic.parquet", "holistic").to_pylist()
    recipe = recipe_of(shard / "holistic.parquet").recipe
    (shard / "holistic.parquet").unlink()
    with RowGroupWriter(shard / "holistic.parquet", "holistic", "lz4", recipe) as writer:
        for row in rows:
            grey = np.frombuffer(row["pixels"], np.uint8)
            writer.append(
                {**row, "pixels": np.where(grey > 0, 255 - grey // 4, 0).astype(np.uint8).tobytes()}
            )


ROW = {
    "vendor": "ge", "model": None, "photometric": None, "bits_stored": None, "height_px": 60, "width_px": 40,
    "intensity": "window", "voi": '{"kind": "linear"}', "pixel_spacing_mm": None, "age_years": None,
    "breast_area_px": 1200,
}  # fmt: skip


def half_breast(kind):
    """Left half at 40 % of white, the rest background."""
    grey = np.zeros((60, 40), kind)
    grey[:, :20] = round(0.4 * np.iinfo(kind).max)
    return grey


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_grey_levels_are_shares_of_white_whatever_the_bits(kind):
    found = image_facts(ROW, half_breast(kind))
    assert found["grey_p50"] == pytest.approx(0.4, abs=1e-3) and found["breast_share"] == 0.5


def test_what_a_header_does_not_say_is_told_so_and_a_black_image_has_no_grey_levels(fingerprint):
    found = image_facts(ROW, np.zeros((60, 40), np.uint8))
    assert {found[name] for name in ("model", "photometric", "bits_stored")} == {"not stated"}
    assert found["grey_p50"] is None and found["pixel_spacing_mm"] is None
    assert "grey_levels" not in {finding.kind for finding in findings_of(found, fingerprint)}


def test_a_cohort_of_four_exams_tells_of_no_word_and_every_word_is_new():
    few = fingerprint_of([facts(number) for number in range(4)], 4, 4)
    assert few["words"]["vendor"] == {"other": 4} and few["machines"] == []
    assert kinds(few) == set(WORDS)
