"""An exam's scores as a DICOM structured report: a Comprehensive SR after TID 1500, Measurement Report.

Why not a Mammography CAD SR (TID 4000)? That one states findings: detections of densities or calcification clusters,
each with a type, and whether to show them to the reader. These networks find no lesions. They score an image, and say
where its score came from; to write that down as a detection would claim more than they do. A measurement report says
just that much: numbers with their meaning, and regions of images.

Groups, each with its tracking identifier:

    exam, left breast, right breast   scores, as `core.prediction.Score` has them
    L-CC ROI, ...                     the region of interest as a POLYLINE, and the image's scores
    L-CC COA, ...                     the centre of attention as a POINT
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from highdicom import UID
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    GraphicTypeValues,
    ImageLibraryEntryDescriptors,
    ImageRegion,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset

from mammo_steps.core.dicom_places import clipped_box, to_dicom
from mammo_steps.core.dicom_source import MANUFACTURER, MODEL_NAME, RESEARCH_USE, finished, key_of, uid_of
from mammo_steps.core.new_exams import FLAG_TEXTS, Flag
from mammo_steps.core.prediction import ExamPrediction, ImagePrediction, Score

SCHEME = "99MAMMOSTEPS"  # of codes that no standard has

_PROCEDURE = CodedConcept("71651007", "SCT", "Mammography")
_TITLE = CodedConcept("126000", "DCM", "Imaging Measurement Report")
_DEVICE = CodedConcept("121007", "DCM", "Device")
_COMMENT = CodedConcept("121106", "DCM", "Comment")
_BREAST = CodedConcept("76752008", "SCT", "Breast")
_SIDES = {"L": CodedConcept("7771000", "SCT", "Left"), "R": CodedConcept("24028007", "SCT", "Right")}
_PROBABILITY = CodedConcept("111047", "DCM", "Probability of cancer")
_SD = CodedConcept("386136009", "SCT", "Standard deviation")
_ONE, _PERCENT = CodedConcept("1", "UCUM", "no units"), CodedConcept("%", "UCUM", "Percent")
_MARGINS = {
    network: CodedConcept(f"{network}_margin", SCHEME, f"Margin of the {network} model (logit difference)")
    for network in ("holistic", "attention", "ensemble")
}
_PERCENTILES = {
    network: CodedConcept(
        f"{network}_percentile", SCHEME, f"Percentile of the {network} score in exams without cancer"
    )
    for network in ("holistic", "attention", "ensemble")
}


def scores_as_measurements(scores: Mapping[str, Score]) -> list[Measurement]:
    found = []
    for network, score in scores.items():
        found.append(_number(_MARGINS[network], score.margin, _ONE))
        if score.spread is not None:
            found.append(_number(_MARGINS[network], score.spread, _ONE, derivation=_SD))
        if score.percentile is not None:
            found.append(_number(_PERCENTILES[network], score.percentile, _PERCENT))
        if score.probability is not None and network == "ensemble":
            found.append(_number(_PROBABILITY, 100 * score.probability, _PERCENT))
    return found


def _number(
    name: CodedConcept, value: float, unit: CodedConcept, derivation: CodedConcept | None = None
) -> Measurement:
    """Its text to four decimals, as it will be shown; the number itself stands beside it (PS3.3 C.18.1)."""
    made = Measurement(name, float(value), unit, derivation=derivation)
    made[0].MeasuredValueSequence[0].NumericValue = f"{value:.4f}"
    return made


def notes_of(exam: ExamPrediction, prevalence: float | None) -> list[str]:
    """What has to be read with the scores."""
    notes = [RESEARCH_USE + "."]
    if exam.bundle.synthetic:
        notes.append("SYNTHETIC: the networks learned from images that a program drew.")
    if exam.refused is not None:
        notes.append(f"No score: {exam.refused}.")
    elif prevalence is not None:
        notes.append(
            f"The probability is of cancer at this screening or before the next one, where {100 * prevalence:.2f} % of "
            "exams have one; it rests on scores of single pairs of networks."
        )
    notes += [f"Note: {FLAG_TEXTS[Flag(flag)]}." for flag in exam.flags]
    if exam.drift:
        notes.append("Unlike the exams that the networks learned from: " + " ".join(exam.drift))
    return notes


def algorithm(exam: ExamPrediction) -> AlgorithmIdentification:
    return AlgorithmIdentification(
        name="mammo_steps, after Dahl et al. 2022 (doi 10.7557/18.6244)",
        version=f"bundle {exam.bundle.id}, version {exam.bundle.version}",
        parameters=[f"study {exam.bundle.study}", f"networks {', '.join(exam.bundle.members)}"],
    )


_Group = MeasurementsAndQualitativeEvaluations | PlanarROIMeasurementsAndQualitativeEvaluations


class _Writer:
    """Makes the report's groups; `key` stands for the exam and the bundle."""

    def __init__(self, exam: ExamPrediction, sources: Mapping[str, Dataset], key: str) -> None:
        self.exam, self.sources, self.key = exam, sources, key

    def tracking(self, name: str) -> TrackingIdentifier:
        return TrackingIdentifier(uid=UID(uid_of(self.key, "tracking", name)), identifier=name)

    def name_of(self, image: ImagePrediction) -> str:
        """L-CC, or L-CC 2 for the second of a repeated view; no pseudonym: it would stand beside the patient's name."""
        view = image.laterality, image.view
        same = [other.image_id for other in self.exam.images if (other.laterality, other.view) == view]
        number = same.index(image.image_id) + 1
        return "-".join(view) + (f" {number}" if number > 1 else "")

    def whole(
        self,
        name: str,
        scores: Mapping[str, Score],
        sources: Sequence[Dataset],
        side: str | None,
        notes: Sequence[str],
    ) -> MeasurementsAndQualitativeEvaluations:
        """The exam, or a breast."""
        group = MeasurementsAndQualitativeEvaluations(
            tracking_identifier=self.tracking(name),
            algorithm_id=algorithm(self.exam),
            finding_sites=[FindingSite(_BREAST, laterality=_SIDES.get(side or ""))],
            measurements=scores_as_measurements(scores) or None,
            source_images=[
                SourceImageForMeasurementGroup(source.SOPClassUID, source.SOPInstanceUID)
                for source in sources
            ],
        )
        for note in notes:
            group[0].ContentSequence.append(
                TextContentItem(_COMMENT, note, relationship_type=RelationshipTypeValues.CONTAINS)
            )
        return group

    def regions(
        self, image: ImagePrediction, scores: Mapping[str, Score]
    ) -> list[PlanarROIMeasurementsAndQualitativeEvaluations]:
        """The image's ROI with its scores, and its COA."""
        source = self.sources[image.image_id]
        reference = SourceImageForRegion(source.SOPClassUID, source.SOPInstanceUID)
        left, top, right, bottom = clipped_box(image.shown.roi, image.stored_px)
        box = np.array(
            [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], dtype=np.float64
        )
        point = np.array([to_dicom(*image.shown.coa)], dtype=np.float64)
        site = [FindingSite(_BREAST, laterality=_SIDES[image.laterality])]
        name = self.name_of(image)
        return [
            PlanarROIMeasurementsAndQualitativeEvaluations(
                tracking_identifier=self.tracking(f"{name} {what}"),
                referenced_region=ImageRegion(kind, data, reference),
                algorithm_id=algorithm(self.exam),
                finding_sites=site,
                measurements=measurements,
            )
            for what, kind, data, measurements in (
                ("ROI", GraphicTypeValues.POLYLINE, box, scores_as_measurements(scores)),
                ("COA", GraphicTypeValues.POINT, point, None),
            )
        ]


