import csv
import json

import numpy as np
import pytest
from scored_study import OUTCOMES, SETTINGS, exam_rows, run, write_study

from mammo_steps.core.endpoints import sampled, truths, worst_outcomes
from mammo_steps.core.exam_aucs import Rules, comparisons
from mammo_steps.core.exam_models import table_models
from mammo_steps.core.exam_scores import read_exams
from mammo_steps.core.manifest import files_below
from mammo_steps.core.number_text import exact, json_text
from mammo_steps.core.tables import write_rows
from mammo_steps.core.terms import Endpoint
from mammo_steps.evaluate import AUC_COLUMNS

MODELS = table_models([], published_ran=False)
RULES = Rules("delong_logit", 50, 5000, "negative")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    write_study(folder, exam_rows())
    run(folder, folder / "report")
    return folder


def read_csv(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_outcomes_are_positive_negative_or_out_as_each_end_point_says():
    def of(endpoint, prior="negative"):
        return truths(OUTCOMES, endpoint, prior).tolist()

    # screen_detected, interval, prior, benign, normal x 3, unknown
    assert of(Endpoint.SCREEN_DETECTED) == [1, 0, 0, 0, 0, 0, 0, -1]
    assert of(Endpoint.SCREEN_DETECTED_OR_INTERVAL) == [1, 1, 0, 0, 0, 0, 0, -1]
    assert of(Endpoint.INTERVAL) == [-1, 1, 0, 0, 0, 0, 0, -1]
    assert of(Endpoint.SCREEN_DETECTED, "leave_out") == [1, 0, -1, 0, 0, 0, 0, -1]
    with pytest.raises(ValueError, match="prior is 'maybe'"):
        of(Endpoint.INTERVAL, "maybe")


def test_sampled_protocol_keeps_all_positives_and_draws_negatives_whatever_the_order():
    truth = np.array([1, 1] + [0] * 100 + [-1])
    ids = [f"e{i}" for i in range(103)]
    drawn = sampled(ids, truth, 30, ("sampled", 1))
    assert (drawn == 1).sum() == 2
    assert (drawn == 0).sum() == 30
    backwards = sampled(ids[::-1], truth[::-1], 30, ("sampled", 1))
    assert backwards[::-1].tolist() == drawn.tolist()
    assert sampled(ids, truth, 30, ("sampled", 2)).tolist() != drawn.tolist()
    assert sampled(ids, truth, 100, ("sampled", 1)) is truth


def test_a_woman_has_her_worst_outcome():
    assert worst_outcomes(np.array([0, 0, 1, 1]), ["normal", "interval", "prior", "benign"]).tolist() == [
        1,
        2,
    ]


def test_auc_table_has_its_columns_in_order_and_a_row_for_every_combination(study):
    rows = read_csv(study / "report" / "auc.csv")
    assert (study / "report" / "auc.csv").read_text().splitlines()[0] == ",".join(AUC_COLUMNS)
    assert len(rows) == 3 * 2 * 2 * 9
    first = rows[0]
    assert (first["model"], first["unit"], first["ci_method"]) == ("holistic", "exam", "delong_logit")
    assert (first["n_positive"], first["n_negative"]) == ("10", "60")  # 80 exams, 10 of unknown outcome
    assert len(first["auc"].split(".")[1]) == 6
    published = [row for row in rows if row["model"].startswith("wu2019")]
    assert len(published) == 24
    assert {(row["auc"], row["ci_method"], row["n_positive"]) for row in published} == {("", "not_run", "0")}
    for row in (row for row in rows if row not in published):
        assert 0 <= float(row["ci_low"]) <= float(row["auc"]) <= float(row["ci_high"]) <= 1
    methods = {(row["model"], row["pooling"]): row["ci_method"] for row in rows}
    assert methods["holistic", "fold_mean"] == "t_over_folds"
    assert methods["one_reader", "pooled"] == "bootstrap_logit"


def test_protocols_are_equal_where_few_negatives_are_and_differ_where_not(study, tmp_path):
    rows = read_csv(study / "report" / "auc.csv")
    halves = [[{**r, "protocol": ""} for r in rows if r["protocol"] == name] for name in ("all", "sampled")]
    assert halves[0] == halves[1]
    run(study, tmp_path, {**SETTINGS, "sampled_negatives": 20})
    rows = read_csv(tmp_path / "auc.csv")
    sampled_row = next(row for row in rows if row["protocol"] == "sampled")
    assert (sampled_row["n_positive"], sampled_row["n_negative"]) == ("10", "20")


def test_one_reader_is_the_mean_of_the_readers_aucs_and_two_readers_need_both(study):
    rows = read_csv(study / "report" / "auc.csv")
    by_model = {row["model"]: row for row in rows[:9]}
    mean = (float(by_model["reader_1"]["auc"]) + float(by_model["reader_2"]["auc"])) / 2
    assert float(by_model["one_reader"]["auc"]) == pytest.approx(mean, abs=1e-6)
    assert by_model["two_readers"]["n_positive"] == "5"
    assert by_model["reader_1"]["n_positive"] == by_model["one_reader"]["n_positive"] == "10"


def test_fold_mean_averages_the_folds_aucs(study):
    evaluation = json.loads((study / "report" / "evaluation.json").read_text())
    folds = next(f for f in evaluation["fold_aucs"] if f["model"] == "attention")
    row = next(
        r
        for r in read_csv(study / "report" / "auc.csv")
        if (r["model"], r["pooling"]) == ("attention", "fold_mean")
    )
    assert folds["folds"] == [0, 1]
    assert float(row["auc"]) == pytest.approx(np.mean(folds["auc"]), abs=1e-5)


def test_an_end_point_without_positives_is_not_estimable_and_keeps_its_row(tmp_path):
    exams = exam_rows(outcomes=("screen_detected", "normal", "normal"))
    write_study(tmp_path, exams)
    run(tmp_path, tmp_path / "report")
    row = next(r for r in read_csv(tmp_path / "report" / "auc.csv") if r["endpoint"] == "interval")
    assert (row["auc"], row["ci_low"], row["ci_high"]) == ("", "", "")
    assert (row["ci_method"], row["n_positive"], row["n_negative"]) == ("not_estimable", "0", "53")
    table = (tmp_path / "report" / "table1.md").read_text()
    assert "not estimable, n 0/53" in table
    assert "0 positive and 53 negative exams" in table


def test_a_fold_with_one_class_makes_the_fold_mean_not_estimable_and_names_the_fold(tmp_path):
    exams = exam_rows()
    for exam in exams:
        exam["fold"] = int(exam["outcome"] == "benign")
    write_rows(tmp_path / "exams.parquet", "exam_scores", exams)
    found = comparisons(read_exams(tmp_path / "exams.parquet", MODELS), RULES, 1)
    assert found["screen_detected", "all"].estimate("holistic", "fold_mean") == "one class only in fold 1"
    assert not isinstance(found["screen_detected", "all"].estimate("holistic", "pooled"), str)


def test_readers_of_exams_that_no_one_read_are_said_not_to_have_read(tmp_path):
    exams = [{**exam, "reader_1": None, "reader_2": None, "two_readers": None} for exam in exam_rows()]
    write_study(tmp_path, exams)
    run(tmp_path, tmp_path / "report")
    rows = {r["model"]: r for r in read_csv(tmp_path / "report" / "auc.csv")[:9]}
    for reader in ("reader_1", "reader_2", "one_reader", "two_readers"):
        assert (rows[reader]["auc"], rows[reader]["n_positive"]) == ("", "0")
        assert rows[reader]["ci_method"] == "not_run"
    table = (tmp_path / "report" / "table1.md").read_text()
    assert "| One reader | not read | 0.930 |" in table and "not estimable" not in table
    assert "- Two readers: not read: there is no exam of the cohort that two readers read\n" in table
    tests = json.loads((tmp_path / "report" / "evaluation.json").read_text())["tests"]
    assert {test["second"] for test in tests} == {"holistic"}


def test_a_reader_who_read_some_exams_is_not_said_not_to_have_read(tmp_path):
    exams = [{**exam, "reader_2": None, "two_readers": None} for exam in exam_rows()]
    write_rows(tmp_path / "exams.parquet", "exam_scores", exams)
    models = {model.key: model.not_run for model in read_exams(tmp_path / "exams.parquet", MODELS).models}
    assert models["reader_1"] == models["one_reader"] == models["ensemble"] == ""
    assert models["reader_2"].startswith("not read: ") and models["two_readers"].startswith("not read: ")


def test_table1_stands_beside_the_paper_and_says_that_data_are_synthetic(study, tmp_path):
    table = (study / "report" / "table1.md").read_text()
    assert "**Synthetic data.**" in table
    ensemble = next(line for line in table.splitlines() if line.startswith("| Ensemble"))
    assert "| 0.940 |" in ensemble and "| 0.891 |" in ensemble
    assert "| Adapted pretrained | no weights | 0.861 |" in table
    assert "- Adapted pretrained: no weights: the published files are not in the config" in table
    run(study, tmp_path, {**SETTINGS, "synthetic": False})
    table = (tmp_path / "table1.md").read_text()
    assert "Synthetic" not in table and "Partial" not in table
    run(study, tmp_path, {**SETTINGS, "partial": {"folds": [1], "of": 2}})
    assert "**Partial.** Fold 1 of 2 alone." in (tmp_path / "table1.md").read_text()


def test_published_and_outside_models_stand_beside_ours(study, tmp_path):
    """Scores of Wu et al. for all exams but five, its head for none, an outside model for a half."""
    exams = [
        {**exam, "wu2019": None if number < 5 else 1 / (1 + np.exp(-exam["holistic"]))}
        for number, exam in enumerate(exam_rows())
    ]
    write_rows(study / "published.parquet", "exam_scores", exams)
    scored = [{"model": "rival", "exam_id": e["exam_id"], "score": e["attention"]} for e in exams[::2]]
    write_rows(study / "outside.parquet", "outside_scores", scored)
    rival = {"name": "rival", "title": "Rival", "trained_on": "their archive", "overlap": "some"}
    given = {**SETTINGS, "published_ran": True, "outside": [rival]}
    run(study, tmp_path, given, scores="published.parquet", outside="outside.parquet")
    rows = {r["model"]: r for r in read_csv(tmp_path / "auc.csv")[:10]}
    assert list(rows)[3:6] == ["wu2019", "wu2019_adapted", "rival"]
    n = {model: int(row["n_positive"]) + int(row["n_negative"]) for model, row in rows.items()}
    assert (n["wu2019"], n["wu2019_adapted"], n["rival"], n["ensemble"]) == (65, 0, 40, 70)
    assert 0.5 < float(rows["wu2019"]["auc"]) < 1 and rows["wu2019_adapted"]["ci_method"] == "not_estimable"
    evaluation = json.loads((tmp_path / "evaluation.json").read_text())
    tests = {(t["first"], t["second"]): t for t in evaluation["tests"] if t["endpoint"] == "screen_detected"}
    assert ("ensemble", "wu2019_adapted") not in tests
    test = tests["ensemble", "wu2019"]
    assert test["n_positive"] + test["n_negative"] == 65
    both = tests["rival", "two_readers"]
    assert 0 < both["n_positive"] + both["n_negative"] <= 40
    table = (tmp_path / "table1.md").read_text()
    assert (
        "| Rival* |" in table
        and "Rival: trained on: their archive. It learned from women of this cohort" in table
    )
    with pytest.raises(ValueError, match="no table of outside scores was given"):
        run(study, tmp_path, given, scores="published.parquet")


def test_evaluation_counts_tests_and_draws_curves(study):
    text = (study / "report" / "evaluation.json").read_text()
    evaluation = json.loads(text)
    assert evaluation["counts"]["n_exams"] == 80
    assert evaluation["counts"]["n_women"] == 40
    assert evaluation["counts"]["n_unknown_left_out"] == 10
    assert evaluation["counts"]["reader_n"] == {"reader_1": 80, "reader_2": 40, "two_readers": 40}
    assert evaluation["coa"]["n_images"] == 160
    assert evaluation["coa"]["n_fallback"] == 1
    against_readers = next(t for t in evaluation["tests"] if t["second"] == "two_readers")
    assert (against_readers["n_positive"], against_readers["n_negative"]) == (5, 30)
    assert set(against_readers) > {"delong", "delong_clustered", "clustered_bootstrap", "delta"}
    for curve in evaluation["roc"]:
        assert (curve["fpr"][0], curve["tpr"][0], curve["fpr"][-1], curve["tpr"][-1]) == (0, 0, 1, 1)
        assert len(curve["fpr"]) <= 400
    assert {row["prior"] for row in evaluation["prior_otherwise"]} == {"leave_out"}
    assert '"fpr": [0.0, ' in text


def test_localisation_scores_rois_of_screen_detected_images_against_its_baselines(study):
    rows = read_csv(study / "report" / "localisation.csv")
    by_locator = {row["locator"]: row for row in rows if row["lesion_type"] == "all"}
    assert list(by_locator) == ["coa", "random_in_breast", "breast_centroid", "untrained_coa"]
    coa = by_locator["coa"]
    # ten screen-detected exams; the ROI of (150, 50) is rows 118..181, columns 18..81: it holds (160, 40)
    assert (coa["role"], coa["n_images"], coa["hit_rate"]) == ("test", "10", "1.000000")
    assert float(coa["ci_low"]) == pytest.approx(0.7225, abs=1e-4)
    assert float(coa["roi_area_over_median_breast_area"]) == pytest.approx(64 * 64 / (88 * 30 * 4), abs=1e-6)
    # lesion (160, 40) is outside the centroid's rows 96..159
    assert by_locator["breast_centroid"]["hit_rate"] == "0.000000"
    assert 0.2 < float(by_locator["random_in_breast"]["hit_rate"]) < 0.5


def test_crop_audit_measures_what_the_centre_crop_cuts(study):
    (row,) = read_csv(study / "report" / "crop_audit.csv")
    assert (row["height_px"], row["width_px"], row["n_images"]) == ("256", "128", "160")
    assert (row["n_measured"], row["n_lesions"]) == ("2", "20")
    # the input shows rows 32..95 of the breast's 20..107: 24 of 88 are outside
    assert float(row["breast_share_outside"]) == pytest.approx(24 / 88, abs=0.03)
    assert row["lesion_share_outside"] == "0.000000"


def test_without_lesions_localisation_is_empty_and_the_rest_is_there(study, tmp_path):
    run(study, tmp_path, extra=())
    assert len((tmp_path / "localisation.csv").read_text().splitlines()) == 1
    assert read_csv(tmp_path / "crop_audit.csv")[0]["lesion_share_outside"] == ""
    assert (tmp_path / "auc.csv").read_bytes() == (study / "report" / "auc.csv").read_bytes()


def test_the_same_inputs_give_the_same_bytes(study, tmp_path):
    run(study, tmp_path)
    for file in files_below(study / "report"):
        assert (tmp_path / file.name).read_bytes() == file.read_bytes(), file.name


def test_lesions_without_a_key_and_wrong_settings_are_refused(study, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(study, tmp_path, extra=("--untrained-coas",))
    assert "give --key or --key-file" in capsys.readouterr().err
    with pytest.raises(ValueError, match="ci_method is 'wald'"):
        run(study, tmp_path, {**SETTINGS, "ci_method": "wald"})
    with pytest.raises(ValueError, match="bootstrap_samples is 1"):
        run(study, tmp_path, {**SETTINGS, "bootstrap_samples": 1})
    with pytest.raises(TypeError, match="colour"):
        run(study, tmp_path, {**SETTINGS, "colour": "red"})


def test_an_exam_twice_and_a_score_that_is_no_number_are_refused(tmp_path):
    exams = exam_rows(n=16)
    write_rows(tmp_path / "twice.parquet", "exam_scores", [*exams, exams[0]])
    with pytest.raises(ValueError, match="1 exams stand in it more than once"):
        read_exams(tmp_path / "twice.parquet", MODELS)
    exams[3]["ensemble"] = float("inf")
    write_rows(tmp_path / "inf.parquet", "exam_scores", exams)
    with pytest.raises(ValueError, match="1 of 16 values of `ensemble` are not finite"):
        read_exams(tmp_path / "inf.parquet", MODELS)


@pytest.mark.parametrize("score", [float("inf"), -float("inf")])
def test_an_outside_score_that_is_no_finite_number_is_refused(tmp_path, score):
    write_rows(tmp_path / "exams.parquet", "exam_scores", exam_rows(n=16))
    scored = [{"model": "rival", "exam_id": f"e00{n}", "score": score if n else 1.0} for n in range(3)]
    write_rows(tmp_path / "outside.parquet", "outside_scores", scored)
    rival = {"name": "rival", "title": "Rival", "trained_on": "x", "overlap": "none"}
    with pytest.raises(ValueError, match="outside.parquet: 2 of 3 scores of `rival` are not finite"):
        read_exams(tmp_path / "exams.parquet", table_models([rival], False), tmp_path / "outside.parquet")


def test_json_text_has_six_digits_no_nan_and_lists_of_numbers_on_one_line():
    text = json_text({"a": [1 / 3, float("nan")], "b": [{"c": 1e-9 / 3}]})
    assert text == '{\n  "a": [0.333333, null],\n  "b": [\n    {\n      "c": 3.33333e-10\n    }\n  ]\n}\n'


def test_json_text_gives_exact_numbers_with_all_their_digits():
    text = json_text({"a": exact([1 / 3, float("inf")]), "b": exact({"c": 1 / 3, "d": 2}), "e": 1 / 3})
    assert json.loads(text) == {"a": [1 / 3, None], "b": {"c": 1 / 3, "d": 2}, "e": 0.333333}
    assert '"a": [0.3333333333333333, null]' in text


def test_no_title_or_note_of_a_model_breaks_the_table(study, tmp_path):
    rival = {"name": "rival", "title": "A | B\nC", "trained_on": "x\n| y | 0.999 |", "overlap": "some"}
    write_rows(
        tmp_path / "o.parquet", "outside_scores", [{"model": "rival", "exam_id": "e000", "score": 1.0}]
    )
    run(study, tmp_path, {**SETTINGS, "outside": [rival]}, outside=tmp_path / "o.parquet")
    lines = (tmp_path / "table1.md").read_text().splitlines()
    table = [line for line in lines if line.startswith("|")]
    widths = {line.replace("\\|", "").count("|") for line in table}
    assert widths == {8, 7}  # the two tables
    assert any(line.startswith("| A \\| B C* |") for line in table)
    assert any(line.startswith("- A \\| B C: trained on: x \\| y \\| 0.999 \\|") for line in lines)
