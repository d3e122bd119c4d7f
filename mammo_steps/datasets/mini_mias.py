"""mini-MIAS: digitised screening films of the Mammographic Image Analysis Society (Suckling et al. 1994).

    source      the database's own download, `all-mias.tar.gz`: mdb001.pgm to mdb322.pgm, Info.txt, the licence
    archive     folder of the .pgm files (or of DICOM files made of them), sub-folders too
    labels      Info.txt
    metadata    none
    films       322 of 161 women, one left and one right MLO view each, no CC view; 200 um per pixel, 8 bit,
                1024 x 1024 with zero padding; `mdbNNN.pgm`, or DICOM files that hold the same pixels
    Info.txt    kind, malignancy, place and size of each abnormality, by film
    women       films 2k-1 (right breast) and 2k (left) are woman k: `MIAS001`, `MIAS002`, ... One exam each,
                with the same id; DICOM files carry it as PatientID and AccessionNumber
    outcome     screen_detected where a film has a malignant abnormality, else benign or normal. The database
                does not tell screen-detected from interval cancers: every cancer is called screen-detected.
                Follow-up and how malignancy was proven are not stated
    side        from the film numbers. Burned-in markers are mirror-written in places and are not used
    undefined   nothing: every film has an entry. Windows of `outcome_windows` have no meaning here
    faults      one film may have several lines; some abnormalities have no place (widespread calcifications);
                places count from the bottom left; one line carries a footnote instead of a place
    not there   dates, ages, readers' scores
    pixels      the matrix is cropped to the smallest box that holds every pixel above zero, in DICOM files as
                in .pgm files, and all coordinates are those of this box. Outside the breast remain noise and
                film markers
    terms       research only, not to be sold, cite Suckling et al., Exerpta Medica ICS 1069 (1994) 375-378

Run as a module it writes the places of the abnormalities (`lesions.csv`) of the films in an archive:
`python -m mammo_steps.datasets.mini_mias --info Info.txt --archive FOLDER --lesions lesions.csv`. Their types
are mass (circumscribed, spiculated or ill-defined), specks (calcifications), architectural_distortion and
asymmetry.
"""

import csv
import dataclasses
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset

from mammo_steps.core import decoding, dicom_headers
from mammo_steps.core.artefacts import artefact
from mammo_steps.core.decoding import Stored
from mammo_steps.core.dicom_headers import Header
from mammo_steps.core.exclusions import ExclusionError
from mammo_steps.core.header_choice import HeaderSettings
from mammo_steps.core.labels import ExamLabel, Windows, side_of
from mammo_steps.core.terms import Outcome, Reason
from mammo_steps.datasets.label_tables import NOT_READ
from mammo_steps.datasets.mini_mias_info import Film, laterality_of, read_info, woman_of

log = logging.getLogger("mini_mias")

LESION_TYPES = {
    "CALC": "specks",
    "CIRC": "mass",
    "SPIC": "mass",
    "MISC": "mass",
    "ARCH": "architectural_distortion",
    "ASYM": "asymmetry",
}
LESION_COLUMNS = ("image_id", "lesion_id", "lesion_type", "malignant", "row", "col", "radius_px", "contrast")

_NAME = re.compile(r"mdb(\d{3})")
_PGM = re.compile(rb"P5(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)\s")
_CROP = re.compile(r"mdb(\d{3}) crop_row=(\d+) crop_col=(\d+) of 1024x1024")


def read_labels(path: Path, windows: Windows) -> list[ExamLabel]:
    """One label per woman of Info.txt, in the order of the films."""
    by_woman: dict[str, list[Film]] = {}
    for number, film in read_info(path).items():
        by_woman.setdefault(woman_of(number), []).append(film)
    return [_label(woman, films) for woman, films in by_woman.items()]


def _label(woman: str, films: Sequence[Film]) -> ExamLabel:
    sides = [laterality_of(film.number) for film in films if any(a.malignant for a in film.found)]
    benign = any(film.found for film in films)
    outcome = Outcome.SCREEN_DETECTED if sides else Outcome.BENIGN if benign else Outcome.NORMAL
    return ExamLabel(
        patient_id=woman,
        exam_id=woman,
        outcome=outcome,
        cancer_laterality=side_of(sides),
        follow_up_months=None,
        row=films[0].line,
        **NOT_READ,
    )


def _is_pgm(path: Path) -> bool:
    return path.suffix.lower() == ".pgm"


def _film_number(path: Path) -> int:
    found = _NAME.fullmatch(path.stem.lower())
    if not found:
        raise ExclusionError(Reason.MISSING_ID, "the file's name is not mdb and a film number")
    return int(found[1])


