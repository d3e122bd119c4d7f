"""adapt_wu2019: a head on made features, learned from the fold's women alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cohort_rows import SLOTS, image_row

from mammo_steps.adapt_wu2019 import main
from mammo_steps.core.ranking import auc_of
from mammo_steps.core.recipe import Recipe
from mammo_steps.core.tables import read_table, write_rows
from mammo_steps.core.wu_head import fit_head

N_EXAMS, N_FEATURES = 160, 12
ROLES = ("test", "train", "train", "validation")


class Fold:
    """Exams of two shards; a tenth of them are positive, and two features know it. One exam has no features."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        generator = np.random.default_rng(1)
        self.images: list[dict[str, Any]] = []
        self.roles: list[dict[str, Any]] = []
        self.scores: dict[str, list[dict[str, Any]]] = {"s-000": [], "s-001": []}
        self.positive = {}
        for number in range(N_EXAMS):
            exam, shard, positive = f"e{number:03d}", f"s-00{number % 2}", number % 10 < 2
            self.positive[exam] = positive
            for slot in SLOTS:
                target = (1 if slot[0] == "L" else None) if positive else 0
                self.images.append(image_row(exam, slot, shard=shard, target=target))
            self.roles.append({"patient_id": f"w{exam}", "fold": 0, "role": ROLES[number // 2 % 4]})
            features = generator.standard_normal(N_FEATURES)
            features[:2] += 1.5 * positive
            who = {"exam_id": exam, "patient_id": f"w{exam}"}
            row = (
                who | {"reason": "no_breast", "features": []}
                if number == 7
                else who | {"features": features.tolist()}
            )
            self.scores[shard].append(row)

    def adapt(self, name: str = "out", negative_exams: int | None = None) -> dict[str, dict[str, Any]]:
        recipe = Recipe().then("make_shards", {}).then("score_wu2019", {})
        write_rows(
            self.folder / "images.parquet",
            "images",
            sorted(self.images, key=lambda row: str(row["image_id"])),
        )
        write_rows(self.folder / "roles.parquet", "roles", self.roles)
        for shard, rows in self.scores.items():
            write_rows(self.folder / "wu2019" / shard / "exams.parquet", "wu2019_scores", rows, recipe)
        out = self.folder / name
        settings = {"penalties": [0.1, 1, 10], "negative_exams": negative_exams}
        main(
            [
                *(
                    "--images",
                    str(self.folder / "images.parquet"),
                    "--roles",
                    str(self.folder / "roles.parquet"),
                ),
                *("--scores", str(self.folder / "wu2019"), "--fold", "0", "--seed", "1"),
                *("--settings", json.dumps(settings), "--model", str(out / "model.safetensors")),
                *("--record", str(out / "run.json"), "--exams", str(out / "exams.parquet")),
            ]
        )
        rows = read_table(out / "exams.parquet", "adapted_scores").to_pylist()
        return {row["exam_id"]: row for row in rows}


@pytest.fixture
def fold(tmp_path: Path) -> Fold:
    return Fold(tmp_path)


def test_the_head_learns_and_scores_every_test_exam_that_has_features(fold: Fold) -> None:
    found = fold.adapt()
    tested = {exam: row for exam, row in found.items() if row["role"] == "test"}
    assert len(found) == N_EXAMS - 1 and len(tested) == N_EXAMS // 4 and "e007" not in found
    targets = np.array([fold.positive[exam] for exam in tested]).astype(int)
    auc = auc_of(targets, np.array([row["margin"] for row in tested.values()]))
    assert auc is not None and auc > 0.85
    record = json.loads((fold.folder / "out/run.json").read_text())
    assert record["penalty"] in (0.1, 1, 10) and record["model"] == "wu2019_adapted" and record["women"]


def test_what_test_women_have_changes_nothing_of_the_head(fold: Fold) -> None:
    fold.adapt("before")
    tested = {row["patient_id"] for row in fold.roles if row["role"] == "test"}
    for row in fold.images:
        if row["patient_id"] in tested:
            row["target"] = 0 if row["target"] else 1
    for rows in fold.scores.values():
        for row in rows:
            if row["patient_id"] in tested:
                row["features"] = [9.0] * len(row["features"])
    fold.adapt("after")
    heads = [(fold.folder / name / "model.safetensors").read_bytes() for name in ("before", "after")]
    assert heads[0] == heads[1]


def test_exams_without_a_target_are_not_learned_from_and_negatives_may_be_drawn(fold: Fold) -> None:
    for row in fold.images:
        if row["exam_id"] == "e005":  # in training, neither positive nor negative
            row["target"] = None
    assert "e005" not in fold.adapt()
    found = fold.adapt("few", negative_exams=10)
    trained = [exam for exam, row in found.items() if row["role"] == "train"]
    assert sum(not fold.positive[exam] for exam in trained) == 10
    assert sum(fold.positive[exam] for exam in trained) == sum(
        fold.positive[row["patient_id"][1:]] for row in fold.roles if row["role"] == "train"
    )


def test_a_fold_without_positives_is_refused(fold: Fold) -> None:
    for row in fold.images:
        row["target"] = 0
    with pytest.raises(
        ValueError, match="0 positive and 80 negative exams to train on, 39 to choose by, that have features"
    ):
        fold.adapt()
    assert not (fold.folder / "out").exists()


def test_features_that_are_no_numbers_are_refused(fold: Fold) -> None:
    fold.scores["s-001"][2]["features"][0] = float("nan")
    with pytest.raises(ValueError, match=r"s-001.*not finite numbers: rerun score_wu2019"):
        fold.adapt()


def test_margins_are_those_of_the_folded_layer_and_features_that_never_vary_count_for_nothing() -> None:
    generator = np.random.default_rng(0)
    features = np.column_stack([generator.standard_normal(60), np.full(60, 7.0)])
    targets = (features[:, 0] + generator.standard_normal(60) > 0).astype(np.int64)
    head = fit_head((features[:40], targets[:40]), (features[40:], targets[40:]), [1.0])
    assert head.weight[1] == pytest.approx(0, abs=1e-12)
    layer = head.layer()
    out = features @ layer.weight.detach().double().numpy()[0] + layer.bias.item()
    np.testing.assert_allclose(out, head.margins(features), atol=1e-5)
