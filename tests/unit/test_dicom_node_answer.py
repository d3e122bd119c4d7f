"""What a node answers: the bundle's scores of the files that came, as DICOM objects of the same study."""

import shutil
from collections import defaultdict
from pathlib import Path

import pydicom
import pytest
from made_files import edit, put
from pydicom.uid import ComprehensiveSRStorage, GrayscaleSoftcopyPresentationStateStorage
from tiny_study import TinyStudy

from mammo_steps.core import dicom_node_answer
from mammo_steps.core.bundle import open_bundle
from mammo_steps.core.dicom_node_answer import answering
from mammo_steps.core.dicom_node_worker import Answer
from mammo_steps.core.drift import KINDS
from mammo_steps.core.ids import make_key


@pytest.fixture(scope="module")
def answer(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Answer:
    key = tmp_path_factory.mktemp("key") / "id_key"
    make_key(key)
    return answering(tiny_bundle, key, "cpu", dict.fromkeys(KINDS, "warn"))


@pytest.mark.parametrize(
    ("name", "value"), [("presentation_intent", "FOR PROCESSING"), ("exam_id_field", "AccessionNumber")]
)
def test_a_bundle_whose_exams_a_node_cannot_know_is_refused_at_the_start(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    bundle = open_bundle(tiny_bundle)
    bundle.about["settings"]["read_headers"][name] = value
    monkeypatch.setattr(dicom_node_answer, "open_bundle", lambda _: bundle)
    with pytest.raises(
        ValueError, match=rf"read_headers\.settings\.{name} is {value}, .* with predict_folder"
    ):
        answering(tiny_bundle, Path("no key yet"), "cpu", dict.fromkeys(KINDS, "warn"))


@pytest.fixture
def files(tiny_study: TinyStudy, tmp_path: Path) -> list[Path]:
    """A whole exam's, as a queue holds them."""
    by_exam = defaultdict(list)
    for file in sorted((tiny_study.root / "demo/archive").rglob("*.dcm")):
        by_exam[pydicom.dcmread(file, stop_before_pixels=True).StudyInstanceUID].append(file)
    exam = next(files for files in by_exam.values() if len(files) == 4)
    return [Path(shutil.copy(file, tmp_path / f"i{number}.dcm")) for number, file in enumerate(exam)]


def test_an_exam_gets_a_report_marks_for_each_image_and_a_picture(answer: Answer, files: list[Path]) -> None:
    objects = answer(files)
    assert [item.SOPClassUID for item in objects[:5]] == [
        ComprehensiveSRStorage,
        *4 * [GrayscaleSoftcopyPresentationStateStorage],
    ]
    assert len(objects) == 6
    image = pydicom.dcmread(files[0])
    assert all(item.StudyInstanceUID == image.StudyInstanceUID for item in objects)
    assert all(item.PatientID == image.PatientID for item in objects)


def test_the_same_files_make_the_same_objects_by_their_uids(answer: Answer, files: list[Path]) -> None:
    first, second = answer(files), answer(files[::-1])
    assert [item.SOPInstanceUID for item in first] == [item.SOPInstanceUID for item in second]
    fewer = answer(files[:3])
    assert fewer[0].SOPInstanceUID != first[0].SOPInstanceUID  # another set of images: another report


def test_an_exam_without_a_usable_image_gets_a_report_that_says_so(answer: Answer, files: list[Path]) -> None:
    for file in files:
        edit(file, put(Modality="CR"))
    (report,) = answer(files)
    assert report.SOPClassUID == ComprehensiveSRStorage
    texts = " | ".join(element.value for element in report.iterall() if element.keyword == "TextValue")
    assert "none of its files is an image that the networks can score" in texts
