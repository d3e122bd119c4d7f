"""What a DICOM node answers an exam with: the bundle's scores as DICOM objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import pydicom
from pydicom.dataset import Dataset

from mammo_steps.core.bundle import check_rules, open_bundle
from mammo_steps.core.compute import Compute, Job
from mammo_steps.core.dicom_node_worker import Answer
from mammo_steps.core.dicom_results import dicom_objects
from mammo_steps.core.drift_guard import guard
from mammo_steps.core.exam_files import read_exam
from mammo_steps.core.exam_pictures import Array
from mammo_steps.core.ids import Pseudonyms, read_key
from mammo_steps.core.new_exams import NewExam, predicted
from mammo_steps.core.prediction import ExamPrediction
from mammo_steps.core.prediction_sheet import sheet_of
from mammo_steps.core.scorer import Scorer, ShardExams
from mammo_steps.core.todays_recipe import todays_recipe


def answering(folder: Path, key: Path, device: str, drift: Mapping[str, str]) -> Answer:
    """The function that answers exams with the bundle in `folder`, its networks loaded.

    key    file with the key of the pseudonyms; it has to be there with the first exam
    drift  what an exam unlike the training cohort gets, by kind (`core.drift`)

    ValueError if the bundle is not whole, or not for this version of the code.
    """
    bundle = open_bundle(folder)
    check_rules(bundle, todays_recipe(bundle.recipe))
    headers = bundle.settings("read_headers")
    for name, wanted in (("presentation_intent", "FOR PRESENTATION"), ("exam_id_field", "StudyInstanceUID")):
        if headers[name] != wanted:
            raise ValueError(
                f"{folder}: its study's read_headers.settings.{name} is {headers[name]}, a node answers {wanted} "
                "alone: score such exams with predict_folder"
            )
    # (the CPU's threads round otherwise, so they stay the bundle's)
    compute = Compute(**{**bundle.settings("compute"), "compile": "never", "device": device})
    compute.prepare()
    scorer = Scorer(bundle, compute, Job(gpus=0, loader_threads=1, checkpoint_minutes=0))
    return _Answering(scorer, key, drift)


@dataclass(frozen=True)
class _Answering:
    """Scores one exam after the other with networks that are loaded once."""

    scorer: Scorer
    key: Path
    drift: Mapping[str, str]

    @cached_property
    def pseudonyms(self) -> Pseudonyms:
        return Pseudonyms(read_key(self.key))

    def __call__(self, files: Sequence[Path]) -> list[Dataset]:
        """Report, marks and picture of one exam; of an exam that cannot be scored, the report that says so."""
        headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in sorted(files)]
        sources = {self.pseudonyms.image(str(header.SOPInstanceUID)): header for header in headers}
        with TemporaryDirectory() as scratch:  # (in the worker's own folder)
            read = read_exam(files, self.scorer.bundle, self.pseudonyms, Path(scratch))
            shard, _ = guard(read.shard, self.scorer.bundle, self.drift)
            if not shard.exams:
                shard = replace(shard, exams=[self._without_images(headers)])
            exam, picture = self._scored(shard)
        return dicom_objects(exam, sources, picture, self.scorer.bundle, datetime.now())

    def _scored(self, shard: ShardExams) -> tuple[ExamPrediction, Array | None]:
        (new,) = shard.exams
        if not new.images:
            return predicted(new, {}, self.scorer.bundle), None
        (exam,) = self.scorer.score(shard)
        if exam.refused is not None:
            return exam, None
        return exam, sheet_of(exam, new, shard, self.scorer.bundle, self.scorer.cut)

    def _without_images(self, headers: Sequence[Dataset]) -> NewExam:
        """An exam none of whose files can be scored."""
        patient, exam = str(headers[0].get("PatientID", "")), str(headers[0].StudyInstanceUID)
        return NewExam(self.pseudonyms.patient(patient), self.pseudonyms.exam(exam), [], len(headers))
