"""The DICOM objects of an exam's scores: a structured report, marks for each image, and a picture.

They belong to the study of the images and bear the patient's identity: they go into the private folder, or back to
where the images came from. An object's UID comes from all that it says but when it was made; with the same time given,
the bytes are the same.
"""

from collections.abc import Mapping
from datetime import datetime

from pydicom.dataset import Dataset

from mammo_steps.core.bundle import Bundle
from mammo_steps.core.dicom_marks import presentation_state
from mammo_steps.core.dicom_picture import secondary_capture
from mammo_steps.core.dicom_report import structured_report
from mammo_steps.core.dicom_source import can_be_referred_to, said_to_nobody, source_header
from mammo_steps.core.exam_pictures import Array
from mammo_steps.core.new_exams import ALL_CANCERS, image_score
from mammo_steps.core.prediction import NETWORKS, SEVERAL_PATIENTS, ExamPrediction


def dicom_objects(
    exam: ExamPrediction,
    sources: Mapping[str, Dataset],
    picture: Array | None,
    bundle: Bundle,
    made: datetime,
) -> list[Dataset]:
    """Report, presentation states in the order of the images, picture; of an exam without scores the report alone.

    sources  image_id (or any name, of files that were left out) -> header of a file of the exam; at least one
    picture  (h, w, 3) RGB, or None for no picture
    made     when, as the objects say

    ValueError, without a word of the headers, if they do not suffice.
    """
    if not sources:
        raise ValueError("an exam's results refer to its images: wanted the header of one at least")
    with said_to_nobody():
        headers = _headers(exam, sources)
        try:
            return _made(exam, headers, picture, bundle, made)
        except Exception as error:  # pydicom and highdicom raise almost anything, with text of the header
            kind = type(error).__name__
            raise ValueError(f"the headers of its images make no DICOM result: {kind}") from None


def _headers(exam: ExamPrediction, sources: Mapping[str, Dataset]) -> dict[str, Dataset]:
    headers = {
        key: header for key, source in sources.items() if can_be_referred_to(header := source_header(source))
    }
    if not headers:
        raise ValueError(
            f"none of the exam's {len(sources)} files has valid UIDs of study, series, class and instance, which "
            "results refer to"
        )
    if len({str(header.get("PatientID", "")) for header in headers.values()}) > 1:
        raise ValueError(f"{SEVERAL_PATIENTS}: results would bear the name of one of them")
    missing = [image.image_id for image in exam.images if image.image_id not in headers]
    if missing:
        raise ValueError(
            f"of {len(missing)} of {len(exam.images)} scored images the header is missing, or a valid UID in it"
        )
    return headers


def _made(
    exam: ExamPrediction,
    headers: Mapping[str, Dataset],
    picture: Array | None,
    bundle: Bundle,
    made: datetime,
) -> list[Dataset]:
    scores = {
        image.image_id: {network: image_score(image, network, bundle) for network in NETWORKS}
        for image in exam.images
    }
    prevalence = bundle.reference.prevalence("ensemble", ALL_CANCERS)
    ordered = [headers[key] for key in sorted(headers)]
    objects = [structured_report(exam, headers, scores, prevalence, made)]
    for number, image in enumerate(exam.images, 1):
        objects.append(presentation_state(image, headers[image.image_id], ordered, exam.bundle, number, made))
    if picture is not None and exam.images:
        objects.append(secondary_capture(picture, ordered, exam.bundle, made))
    return objects
