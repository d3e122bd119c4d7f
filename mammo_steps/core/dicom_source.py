"""What DICOM results take over from the images that they are of: patient, study, and references.

The objects that are made from these headers bear the patient's identity, since a PACS files them by it. They belong
into the private folder, or on the way back to where the images came from, and nowhere else.
"""

import hashlib
import logging
import re
import uuid
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from highdicom._standard_utils import get_sop_class_iod_map
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag
from pydicom.uid import UID
from pydicom.valuerep import DA, DT, TM

from mammo_steps.core.prediction import BundleName

MANUFACTURER, MODEL_NAME = "mammo_steps", "mammo_steps"
RESEARCH_USE = "For research use only, not for diagnosis"
UTF8 = "ISO_IR 192"

# of modules that our objects copy: empty where a header lacks them (type 2)
_TYPE_2 = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime",
    "AccessionNumber", "ReferringPhysicianName", "SeriesNumber", "InstanceNumber",
)  # fmt: skip
_UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_CHECKED = ("DA", "TM", "DT", "AS")
_SEXES = ("M", "F", "O", "")
# of an object's own making
_DATES = (
    "InstanceCreationDate",
    "ContentDate",
    "SeriesDate",
    "PresentationCreationDate",
    "DateOfSecondaryCapture",
)
_TIMES = (
    "InstanceCreationTime",
    "ContentTime",
    "SeriesTime",
    "PresentationCreationTime",
    "TimeOfSecondaryCapture",
)
_NO_TIME = datetime(1900, 1, 1)
_PIXELS = ("PixelData", "OverlayData", "IconImageSequence")


def source_header(image: Dataset) -> Dataset:
    """A copy of an image's header whose texts are Unicode and whose patient and study modules are complete.

    Values that break their type (a date that is none) become empty: they would make the object invalid. Private
    elements are left out.
    """
    header = Dataset()
    for tag in sorted(image.keys()):  # (not the elements: some cannot be read)
        element = None if tag.is_private else _element(image, tag)
        if element is not None and element.keyword not in _PIXELS:
            header.add(element)
    _to_unicode(header)
    meta = getattr(image, "file_meta", Dataset())
    for name in ("SOPClassUID", "SOPInstanceUID"):
        if not header.get(name) and meta.get(f"MediaStorage{name}"):
            setattr(header, name, meta[f"MediaStorage{name}"].value)
    for name in _TYPE_2:
        if name not in header or header[name].value is None:
            setattr(header, name, None if name in ("SeriesNumber", "InstanceNumber") else "")
    for element in header:
        if element.VR in _CHECKED and not _fits(element):
            element.value = None
    if header.PatientSex not in _SEXES:
        header.PatientSex = ""
    if header.get("PatientIdentityRemoved") == "YES" and not header.get("DeidentificationMethodCodeSequence"):
        header.DeidentificationMethod = header.get("DeidentificationMethod") or "not stated by the image"
    return header


def can_be_referred_to(header: Dataset) -> bool:
    """Whether results may name this object: its four UIDs are some, and it is of a kind that the standard knows."""
    whole = all(UID(str(header.get(name) or "")).is_valid for name in _UIDS)
    return whole and header.SOPClassUID in get_sop_class_iod_map()


@contextmanager
def said_to_nobody() -> Iterator[None]:
    """Without the warnings of pydicom and highdicom: they quote patients' names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("highdicom").setLevel(logging.CRITICAL + 1)
        yield


def _element(image: Dataset, tag: BaseTag) -> DataElement | None:
    """None for one whose bytes are no value of its type."""
    try:
        return image[tag]
    except Exception:  # pydicom raises almost anything, with text of the header
        return None


def _to_unicode(header: Dataset) -> None:
    """Texts of any character set; of one that is not known, or that their bytes are not in, as good as it goes."""
    try:
        header.decode()
    except (LookupError, ValueError):
        header.SpecificCharacterSet = "ISO_IR 100"
        header.decode()
    header.SpecificCharacterSet = UTF8


def _fits(element: DataElement) -> bool:
    """Whether dates, times and ages are some."""
    values = element.value if isinstance(element.value, MultiValue) else [element.value]
    if element.VR == "AS":
        return all(not value or re.fullmatch(r"\d{3}[DWMY]", str(value)) for value in values)
    kind = {"DA": DA, "TM": TM, "DT": DT}[element.VR]
    try:
        for value in values:
            kind(value or "")
    except (ValueError, TypeError):
        return False
    return True


def uid_of(*parts: str) -> str:
    """A UID that is the same for the same parts: the same result, made again, is the same object (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, '|'.join(parts)).int}"


def key_of(bundle: BundleName, sources: Sequence[Dataset]) -> str:
    """Stands for this woman's scores of these images by these networks: for series, and what is tracked."""
    images = sorted(f"{source.StudyInstanceUID}|{source.SOPInstanceUID}" for source in sources)
    return "|".join([bundle.id, *bundle.members, *images, str(sources[0].PatientID)])


def finished(made: Dataset, when: datetime) -> Dataset:
    """Give an object the UID of all that it says but when it was made, and then its times; returns the object.

    (A PACS keeps or replaces an object by its UID alone: no other one may bear it.)
    """
    _stamp(made, _NO_TIME)
    with DicomBytesIO() as encoded:
        encoded.is_little_endian, encoded.is_implicit_VR = True, False
        write_dataset(encoded, made)
        content = hashlib.sha256(encoded.getvalue()).hexdigest()
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = UID(uid_of("content", content))
    return _stamp(made, when)


def _stamp(made: Dataset, when: datetime) -> Dataset:
    """Give every date and time of an object's own making the same value; returns the object."""
    day, time = DA(when.date()), TM(when.time().replace(microsecond=0))
    for names, value in ((_DATES, day), (_TIMES, time)):
        for name in names:
            if name in made:
                setattr(made, name, value)
    if "ContributingEquipmentSequence" in made:
        for item in made.ContributingEquipmentSequence:
            if "ContributionDateTime" in item:
                item.ContributionDateTime = DT(when.replace(microsecond=0))
    made.SpecificCharacterSet = UTF8
    return made
