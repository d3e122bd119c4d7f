"""split_folds: whole women, even folds, nothing that depends on the order of rows."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from mammo_steps.core.randomness import ordered
from mammo_steps.core.tables import read_table, write_rows
from mammo_steps.core.terms import WORST_FIRST
from mammo_steps.split_folds import Settings, Stratum, check_folds, deal, main, strata_of, validation_women

Row = dict[str, Any]


def exam_rows(n_women: dict[str, int], max_exams: int = 1) -> list[Row]:
    """Women by worst outcome; each has 1 to `max_exams` exams, the others of them normal."""
    rows = []
    for outcome, n in n_women.items():
        for number in range(n):
            woman = f"{outcome}{number:03d}"
            for exam in range(1 + number % max_exams):
                rows.append(
                    {
                        "patient_id": woman,
                        "exam_id": f"{woman}-{exam}",
                        "outcome": outcome if exam == 0 else "normal",
                        "cancer_laterality": "L" if outcome == "screen_detected" and exam == 0 else None,
                        "vendor": "siemens",
                    }
                )
    return rows


def image_rows(exams: list[Row]) -> list[Row]:
    """One left image per exam: the target is 1, 0, or null for a cancer of unknown side."""
    fixed = {"shard": "s", "height_px": 1, "width_px": 1, "photometric": "MONOCHROME2", "bits_stored": 12}
    fixed |= {"transfer_syntax": "x", "vendor": "siemens", "breast_area_px": 1, "breast_row": 0.0}
    fixed |= {"breast_col": 0.0, "flipped": False, "laterality": "L", "view": "CC"}
    fixed |= {"holistic_row_group": 0, "holistic_height_px": 1, "holistic_width_px": 1}
    rows = []
    for exam in exams:
        positive = 1 if exam["cancer_laterality"] else None
        target = positive if exam["outcome"] == "screen_detected" else 0
        ids = {name: exam[name] for name in ("exam_id", "patient_id", "outcome")}
        rows.append(fixed | ids | {"image_id": f"i{exam['exam_id']}", "target": target})
    return rows


def split(
    folder: Path, exams: list[Row], folds: int, seed: int = 1, share: float = 0.2, most: int | None = None
) -> tuple[list[Row], list[Row]]:
    """(`exams`, `roles`) as the step writes them."""
    write_rows(folder / "labels.parquet", "labels", exams)
    write_rows(folder / "images.parquet", "images", image_rows(exams))
    arguments = [f"--{name}={folder / name}.parquet" for name in ("images", "labels", "exams", "roles")]
    settings = json.dumps({"folds": folds, "validation_share": share, "validation_most_women": most})
    main([*arguments, "--settings", settings, "--seed", str(seed)])
    written = read_table(folder / "exams.parquet", "exams"), read_table(folder / "roles.parquet", "roles")
    return written[0].to_pylist(), written[1].to_pylist()


COHORT = {"screen_detected": 15, "interval": 7, "benign": 11, "normal": 60}


def test_women_of_each_stratum_and_in_all_differ_by_at_most_one_between_folds(tmp_path: Path) -> None:
    exams, _ = split(tmp_path, exam_rows(COHORT, max_exams=5), folds=5)
    fold_of = {row["patient_id"]: row["fold"] for row in exams}
    for outcome, n in COHORT.items():
        per_fold = Counter(fold for woman, fold in fold_of.items() if woman.startswith(outcome))
        assert sum(per_fold.values()) == n
        assert max(per_fold.values()) - min(per_fold.values()) <= 1, outcome
    women = Counter(fold_of.values())
    assert len(women) == 5
    assert max(women.values()) - min(women.values()) <= 1


def test_no_woman_is_in_two_folds(tmp_path: Path) -> None:
    exams, _ = split(tmp_path, exam_rows(COHORT, max_exams=5), folds=5)
    folds = defaultdict(set)
    for row in exams:
        folds[row["patient_id"]].add(row["fold"])
    assert all(len(found) == 1 for found in folds.values())


def test_every_woman_is_tested_once_and_otherwise_trains_or_validates(tmp_path: Path) -> None:
    exams, roles = split(tmp_path, exam_rows(COHORT, max_exams=3), folds=5)
    fold_of = {row["patient_id"]: row["fold"] for row in exams}
    by_woman = defaultdict(dict)
    for row in roles:
        by_woman[row["patient_id"]][row["fold"]] = row["role"]
    assert set(by_woman) == set(fold_of)
    for woman, role in by_woman.items():
        assert sorted(role) == [0, 1, 2, 3, 4]
        assert [fold for fold in role if role[fold] == "test"] == [fold_of[woman]]


def test_validation_takes_its_share_of_each_stratum_of_the_training_women(tmp_path: Path) -> None:
    _, roles = split(tmp_path, exam_rows({"screen_detected": 20, "normal": 100}), folds=5, share=0.25)
    for fold in range(5):
        count = Counter((r["role"], r["patient_id"][:-3]) for r in roles if r["fold"] == fold)
        assert count == {
            ("test", "screen_detected"): 4,
            ("validation", "screen_detected"): 4,  # a quarter of 16
            ("train", "screen_detected"): 12,
            ("test", "normal"): 20,
            ("validation", "normal"): 20,
            ("train", "normal"): 60,
        }


def test_validation_and_training_have_a_positive_even_where_there_are_few(tmp_path: Path) -> None:
    _, roles = split(tmp_path, exam_rows({"screen_detected": 4, "normal": 9}), folds=2, share=0.01)
    for fold in range(2):
        positive = [r["role"] for r in roles if r["fold"] == fold and r["patient_id"].startswith("screen")]
        assert Counter(positive) == {"test": 2, "train": 1, "validation": 1}


def test_the_order_of_rows_does_not_matter_and_the_seed_does(tmp_path: Path) -> None:
    rows = exam_rows(COHORT, max_exams=2)
    shuffled = [rows[int(i)] for i in ordered([str(i) for i in range(len(rows))], "shuffle")]
    one = split(tmp_path / "1", rows, folds=5)
    two = split(tmp_path / "2", shuffled, folds=5)
    assert one == two
    assert (tmp_path / "1/exams.parquet").read_bytes() == (tmp_path / "2/exams.parquet").read_bytes()
    other = split(tmp_path / "3", rows, folds=5, seed=2)
    assert [r["fold"] for r in one[0]] != [r["fold"] for r in other[0]]


def test_a_womans_stratum_is_her_worst_outcome() -> None:
    outcomes = [("w", "normal"), ("w", "interval"), ("w", "benign"), ("v", "prior"), ("u", "screen_detected")]
    strata = strata_of(outcomes, {"u"})
    ranks = {woman: WORST_FIRST[stratum.rank] for stratum, women in strata.items() for woman in women}
    assert ranks == {"u": "screen_detected", "w": "interval", "v": "prior"}
    assert next(iter(strata)) == Stratum(0, untrained=False)


@pytest.mark.parametrize(
    ("n_women", "folds", "message"),
    [
        ({"screen_detected": 15}, 8, "set folds to 7 or fewer"),
        ({"screen_detected": 3}, 2, "no number of folds fits"),
        ({"screen_detected": 30, "interval": 4}, 5, "set folds to 4 or fewer"),
        ({"screen_detected": 30, "interval": 1}, 2, "no number of folds fits"),
        ({"normal": 30}, 2, "for 0 women with a screen-detected cancer"),
    ],
)
def test_folds_that_cannot_hold_every_kind_of_cancer_stop_and_the_largest_number_is_named(
    n_women: dict[str, int], folds: int, message: str
) -> None:
    rows = exam_rows(n_women)
    strata = strata_of([(r["patient_id"], r["outcome"]) for r in rows], {r["patient_id"] for r in rows})
    with pytest.raises(ValueError, match=message):
        check_folds(strata, folds)


def test_the_named_number_of_folds_works(tmp_path: Path) -> None:
    exams, _ = split(tmp_path, exam_rows({"screen_detected": 15, "normal": 20}), folds=7)
    positives = Counter(row["fold"] for row in exams if row["outcome"] == "screen_detected")
    assert sorted(positives.values()) == [2] * 6 + [3]


def test_a_cohort_without_interval_cancers_is_split() -> None:
    rows = exam_rows({"screen_detected": 4, "normal": 4})
    strata = strata_of([(r["patient_id"], r["outcome"]) for r in rows], {r["patient_id"] for r in rows})
    check_folds(strata, 2)


def test_cancers_of_unknown_side_are_dealt_evenly_too_and_only_evaluated(tmp_path: Path) -> None:
    rows = exam_rows({"screen_detected": 12, "normal": 12})
    for row in rows[:5]:
        row["cancer_laterality"] = None
    exams, roles = split(tmp_path, rows, folds=3)
    fold_of = {row["patient_id"]: row["fold"] for row in exams}
    unknown = {row["patient_id"] for row in rows[:5]}
    known = {row["patient_id"] for row in rows[5:12]}
    assert sorted(Counter(fold_of[woman] for woman in known | unknown).values()) == [4, 4, 4]
    assert sorted(Counter(fold_of[woman] for woman in known).values()) == [2, 2, 3]
    assert {row["patient_id"] for row in exams if row["use"] == "test"} == unknown
    for fold in range(3):
        used = {r["role"] for r in roles if r["fold"] == fold and r["patient_id"] in known}
        assert used == {"train", "validation", "test"}


def test_too_few_cancers_of_known_side_stop_the_run() -> None:
    women = [f"w{n}" for n in range(8)]
    strata = strata_of([(woman, "screen_detected") for woman in women], {"w0", "w1"})
    with pytest.raises(ValueError, match="2 women have a screen-detected cancer of known side"):
        check_folds(strata, 2)


def test_dealing_fills_the_folds_with_fewest_women_first() -> None:
    strata = {Stratum(0, False): ["a", "b", "c", "d"], Stratum(4, True): ["e", "f"]}
    folds = deal(strata, 3, seed=1)
    assert sorted(Counter(folds[woman] for woman in "abcd").values()) == [1, 1, 2]
    assert sorted(Counter(folds.values()).values()) == [2, 2, 2]


def test_one_training_woman_of_a_stratum_is_not_given_to_validation() -> None:
    assert (
        validation_women({Stratum(1, True): ["a", "b"]}, {"a": 0, "b": 1}, 0, Settings(2, 0.5, None), 1)
        == set()
    )


def test_images_and_labels_of_different_cohorts_are_refused(tmp_path: Path) -> None:
    rows = exam_rows({"screen_detected": 4, "normal": 4})
    write_rows(tmp_path / "labels.parquet", "labels", rows)
    write_rows(tmp_path / "images.parquet", "images", image_rows(rows[1:]))
    arguments = [f"--{name}={tmp_path / name}.parquet" for name in ("images", "labels", "exams", "roles")]
    with pytest.raises(ValueError, match="hold different exams: rerun list_images"):
        main(
            [
                *arguments,
                "--settings",
                '{"folds": 2, "validation_share": 0.2, "validation_most_women": null}',
                "--seed",
                "1",
            ]
        )
    assert not (tmp_path / "exams.parquet").exists()


@pytest.mark.parametrize(("folds", "share"), [(1, 0.2), (3, 0.0), (3, 1.0)])
def test_settings_out_of_range_are_refused(folds: int, share: float) -> None:
    with pytest.raises(ValueError, match="wanted"):
        Settings(folds, share, None)


def test_validation_women_of_one_outcome_are_bounded(tmp_path: Path) -> None:
    # 0.5 of 12 training women with a cancer would be 6, of 48 normal ones 24
    _, roles = split(tmp_path, exam_rows(COHORT, max_exams=1), folds=5, share=0.5, most=3)
    for fold in range(5):
        women = [r["patient_id"] for r in roles if r["fold"] == fold and r["role"] == "validation"]
        found = Counter(next(outcome for outcome in COHORT if woman.startswith(outcome)) for woman in women)
        assert found["screen_detected"] == found["normal"] == found["benign"] == 3 and found["interval"] <= 3
