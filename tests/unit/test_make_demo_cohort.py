"""A synthetic archive of real DICOM files: the same bytes each time, truthful tables, nothing that leaks."""

import csv
import dataclasses
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mammo_steps import make_demo_cohort
from mammo_steps.core import dicom_writing
from mammo_steps.core.decoding import read_pixels
from mammo_steps.core.manifest import files_below
from mammo_steps.core.synthetic_exams import CANCERS, draw_machine, plan_exams
from mammo_steps.core.terms import Outcome

SETTINGS = {
    "exams": {"normal": 12, "benign": 5, "screen_detected": 8, "interval": 5},
    "share_two_exams": 0.2,
    "sizes": [[160, 128], [150, 120]],
    "lesion_contrast": 1.0,
    "interval_contrast": 0.5,
}
SEED = 3
Rows = dict[str, dict[str, str]]


@dataclasses.dataclass(frozen=True)
class Cohort:
    folder: Path
    settings: make_demo_cohort.Settings

    def files(self) -> Iterator[tuple[Path, pydicom.Dataset]]:
        for path in sorted((self.folder / "archive").rglob("*.dcm")):
            yield path, pydicom.dcmread(path)

    def rows(self, name: str, key: str) -> Rows:
        with (self.folder / name).open() as file:
            return {row[key]: row for row in csv.DictReader(file)}


def write_cohort(folder: Path, workers: int = 1, **changes: object) -> Cohort:
    settings = SETTINGS | changes
    make_demo_cohort.main(
        [
            *("--settings", json.dumps(settings), "--seed", str(SEED), "--workers", str(workers)),
            *("--archive", str(folder / "archive"), "--labels", str(folder / "labels.csv")),
            *("--lesions", str(folder / "lesions.csv")),
        ]
    )
    return Cohort(folder, make_demo_cohort.Settings(**settings))  # type: ignore[arg-type]


def grey_of(path: Path) -> np.ndarray:
    pixels, ds = read_pixels(path)
    return dicom_writing.stored_values(pixels.astype(np.uint16), str(ds.PhotometricInterpretation))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return write_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def unpainted(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return write_cohort(tmp_path_factory.mktemp("unpainted"), lesion_contrast=0.0)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in files_below(folder)}


def test_two_workers_write_the_same_bytes_as_one(cohort: Cohort, tmp_path: Path) -> None:
    write_cohort(tmp_path, workers=2)
    assert contents(tmp_path) == contents(cohort.folder)


def test_every_file_decodes_to_the_pixels_that_were_drawn(cohort: Cohort) -> None:
    exams = plan_exams(cohort.settings.exams, cohort.settings.share_two_exams, SEED)
    drawn = {exam.uid(*view): (exam, view) for exam in exams for view in make_demo_cohort.VIEWS}
    syntaxes = set()
    for path, ds in cohort.files():
        exam, view = drawn.pop(str(ds.SOPInstanceUID))
        shape = draw_machine(exam, cohort.settings.sizes)[1]
        assert np.array_equal(grey_of(path), make_demo_cohort.show(exam, view, shape, cohort.settings).grey)
        syntaxes.add(str(ds.file_meta.TransferSyntaxUID))
    assert not drawn
    assert syntaxes == set(dicom_writing.TRANSFER_SYNTAXES)


def test_the_background_is_0_or_inverted_and_the_chest_wall_is_where_the_header_says(cohort: Cohort) -> None:
    interpretations = set()
    for path, ds in cohort.files():
        stored, _ = read_pixels(path)
        interpretations.add(ds.PhotometricInterpretation)
        background = 4095 if ds.PhotometricInterpretation == "MONOCHROME1" else 0
        right = ds.PatientOrientation[0] == "P"  # rows run to the back of the body: the chest wall is right
        far, near = (stored[:, :1], stored[:, -1:]) if right else (stored[:, -1:], stored[:, :1])
        assert (far == background).all() and (near != background).mean() > 0.5
        assert right == (ds.get("ImageLaterality", ds.get("Laterality")) == "R")
    assert interpretations == {"MONOCHROME1", "MONOCHROME2"}


def test_an_exam_has_its_four_views_by_either_habit(cohort: Cohort) -> None:
    views: dict[str, Counter[str]] = {}
    habits = set()
    for _, ds in cohort.files():
        code = ds.ViewCodeSequence[0]
        view = {"399162004": "CC", "R-10242": "CC", "399368009": "MLO", "R-10226": "MLO"}[code.CodeValue]
        assert ds.get("ViewPosition", view) == view
        habits.add((str(ds.Manufacturer), str(code.CodingSchemeDesignator), "ViewPosition" in ds))
        laterality = ds.get("ImageLaterality", ds.get("Laterality"))
        views.setdefault(ds.StudyInstanceUID, Counter())[f"{laterality}-{view}"] += 1
    assert all(found == {"L-CC": 1, "L-MLO": 1, "R-CC": 1, "R-MLO": 1} for found in views.values())
    assert {(maker, position) for maker, _, position in habits} == {
        ("HOLOGIC, Inc.", True),
        ("SIEMENS", False),
    }
    assert {scheme for _, scheme, _ in habits} == {"SCT", "SRT", "SNM3"}