def _in_library(header: Dataset) -> bool:
    """Whether the report's list of images can describe this one: optional, and asks for orientation and spacing."""
    try:
        ImageLibraryEntryDescriptors(header)
    except (AttributeError, IndexError, TypeError, ValueError):
        return False
    return True


def structured_report(
    exam: ExamPrediction,
    sources: Mapping[str, Dataset],
    image_scores: Mapping[str, Mapping[str, Score]],
    prevalence: float | None,
    made: datetime,
) -> Dataset:
    """The report of one exam, scored or not.

    sources       image_id -> header (`dicom_source.source_header`) of every image of the exam
    image_scores  image_id -> network -> score
    prevalence    at which the probability is
    """
    headers = [sources[key] for key in sorted(sources)]
    key = key_of(exam.bundle, headers)
    writer = _Writer(exam, sources, key)
    notes = notes_of(exam, prevalence)
    groups: list[_Group] = [writer.whole("exam", exam.scores, headers, None, notes)]
    for side, scores in exam.breasts.items():
        own = [sources[image.image_id] for image in exam.images if image.laterality == side]
        groups.append(writer.whole({"L": "left breast", "R": "right breast"}[side], scores, own, side, ()))
    for image in exam.images:
        groups += writer.regions(image, image_scores[image.image_id])
    observer = ObserverContext(
        _DEVICE,
        DeviceObserverIdentifyingAttributes(
            uid=UID(uid_of("device", exam.bundle.id)), name=MODEL_NAME, manufacturer_name=MANUFACTURER
        ),
    )
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=observer),
        procedure_reported=_PROCEDURE,
        imaging_measurements=groups,
        title=_TITLE,
        referenced_images=[header for header in headers if _in_library(header)] or None,
    )
    report = ComprehensiveSR(
        evidence=headers,
        content=content[0],
        series_instance_uid=uid_of(key, "series", "report"),
        series_number=9901,
        sop_instance_uid=uid_of(key, "report"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL_NAME,
        software_versions=f"bundle {exam.bundle.id}",
        series_description=f"Scores: {RESEARCH_USE}",
        coding_schemes=[
            CodingSchemeIdentificationItem(SCHEME, name="mammo_steps", responsible_organization="mammo_steps")
        ],
        is_complete=True,
        is_final=False,
    )
    return finished(report, made)
