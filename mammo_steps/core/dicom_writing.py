"""Writes a mammogram as a DICOM file: two makers' header habits, six lossless transfer syntaxes."""

import struct
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

import imagecodecs
import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DigitalMammographyXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from mammo_steps.core.files import replacing

BITS = 12
MAX_VALUE = 2**BITS - 1
TRANSFER_SYNTAXES = (
    str(ExplicitVRLittleEndian),
    str(ImplicitVRLittleEndian),
    str(JPEGLosslessSV1),
    str(JPEGLSLossless),
    str(JPEG2000Lossless),
    str(RLELossless),
)


class Habit(NamedTuple):
    """manufacturer; voi: kinds of grey-scale display; code_schemes: of the view's code."""

    manufacturer: str
    voi: tuple[str, ...]
    code_schemes: tuple[str, ...]


HABITS = {
    # ViewPosition, ImageLaterality, PixelPaddingValue; three windows
    "hologic": Habit("HOLOGIC, Inc.", ("sigmoid", "linear_exact"), ("SCT",)),
    # the view as a retired code only, Laterality of the series; one window or a lookup table
    "siemens": Habit("SIEMENS", ("linear", "lut"), ("SRT", "SNM3")),
}
ORIENTATION = {  # direction of rows and of columns as stored; PS3.3 C.7.6.1.1.1
    ("R", "CC"): ["P", "L"],
    ("R", "MLO"): ["P", "FL"],
    ("L", "CC"): ["A", "R"],
    ("L", "MLO"): ["A", "FR"],
}
_VIEW_CODES = {  # PS3.16 CID 4014: SNOMED CT and retired SNOMED RT code
    "CC": ("399162004", "R-10242", "cranio-caudal"),
    "MLO": ("399368009", "R-10226", "medio-lateral oblique"),
}
# (centre, width) in MONOCHROME2 grey levels; narrower where the ends are drawn out, so that all look alike
_WINDOWS = {"linear": (1350.0, 2100.0), "linear_exact": (1350.0, 2100.0), "sigmoid": (1400.0, 1700.0)}
_LUT_WINDOW = _WINDOWS["sigmoid"]

Pixels = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Machine:
    """How an exam's files are written: `habit` a key of HABITS, `voi` and `code_scheme` of its choice."""

    habit: str
    voi: str
    code_scheme: str
    photometric: str
    transfer_syntax: str


@dataclass(frozen=True)
class Identity:
    """Who, when and which view one image shows."""

    patient_id: str
    exam_id: str
    series_id: str
    image_id: str
    laterality: str
    view: str
    exam_date: date
    age_years: int


def stored_values(grey: Pixels, photometric: str) -> Pixels:
    """Grey levels (bright = dense) as stored: inverted over the 12 bits for MONOCHROME1. Its own inverse."""
    return MAX_VALUE - grey if photometric == "MONOCHROME1" else grey


def write_mammogram(
    path: Path, grey: Pixels, identity: Identity, machine: Machine, spacing_mm: float
) -> None:
    """Write grey levels (H, W), 0 = background, as a Digital Mammography image For Presentation."""
    dataset = Dataset()
    _describe(dataset, identity)
    _describe_equipment(dataset, identity, machine)
    dataset.ImagerPixelSpacing = [f"{spacing_mm:.6g}"] * 2
    _add_pixels(dataset, stored_values(grey, machine.photometric), machine)
    _add_voi(dataset, machine)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = UID(machine.transfer_syntax)
    with replacing(path) as scratch:
        dataset.save_as(scratch, enforce_file_format=True)


def _describe(dataset: Dataset, identity: Identity) -> None:
    day = identity.exam_date.strftime("%Y%m%d")
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    dataset.SOPInstanceUID = identity.image_id
    dataset.StudyDate = dataset.ContentDate = dataset.AcquisitionDate = day
    dataset.StudyTime = dataset.ContentTime = dataset.AcquisitionTime = "120000"
    dataset.AccessionNumber = ""
    dataset.Modality = "MG"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.ReferringPhysicianName = ""
    dataset.AnatomicRegionSequence = Sequence([_code("76752008", "SCT", "Breast")])
    dataset.PatientName = "SYNTHETIC^DEMO"
    dataset.PatientID = identity.patient_id
    dataset.PatientBirthDate = ""
    dataset.PatientSex = "F"
    dataset.PatientAge = f"{identity.age_years:03d}Y"
    dataset.BodyPartExamined = "BREAST"
    dataset.PositionerType = "MAMMOGRAPHIC"
    dataset.StudyInstanceUID = identity.exam_id
    dataset.SeriesInstanceUID = identity.series_id
    dataset.StudyID = ""
    dataset.SeriesNumber = None
    dataset.InstanceNumber = None
    dataset.PatientOrientation = ORIENTATION[identity.laterality, identity.view]
    dataset.QualityControlImage = "NO"
    dataset.BurnedInAnnotation = "NO"
    dataset.BreastImplantPresent = "NO"
    dataset.PartialView = "NO"
    dataset.OrganExposed = "BREAST"
    dataset.AcquisitionContextSequence = Sequence([])


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _describe_equipment(dataset: Dataset, identity: Identity, machine: Machine) -> None:
    dataset.Manufacturer = HABITS[machine.habit].manufacturer
    dataset.ManufacturerModelName = "Synthetic phantom"
    current, retired, meaning = _VIEW_CODES[identity.view]
    view = _code(current if machine.code_scheme == "SCT" else retired, machine.code_scheme, meaning)
    view.ViewModifierCodeSequence = Sequence([])
    dataset.ViewCodeSequence = Sequence([view])
    if machine.habit == "hologic":
        dataset.ViewPosition = identity.view
        dataset.ImageLaterality = identity.laterality
    else:
        dataset.Laterality = identity.laterality


