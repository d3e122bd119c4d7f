"""A tiny archive with planted text in every element, file name and folder name that can hold text."""

import csv
from pathlib import Path
from typing import Any

import pydicom
from canary_search import CLOCK, DAY, NUMBER, UID_ROOT, WORD
from drawn_archive import draw
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

EXAMS = {"normal": 10, "benign": 3, "screen_detected": 9, "interval": 4}
# what a mammogram must be to be taken; all other text of the standard is planted
_KEPT = {
    "SpecificCharacterSet", "Manufacturer", "StudyDate", "AcquisitionDate", "ContentDate", "SOPInstanceUID",
    "SOPClassUID", "StudyInstanceUID", "CodeValue", "CodingSchemeDesignator", "PaddleDescription", "ProtocolName",
    "SeriesDescription", "AcquisitionDeviceProcessingDescription", "PartialViewDescription",
}  # fmt: skip
_PLANTED_AS = {
    **dict.fromkeys(("AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"), ""),
    "DA": DAY, "TM": CLOCK, "DT": DAY + CLOCK, "UI": f"{UID_ROOT}.9",
}  # fmt: skip
_NUMBERS = ("PatientWeight", "PatientSize", "KVP", "BodyPartThickness", "CompressionForce", "OrganDose")
_WORDS_FOR = {  # element -> what else of the header would say the same
    "ViewPosition": ("ViewCodeSequence",),
    "ImageLaterality": ("Laterality",),
    "Laterality": ("ImageLaterality",),
    "Modality": (),
    "PresentationIntentType": (),
    "PhotometricInterpretation": (),
    "SOPClassUID": (),
    "BreastImplantPresent": (),
    "PartialView": (),
    "PatientOrientation": (),
    "Manufacturer": (),
    "StudyDate": (),
    "PatientAge": (),
    "EstimatedRadiographicMagnificationFactor": (),
    "RescaleSlope": (),
    "WindowCenter": (),
    "VOILUTFunction": (),
    "BitsStored": (),
    "PixelPaddingValue": (),
    "PresentationLUTShape": (),
    "PixelIntensityRelationship": (),
    "SeriesDescription": (),
    "PaddleDescription": (),
}


def planted(tag: int) -> str:
    """16 characters, as many as the shortest kind of text may have; names its element."""
    return f"{WORD}{tag:08x}"


def _plain_elements() -> dict[int, tuple[str, str]]:
    """tag -> (VR, planted value) for every element of the standard that holds text, dates or UIDs."""
    found = {}
    for tag, (vr, _, _, retired, keyword) in DicomDictionary.items():
        group = tag >> 16
        if vr in _PLANTED_AS and keyword not in _KEPT and keyword and not retired and group >= 8:
            found[tag] = (vr, _PLANTED_AS[vr] or planted(tag))
    return found


_ELEMENTS = _plain_elements()


def _nested(depth: int) -> Dataset:
    item = Dataset()
    for name in ("PatientName", "PatientID", "CodeMeaning", "IssuerOfPatientID", "PersonAddress"):
        setattr(item, name, planted(pydicom.tag.Tag(name)))
    item.StudyDate, item.ReferencedSOPInstanceUID = DAY, f"{UID_ROOT}.8.{depth}"
    if depth:
        item.OtherPatientIDsSequence = Sequence([_nested(depth - 1)])
    return item


