import json
import xml.etree.ElementTree as ET
from dataclasses import asdict

import numpy as np
import pytest

from mammo_steps.core.exam_models import PUBLISHED, table_models
from mammo_steps.core.exam_pictures import ROWS, exam_figure
from mammo_steps.core.files import write_json, write_text
from mammo_steps.core.localisation import COLUMNS
from mammo_steps.core.plots import INK, PAPER
from mammo_steps.core.tables import write_rows
from mammo_steps.draw_figures import main

TABLE = table_models([], published_ran=False)
MODELS = [model.key for model in TABLE]
ENDPOINTS = ("screen_detected", "screen_detected_or_interval", "interval")
SIDE = 32


def write_numbers(folder, estimable=True):
    """Small tables of the kind that evaluate writes; without interval cancers if not `estimable`."""
    auc, folds, roc = [], [], []
    for endpoint in ENDPOINTS:
        for model in MODELS:
            gone = model in PUBLISHED or (not estimable and endpoint == "interval")
            values = ",," if gone else "0.800000,0.700000,0.900000"
            auc.append(f"{model},{endpoint},exam,all,pooled,{values},delong_logit,5,50")
            folds.append({"model": model, "endpoint": endpoint, "folds": [0, 1], "auc": [0.75, None]})
            if not gone and model != "one_reader":
                roc.append({"model": model, "endpoint": endpoint, "fpr": [0, 0.2, 1], "tpr": [0, 0.8, 1]})
    header = "model,endpoint,unit,protocol,pooling,auc,ci_low,ci_high,ci_method,n_positive,n_negative"
    write_text(folder / "auc.csv", "\n".join([header, *auc]) + "\n")
    write_json(
        folder / "evaluation.json",
        {"models": [asdict(model) for model in TABLE], "fold_aucs": folds, "roc": roc},
    )
    header = ",".join(COLUMNS)
    hits = [
        f"{locator},test,{kind},8,{n},{n / 8},{max(0, n / 8 - 0.2)},{min(1, n / 8 + 0.2)},0.3"
        for kind in ("all", "mass")
        for locator, n in (("coa", 6), ("random_in_breast", 2), ("breast_centroid", 3), ("untrained_coa", 2))
    ]
    write_text(folder / "localisation.csv", "\n".join([header, *(hits if estimable else [])]) + "\n")


def write_scores(folder):
    outcomes = ("screen_detected", "interval", "benign", "normal", "normal")
    generator = np.random.default_rng(0)
    rows = []
    for i in range(50):
        lift = 2.0 * (outcomes[i % 5] == "screen_detected")
        values = {name: lift + generator.standard_normal() for name in ("holistic", "attention", "ensemble")}
        who = {"patient_id": f"p{i}", "exam_id": f"e{i:02d}", "outcome": outcomes[i % 5], "fold": i % 2}
        rows.append({**who, **values})
    write_rows(folder / "exams.parquet", "exam_scores", rows)


def index_entry(exam, laterality, view, coa=(10.0, 8.0)):
    return {
        "exam_id": exam,
        "image_id": f"{exam}-{laterality}-{view}",
        "laterality": laterality,
        "view": view,
        "outcome": "screen_detected",
        "target": 1 if laterality == "L" else None,
        "kind": "positive",
        "fold": 1,
        "exam_score": 2.5,
        "coa": None if coa is None else list(coa),
        "roi_box": [2.5, 0.5, 18.5, 16.5],
        "top_pixels": [[10, 8], [11, 8]],
    }


def write_maps(folder, n_exams=2):
    index, arrays = [], {}
    for number in range(n_exams):
        for laterality, view in (("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO")):
            entry = index_entry(f"e{number}", laterality, view, None if number else (10.0, 8.0))
            index.append(entry)
            image = np.zeros((SIDE, SIDE), np.uint8)
            image[4:28, :16] = 150
            saliency = np.zeros((SIDE, SIDE), np.float32)
            saliency[10:12, 8] = 1.0
            arrays[f"{entry['image_id']}/input"] = image
            arrays[f"{entry['image_id']}/saliency"] = saliency
            arrays[f"{entry['image_id']}/roi"] = image[:16, :16]
    np.savez_compressed(folder / "saliency.npz", index=np.array(json.dumps(index)), **arrays)