def _add_voi(dataset: Dataset, machine: Machine) -> None:
    """The display of the stored values: windows (PS3.3 C.11.2.1.2) or a lookup table (C.11.2.1.1).

    MONOCHROME1 shows high values dark, after the window; so its windows are mirrored.
    """
    inverted = machine.photometric == "MONOCHROME1"
    if machine.voi == "lut":
        centre, width = _LUT_WINDOW
        shown = 1 / (1 + np.exp(-4 * (np.arange(MAX_VALUE + 1) - centre) / width))
        shown = (shown - shown[0]) / (shown[-1] - shown[0])  # background black
        output = np.rint(MAX_VALUE * (1 - shown[::-1] if inverted else shown)).astype("<u2")
        item = Dataset()
        item.LUTDescriptor = [MAX_VALUE + 1, 0, BITS]
        item.LUTExplanation = "NORMAL"
        item.add_new("LUTData", "OW", output.tobytes())
        dataset.VOILUTSequence = Sequence([item])
        return
    centre, width = _WINDOWS[machine.voi]
    if inverted:  # LINEAR counts from centre - 0.5, the others from the centre
        centre = MAX_VALUE - centre + (machine.voi == "linear")
    if machine.voi == "linear":
        dataset.WindowCenter, dataset.WindowWidth = f"{centre:g}", f"{width:g}"
        return
    dataset.WindowCenter = [f"{centre:g}"] * 3
    dataset.WindowWidth = [f"{w:g}" for w in (width, 0.8 * width, 1.2 * width)]
    dataset.WindowCenterWidthExplanation = ["NORMAL", "HARDER", "SOFTER"]
    dataset.VOILUTFunction = machine.voi.upper()


def _add_pixels(dataset: Dataset, stored: Pixels, machine: Machine) -> None:
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = machine.photometric
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, BITS, BITS - 1
    dataset.PixelRepresentation = 0
    if machine.habit == "hologic":
        dataset.PixelPaddingValue = int(stored_values(np.zeros(1, np.uint16), machine.photometric)[0])
    dataset.PixelIntensityRelationship = "LOG"
    dataset.PixelIntensityRelationshipSign = 1 if machine.photometric == "MONOCHROME1" else -1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    dataset.PresentationLUTShape = "INVERSE" if machine.photometric == "MONOCHROME1" else "IDENTITY"
    dataset.LossyImageCompression = "00"
    if machine.transfer_syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
        dataset.add_new("PixelData", "OW", stored.astype("<u2").tobytes())
        return
    dataset.add_new("PixelData", "OB", encapsulate([_encoded(stored, machine.transfer_syntax)]))
    dataset["PixelData"].is_undefined_length = True


def _encoded(stored: Pixels, transfer_syntax: str) -> bytes:
    """One frame as a losslessly compressed stream."""
    if transfer_syntax == JPEGLosslessSV1:  # first-order prediction
        return bytes(imagecodecs.jpeg8_encode(stored, lossless=True, predictor=1, bitspersample=BITS))
    if transfer_syntax == JPEGLSLossless:
        stream = bytes(imagecodecs.jpegls_encode(stored))
        return stream[:2] + stream[stream.index(b"\xff\xf7") :]  # SOI, then SOF55: the SPIFF header left out
    if transfer_syntax == JPEG2000Lossless:
        return bytes(
            imagecodecs.jpeg2k_encode(
                stored, level=0, codecformat="j2k", reversible=True, bitspersample=BITS, numthreads=1
            )
        )
    if transfer_syntax == RLELossless:
        return _rle(stored)
    raise ValueError(f"transfer syntax {transfer_syntax}: wanted one of {TRANSFER_SYNTAXES}")


def _rle(stored: Pixels) -> bytes:
    """PS3.5 G: a header of 16 numbers, then one run-length segment per byte, the high byte first."""
    segments = []
    for shift in (8, 0):
        plane = np.ascontiguousarray((stored >> shift).astype(np.uint8))
        packed = bytes(imagecodecs.packbits_encode(plane))  # row by row: no run goes over a row's end
        segments.append(packed + b"\x00" * (len(packed) % 2))
    return struct.pack("<16L", 2, 64, 64 + len(segments[0]), *[0] * 13) + b"".join(segments)