def test_headers_say_that_it_is_a_synthetic_screening_mammogram(cohort: Cohort) -> None:
    for _, ds in cohort.files():
        assert ds.SOPClassUID == pydicom.uid.DigitalMammographyXRayImageStorageForPresentation
        assert (ds.PatientName, ds.BurnedInAnnotation) == ("SYNTHETIC^DEMO", "NO")
        assert ds.PresentationIntentType == "FOR PRESENTATION"
        assert len(ds.PatientAge) == 4 and 50 <= int(ds.PatientAge[:3]) <= 69
        assert ds.ImagerPixelSpacing[0] * ds.Columns == pytest.approx(180, abs=0.1)


def test_the_outcomes_are_as_many_as_asked_for_and_a_cancer_exam_is_the_womans_last(cohort: Cohort) -> None:
    labels = cohort.rows("labels.csv", "exam_id")
    assert Counter(row["outcome"] for row in labels.values()) == SETTINGS["exams"]
    days = {str(ds.StudyInstanceUID): str(ds.StudyDate) for _, ds in cohort.files()}
    women: dict[str, list[str]] = {}
    for exam_id in sorted(labels, key=days.__getitem__):
        women.setdefault(labels[exam_id]["patient_id"], []).append(labels[exam_id]["outcome"])
    assert len(women) == 25 and Counter(map(len, women.values())) == {1: 20, 2: 5}
    assert all(outcomes[0] == Outcome.NORMAL for outcomes in women.values() if len(outcomes) == 2)
    for row in labels.values():
        assert (row["cancer_laterality"] != "") == (row["outcome"] in CANCERS)
        assert row["follow_up_months"] == "" or int(row["follow_up_months"]) >= 24


def test_a_lesion_is_painted_where_the_truth_says_and_nowhere_else(cohort: Cohort, unpainted: Cohort) -> None:
    lesions = cohort.rows("lesions.csv", "image_id")
    plain = {str(ds.SOPInstanceUID): path for path, ds in unpainted.files()}
    n_exams_with_lesion = sum(SETTINGS["exams"].values()) - SETTINGS["exams"]["normal"]  # type: ignore[attr-defined,index]
    assert len(lesions) == 2 * n_exams_with_lesion
    for path, ds in cohort.files():
        difference = grey_of(path).astype(int) - grey_of(plain[str(ds.SOPInstanceUID)])
        truth = lesions.get(str(ds.SOPInstanceUID))
        if truth is None:
            assert not difference.any()
            continue
        at = np.array([float(truth["row"]), float(truth["col"])])
        radius_px = float(truth["radius_px"])
        rows, cols = np.nonzero(difference)
        assert np.hypot(rows - at[0], cols - at[1]).max() <= 3 * radius_px + 3
        centroid = np.average(np.stack([rows, cols], 1), axis=0, weights=np.abs(difference[rows, cols]))
        assert np.hypot(*(centroid - at)) < radius_px + 1
        assert difference.sum() > 0 and grey_of(path)[round(at[0]), round(at[1])] > 0


def test_without_contrast_labels_and_lesion_rows_stay(cohort: Cohort, unpainted: Cohort) -> None:
    assert (cohort.folder / "labels.csv").read_bytes() == (unpainted.folder / "labels.csv").read_bytes()
    painted, plain = (c.rows("lesions.csv", "image_id") for c in (cohort, unpainted))
    assert {row["contrast"] for row in plain.values()} == {"0.000"}
    assert min(float(row["contrast"]) for row in painted.values()) > 0.3
    assert {k: row | {"contrast": ""} for k, row in painted.items()} == {
        k: row | {"contrast": ""} for k, row in plain.items()
    }


def test_a_lesion_shows_in_both_views_of_its_breast_at_the_same_depth(cohort: Cohort) -> None:
    images = {str(ds.SOPInstanceUID): ds for _, ds in cohort.files()}
    depths: dict[str, list[tuple[str, float]]] = {}
    for image_id, row in cohort.rows("lesions.csv", "image_id").items():
        ds = images[image_id]
        laterality = ds.get("ImageLaterality", ds.get("Laterality"))
        col = float(row["col"])
        depth = (ds.Columns - 1 - col if laterality == "R" else col) / ds.Columns
        depths.setdefault(row["lesion_id"], []).append((laterality, depth))
    for (side, depth), (other_side, other_depth) in depths.values():
        assert side == other_side and abs(depth - other_depth) < 0.2


