"""The exam's picture, with its marks burned in, as a Secondary Capture image: for viewers that show nothing else."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from highdicom.sc import SCImage
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from mammo_steps.core.dicom_source import MANUFACTURER, MODEL_NAME, RESEARCH_USE, finished, key_of, uid_of
from mammo_steps.core.exam_pictures import Array
from mammo_steps.core.prediction import BundleName

_PATIENT_STUDY = ("PatientAge", "PatientSize", "PatientWeight")  # as the exam's other objects have them


def secondary_capture(picture: Array, exam: Sequence[Dataset], bundle: BundleName, made: datetime) -> Dataset:
    """The picture of one exam; it has to say itself that it is for research use.

    picture  (h, w, 3) uint8 RGB
    exam     headers of all images of the exam
    """
    key = key_of(bundle, exam)
    capture = SCImage.from_ref_dataset(
        ref_dataset=exam[0],
        pixel_array=np.ascontiguousarray(picture),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),
        series_instance_uid=uid_of(key, "series", "picture"),
        series_number=9904,
        sop_instance_uid=uid_of(key, "picture"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        transfer_syntax_uid=ExplicitVRLittleEndian,  # (3 MB; what would compress it is slow, or not at hand)
    )
    capture.PatientOrientation = []  # several views side by side have none
    capture.Laterality = ""  # (of both sides)
    for name in _PATIENT_STUDY:
        if name in exam[0]:
            capture[name] = exam[0][name]
    capture.ImageType = ["DERIVED", "SECONDARY"]
    capture.ConversionType = "WSD"
    capture.BurnedInAnnotation = "YES"
    capture.RecognizableVisualFeatures = "NO"
    capture.SeriesDescription = f"Picture: {RESEARCH_USE}"
    capture.DerivationDescription = RESEARCH_USE + (" - SYNTHETIC" if bundle.synthetic else "")
    capture.ManufacturerModelName = MODEL_NAME
    capture.SoftwareVersions = f"bundle {bundle.id}"
    capture.SourceImageSequence = [_reference(source) for source in exam]
    return finished(capture, made)


def _reference(source: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    return item