def read_film(path: Path) -> tuple[Stored, tuple[int, int]]:
    """Pixels (H, W) uint8 of a .pgm film without its zero padding; the (row, col) where they lay in it."""
    content = path.read_bytes()
    found = _PGM.match(content)
    if not found or int(found[3]) != 255:
        raise ExclusionError(Reason.UNDECODABLE, "no binary 8-bit PGM file (P5, 255)")
    width, height = int(found[1]), int(found[2])
    if len(content) - found.end() != width * height:
        raise ExclusionError(Reason.UNDECODABLE, "the pixel data are not as long as the image")
    film = np.frombuffer(content, np.uint8, offset=found.end()).reshape(height, width)
    rows, cols = np.flatnonzero(film.any(axis=1)), np.flatnonzero(film.any(axis=0))
    if not rows.size:
        raise ExclusionError(Reason.CONSTANT_IMAGE, "every pixel is 0")
    cropped = film[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    return np.ascontiguousarray(cropped), (int(rows[0]), int(cols[0]))


def read_header(path: Path, settings: HeaderSettings) -> Header:
    """Of a DICOM file what `core.dicom_headers` finds, of a .pgm file what follows from its film number.

    The AccessionNumber is the exam's id whatever the settings say, so that both kinds of file give the same
    ids. Dates in the DICOM files are made up and left out.
    """
    if not _is_pgm(path):
        settings = dataclasses.replace(settings, exam_id_field="AccessionNumber")
        header = dicom_headers.read_header(path, settings)
        return dataclasses.replace(header, exam_date=None, acquired=None)
    number = _film_number(path)
    height_px, width_px = read_film(path)[0].shape
    return Header(
        patient_id=woman_of(number),
        exam_id=woman_of(number),
        image_id=f"mdb{number:03d}",
        laterality=laterality_of(number),
        view="MLO",
        height_px=height_px,
        width_px=width_px,
        photometric="MONOCHROME2",
        bits_stored=8,
        transfer_syntax="pgm",
        vendor="other",
        pixel_spacing_mm=0.2,
        synthetic=False,
    )


def read_pixels(path: Path) -> tuple[Stored, Dataset]:
    """As `core.decoding.read_pixels`; a film's window is the whole 8-bit range, as in the DICOM version."""
    if not _is_pgm(path):
        return decoding.read_pixels(path)
    try:
        stored, _ = read_film(path)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise ExclusionError(Reason.FILE_GONE, type(error).__name__) from None
    ds = Dataset()
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = stored.shape
    ds.BitsAllocated = ds.BitsStored = 8
    ds.PixelRepresentation = 0
    ds.WindowCenter, ds.WindowWidth = "127.5", "256"
    return stored, ds


def _place_in_film(path: Path) -> tuple[int, str, tuple[int, int]]:
    """(film number, image_id, (row, col) of the stored matrix in the film) of a film's file."""
    if _is_pgm(path):
        number = _film_number(path)
        return number, f"mdb{number:03d}", read_film(path)[1]
    ds = dcmread(path, stop_before_pixels=True, specific_tags=["SOPInstanceUID", "ImageComments"])
    found = _CROP.fullmatch(str(ds.get("ImageComments", "")))
    if not found:
        raise ValueError(f"{path}: ImageComments does not say where the matrix lay in the film")
    return int(found[1]), str(ds.SOPInstanceUID), (int(found[2]), int(found[3]))


def lesion_rows(films: Mapping[int, Film], archive: Path) -> Iterator[tuple[str | int, ...]]:
    """Rows of `lesions.csv`, by film: every abnormality with a stated place, in every file of its film."""
    files = [path for path in archive.rglob("*") if path.suffix.lower() in (".pgm", ".dcm")]
    for number, image_id, (top, left) in sorted(_place_in_film(path) for path in files):
        found = films[number].found if number in films else ()
        for count, lesion in enumerate(found, start=1):
            if lesion.place is None or lesion.radius_px is None:
                continue
            row, col = lesion.place[0] - top, lesion.place[1] - left
            kind, malignant = LESION_TYPES[lesion.kind], int(lesion.malignant)
            yield image_id, f"mdb{number:03d}-{count}", kind, malignant, row, col, lesion.radius_px, ""


def write_lesions(info: Path, archive: Path, path: Path) -> int:
    """Write `lesions.csv`; returns the number of lesions."""
    rows = list(lesion_rows(read_info(info), archive))
    if not rows:
        raise ValueError(f"{archive}: no film (.pgm or .dcm) with an abnormality that has a place in {info}")
    with artefact(path) as scratch, scratch.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(LESION_COLUMNS)
        writer.writerows(rows)
    return len(rows)