def last_exams_as_features(cohort: Cohort) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Everything but pixels of each woman's last exam; whether it has a cancer; the woman."""
    labels = cohort.rows("labels.csv", "exam_id")
    exams: dict[str, list[tuple[str, pydicom.Dataset]]] = {}
    for path, ds in cohort.files():
        exams.setdefault(str(ds.StudyInstanceUID), []).append((str(path), ds))
    of_woman: dict[str, list[str]] = {}
    for exam_id in sorted(exams, key=lambda e: str(exams[e][0][1].StudyDate)):
        of_woman.setdefault(labels[exam_id]["patient_id"], []).append(exam_id)
    features, cancer = [], []
    for patient_id, exam_ids in of_woman.items():
        images = exams[exam_ids[-1]]
        ds = images[0][1]
        words = (ds.Manufacturer, ds.PhotometricInterpretation, ds.file_meta.TransferSyntaxUID)
        words += (ds.ViewCodeSequence[0].CodingSchemeDesignator, ds.get("VOILUTFunction", ""), ds.Rows)
        names = sorted(Path(path).parent.name + Path(path).name for path, _ in images)
        features.append(
            [
                *(sum(map(ord, str(word))) for word in words),
                *(int(ds.StudyDate[:4]), int(ds.StudyDate[4:]), int(ds.PatientAge[:3]), len(exam_ids)),
                *(int(name[:6], 16) for name in names),
                *(int(patient_id[1:7], 16), float(exam_ids[-1][5:15]), "VOILUTSequence" in ds),
            ]
        )
        cancer.append(labels[exam_ids[-1]]["outcome"] in CANCERS)
    return np.array(features, dtype=float), np.array(cancer), list(of_woman)


def test_headers_names_and_ids_do_not_tell_the_outcome(tmp_path: Path) -> None:
    """Compressed sizes are left out: a lesion changes pixels, so it changes how well they compress."""
    counts = {"normal": 110, "benign": 15, "screen_detected": 60, "interval": 25}
    features, cancer, women = last_exams_as_features(
        write_cohort(tmp_path, exams=counts, sizes=[[80, 64], [72, 64]])
    )
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    models = (
        make_pipeline(StandardScaler(), LogisticRegression()),
        RandomForestClassifier(200, min_samples_leaf=3, random_state=0),
    )
    told = cancer + 0.3 * np.random.default_rng(0).normal(size=len(cancer))
    for model in models:

        def auc(inputs: np.ndarray, model: object = model) -> float:
            found = cross_val_predict(model, inputs, cancer, groups=women, cv=folds, method="predict_proba")
            return float(roc_auc_score(cancer, found[:, 1]))

        assert 0.38 < auc(features) < 0.62  # 175 women: three standard errors are 0.13
        assert auc(np.column_stack([features, told])) > 0.8  # they would find a leak


def test_a_run_that_breaks_leaves_nothing_that_looks_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, written = dicom_writing.write_mammogram, []

    def breaks_at_the_fifth_file(path: Path, *rest: object) -> None:
        if len(written) == 5:
            raise OSError("disk full")
        real(path, *rest)  # type: ignore[arg-type]
        written.append(path)

    monkeypatch.setattr(dicom_writing, "write_mammogram", breaks_at_the_fifth_file)
    with pytest.raises(OSError, match="disk full"):
        write_cohort(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".archive.unfinished"]
    monkeypatch.undo()
    write_cohort(tmp_path)
    made = ["archive", "labels.csv", "lesions.csv"]
    manifests = [f".{name}.manifest.json" for name in made]
    assert sorted(path.name for path in tmp_path.iterdir()) == [*manifests, *made]
    assert len(list((tmp_path / "archive").rglob("*.*"))) == 120


def test_an_existing_archive_is_not_touched(cohort: Cohort) -> None:
    with pytest.raises(ValueError, match="archive exists already"):
        write_cohort(cohort.folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exams": {"normal": 3}}, "wanted a number for each of normal, benign"),
        ({"share_two_exams": 1.5}, "share_two_exams is 1.5"),
        ({"sizes": [[32, 32]]}, "at least 64 px"),
        ({"lesion_contrast": -1.0}, "lesion_contrast is -1.0"),
        (
            {
                "exams": {"normal": 1, "benign": 9, "screen_detected": 0, "interval": 0},
                "share_two_exams": 0.5,
            },
            "raise exams.normal",
        ),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        write_cohort(tmp_path, **changes)
    assert not list(tmp_path.iterdir())