def plant(ds: Dataset, number: int) -> None:
    """Text in every element that is not needed, in nested sequences, and in private elements."""
    for tag, (vr, value) in _ELEMENTS.items():
        ds.add_new(tag, vr, value)
    for name in _NUMBERS:
        setattr(ds, name, NUMBER)
    ds.InstanceNumber = ds.SeriesNumber = "7719431"
    ds.Manufacturer = f"{ds.Manufacturer} {WORD}"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(f"{UID_ROOT}.3.{number}")
    ds.RequestAttributesSequence = Sequence([_nested(2)])
    ds.AcquisitionContextSequence = Sequence([_nested(1)])
    if "ViewCodeSequence" in ds:
        ds.ViewCodeSequence[0].CodeMeaning = f"{WORD} view"
    for group in (0x0009, 0x0029):
        block = ds.private_block(group, f"{WORD} PRIVATE", create=True)
        block.add_new(1, "LO", f"{WORD} private")
        block.add_new(2, "UN", f"{WORD} unknown ".encode())
        block.add_new(3, "SQ", Sequence([_nested(1)]))


def make_archive(folder: Path, n_spoilt: int = len(_WORDS_FOR)) -> set[str]:
    """Archive, labels.csv and lesions.csv in `folder`; returns the exams' dates as YYYYMMDD."""
    settings = {
        "exams": EXAMS, "share_two_exams": 0.2, "sizes": [[160, 128], [176, 128]], "lesion_contrast": 2.0,
        "interval_contrast": 0.5,
    }  # fmt: skip
    labels, lesions = folder / "labels.csv", folder / "lesions.csv"
    draw(settings, folder, "made")
    archive = folder / "archive"
    archive.mkdir()
    days, new_ids = set(), {}
    for number, path in enumerate(sorted((folder / "made").rglob("*.dcm"))):
        ds = pydicom.dcmread(path)
        old = str(ds.PatientID), str(ds.StudyInstanceUID), str(ds.SOPInstanceUID)
        for kind, name in enumerate(old[:2]):
            new_ids.setdefault(
                name, f"{WORD}P{len(new_ids):06}" if kind == 0 else f"{UID_ROOT}.1.{len(new_ids)}"
            )
        plant(ds, number)
        ds.PatientID, ds.StudyInstanceUID = new_ids[old[0]], UID(new_ids[old[1]])
        new_ids[old[2]] = str(ds.SOPInstanceUID)
        days.add(str(ds.StudyDate))
        write(ds, archive / f"{WORD}^{ds.PatientID}" / f"{DAY} {WORD} {number}.dcm")
    for table in (labels, lesions):
        _replace_ids(table, new_ids)
    spoil(archive, n_spoilt)
    return days


def write(ds: Dataset, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    ds.save_as(path)


def _replace_ids(table: Path, new_ids: dict[str, str]) -> None:
    with table.open(newline="") as file:
        rows = [[new_ids.get(cell, cell) for cell in row] for row in csv.reader(file)]
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def spoil(archive: Path, n: int) -> None:
    """n more files, each with planted text where a word of the standard or a number should be."""
    sound = sorted(archive.rglob("*.dcm"))[0]
    for number, (name, others) in enumerate(list(_WORDS_FOR.items())[:n]):
        ds: Any = pydicom.dcmread(sound)
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(f"{UID_ROOT}.4.{number}")
        ds.StudyInstanceUID = UID(f"{UID_ROOT}.5.{number}")
        for other in others:
            if other in ds:
                delattr(ds, other)
        ds.add_new(name, "LT", f"{WORD} {name}")
        write(ds, archive / f"{WORD} spoilt" / f"{WORD} {name}.dcm")
    content = sound.read_bytes()
    syntax = str(pydicom.dcmread(sound, stop_before_pixels=True).file_meta.TransferSyntaxUID).encode()
    (archive / f"{WORD} spoilt" / f"{WORD} syntax").write_bytes(
        content.replace(syntax, WORD.encode().ljust(len(syntax), b"1"), 1)
    )
    (archive / f"{WORD} spoilt" / f"{WORD} cut.dcm").write_bytes(content[: len(content) * 2 // 3])
    (archive / f"{WORD} spoilt" / f"{WORD}.txt").write_text(f"{WORD}, who is no DICOM file")
    (archive / f"{WORD} dead.dcm").symlink_to(archive / f"{WORD} nowhere.dcm")