def write_histories(folder):
    header = "epoch,n_positive,n_negative,learning_rate,train_loss,validation_loss,validation_auc,kept"
    files = []
    for model in ("holistic", "attention"):
        for fold in (0, 1):
            lines = [f"0,4,8,0.001,0.7,0.69,{'' if fold else 0.5},0", "1,4,8,0.0001,0.5,0.6,0.7,1"]
            files.append(folder / model / f"fold{fold}" / "history.csv")
            write_text(files[-1], "\n".join([header, *lines]) + "\n")
    return [str(file) for file in files]


def run(folder, out):
    histories = write_histories(folder)
    main(
        [
            *("--scores", str(folder / "exams.parquet"), "--auc", str(folder / "auc.csv")),
            *("--evaluation", str(folder / "evaluation.json")),
            *("--localisation", str(folder / "localisation.csv"), "--maps", str(folder / "saliency.npz")),
            *("--holistic-histories", *histories[:2], "--attention-histories", *histories[2:]),
            *("--figures", str(out)),
        ]
    )


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    write_numbers(folder)
    write_scores(folder)
    write_maps(folder)
    run(folder, folder / "out")
    return folder


def test_the_list_of_figures_names_every_file_once_with_a_caption(drawn):
    entries = json.loads((drawn / "out" / "figures.json").read_text())
    files = [entry["file"] for entry in entries]
    assert sorted([*files, "figures.json"]) == sorted(path.name for path in (drawn / "out").iterdir())
    groups = [entry["group"] for entry in entries]
    assert {group: groups.count(group) for group in groups} == {
        "roc": 3,
        "folds": 3,
        "scores": 3,
        "training": 2,
        "localisation": 1,
        "figure1": 2,
    }
    assert all(entry["title"] and entry["caption"] for entry in entries)


def test_charts_are_svg_with_text_as_text_in_the_exchangeable_ink(drawn):
    text = (drawn / "out" / "roc_screen_detected.svg").read_text()
    ET.fromstring(text)
    assert "Ensemble 0.800" in text
    assert INK in text and PAPER in text
    assert "<dc:date>" not in text


def test_pictures_are_png_and_the_same_inputs_give_the_same_bytes(drawn):
    assert (drawn / "out" / "figure1_1.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    run(drawn, drawn / "again")
    for path in sorted((drawn / "out").iterdir()):
        assert (drawn / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_an_end_point_that_is_not_estimable_is_drawn_as_such_and_no_lesions_no_figure(drawn, tmp_path):
    write_numbers(tmp_path, estimable=False)
    write_scores(tmp_path)
    write_maps(tmp_path, n_exams=0)
    run(tmp_path, tmp_path / "out")
    assert "not estimable" in (tmp_path / "out" / "roc_interval.svg").read_text()
    assert "not estimable" in (tmp_path / "out" / "folds_interval.svg").read_text()
    groups = {entry["group"] for entry in json.loads((tmp_path / "out" / "figures.json").read_text())}
    assert groups == {"roc", "folds", "scores", "training"}


def test_right_breasts_are_hung_mirrored_with_their_marks():
    arrays = {}
    entries = [index_entry("e", "R", "CC"), index_entry("e", "L", "CC")]
    for entry in entries:
        image = np.zeros((SIDE, SIDE), np.uint8)
        image[10, 8] = 255
        for kind in ("input", "saliency", "roi"):
            arrays[f"{entry['image_id']}/{kind}"] = image
    axes = np.array(exam_figure(entries, arrays).axes).reshape(len(ROWS), 2)
    for column, col in ((0, SIDE - 1 - 8), (1, 8)):
        shown = axes[0, column].images[0].get_array()
        assert np.argwhere(shown == 255).tolist() == [[10, col]]
        (cross,) = axes[2, column].lines
        assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (col, 10)
        (box,) = axes[2, column].patches
        assert box.get_x() + box.get_width() / 2 == (SIDE - 1 - 8.5 if column == 0 else 8.5)
    assert axes[0, 1].get_title() == "L-CC, affected"
