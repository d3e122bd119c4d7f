"""The scan of a header gives what pydicom gives, or leaves the file to it."""

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from made_files import Change, coded, edit, half_disc, make_dicom, put
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.sequence import Sequence
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

from mammo_steps.core import dicom_fields
from mammo_steps.core.dicom_fields import HeaderFields, fields_of, read_fields
from mammo_steps.core.dicom_headers import quiet_pydicom
from mammo_steps.core.dicom_writing import TRANSFER_SYNTAXES, Machine


@pytest.fixture(autouse=True)
def _quiet() -> None:
    quiet_pydicom()


def by_scan(content: bytes) -> HeaderFields:
    return dicom_fields._scanned(content)


def by_pydicom(content: bytes) -> HeaderFields:
    file = io.BytesIO(content)
    ds = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(dicom_fields._KEYWORDS))
    fields, broken = fields_of(ds)
    if not fields.get("SOPClassUID") and "MediaStorageSOPClassUID" in ds.file_meta:
        fields["SOPClassUID"] = str(ds.file_meta.MediaStorageSOPClassUID)
    syntax = str(ds.file_meta.get("TransferSyntaxUID", ""))
    return HeaderFields(fields, syntax, bool(file.read(1)), broken)


def undefined_lengths(ds: Dataset) -> None:
    view = coded("399162004", "SCT", ("399209000", "SCT"))
    ds.ViewCodeSequence = Sequence([view])
    ds.AnatomicRegionSequence = Sequence([coded("76752008", "SCT"), Dataset()])
    for name in ("ViewCodeSequence", "AnatomicRegionSequence"):
        ds[name].is_undefined_length = True
    view.is_undefined_length_sequence_item = True


def frames(ds: Dataset) -> None:
    anatomy, group = Dataset(), Dataset()
    anatomy.FrameLaterality = "R"
    group.FrameAnatomySequence = Sequence([anatomy])
    ds.SharedFunctionalGroupsSequence = Sequence([group])


def private(ds: Dataset) -> None:
    block = ds.private_block(0x0019, "MAKER", create=True)
    block.add_new(1, "UN", b"\1\2\3\4")
    block.add_new(2, "OB", b"\0" * 300)
    block.add_new(3, "SQ", Sequence([coded("1", "2")]))


CHANGES: dict[str, Change] = {
    "as written": lambda ds: None,
    "undefined lengths": undefined_lengths,
    "frame laterality": frames,
    "private elements": private,
    "several windows": put(WindowCenter=["1", "2"], WindowWidth=["3", "4"], WindowCenterWidthExplanation="A"),
    "no class": put(SOPClassUID=None),
    "empty elements": put(PatientID="", ViewCodeSequence=Sequence([]), PatientAge=None),
    "a name outside ASCII": put(SpecificCharacterSet="ISO_IR 192", PatientID="Ærø-1", AccessionNumber="Å"),
    "a name in Japanese": put(SpecificCharacterSet="\\ISO 2022 IR 87", PatientID="山田"),
}


@pytest.mark.parametrize("syntax", TRANSFER_SYNTAXES)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_scan_finds_what_pydicom_finds(tmp_path: Path, syntax: str, change: Change) -> None:
    machine = Machine("siemens", "lut", "SRT", "MONOCHROME1", syntax)
    content = make_dicom(tmp_path / "a.dcm", machine=machine, change=change).read_bytes()
    found = by_scan(content)
    assert found == by_pydicom(content)
    assert found.transfer_syntax == syntax and found.has_pixels and not found.broken
    assert found.fields["Rows"] == "160" and len(found.fields["VOILUTSequence"]) == 1


def test_ids_are_read_in_their_character_set(tmp_path: Path) -> None:
    for charset, patient_id in (
        ("ISO_IR 192", "Ærø-1"),
        ("ISO_IR 100", "Ærø-2"),
        ("\\ISO 2022 IR 87", "山田"),
    ):
        path = make_dicom(tmp_path / "a.dcm", change=put(SpecificCharacterSet=charset, PatientID=patient_id))
        with path.open("rb") as file:
            assert read_fields(file).fields["PatientID"] == patient_id


def long_element(length: int) -> Change:
    return lambda ds: ds.private_block(0x0009, "MAKER", create=True).add_new(1, "OB", b"\0" * length)


def test_a_header_longer_than_the_first_read_is_read_whole(tmp_path: Path) -> None:
    for length in (100_000, 2_000_000):  # the second one is longer than what is scanned
        path = make_dicom(tmp_path / "a.dcm", change=long_element(length))
        with path.open("rb") as file:
            found = read_fields(file)
        assert found.fields["ViewPosition"] == "CC" and found.has_pixels


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_old_encodings_are_read_by_pydicom(tmp_path: Path, syntax: UID) -> None:
    path = make_dicom(tmp_path / "a.dcm", change=put(WindowCenter="5", WindowWidth="9"))
    plain = by_scan(path.read_bytes())
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(path, ds, implicit_vr=False, little_endian=syntax.is_little_endian, force_encoding=True)
    with path.open("rb") as file:
        found = read_fields(file)
    assert found.fields == plain.fields and found.fields["Rows"] == "160"
    assert found.has_pixels and found.transfer_syntax == syntax


def test_a_file_without_pixels_has_none(tmp_path: Path) -> None:
    path = make_dicom(tmp_path / "a.dcm", change=put(PixelData=None))
    with path.open("rb") as file:
        assert not read_fields(file).has_pixels


def test_an_element_of_another_kind_is_broken(tmp_path: Path) -> None:
    path = make_dicom(tmp_path / "a.dcm")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x10\x00FD\x02\x00"))  # Rows
    with path.open("rb") as file:
        assert read_fields(file).broken == ("Rows",)


def test_no_prefix_is_no_dicom() -> None:
    for content in (b"", b"\0" * 5000):
        with pytest.raises(InvalidDicomError):
            read_fields(io.BytesIO(content))


@pytest.mark.parametrize("syntax", TRANSFER_SYNTAXES[:2])
def test_on_damaged_files_a_scan_agrees_with_pydicom_or_gives_up(tmp_path: Path, syntax: str) -> None:
    machine = Machine("hologic", "sigmoid", "SCT", "MONOCHROME2", syntax)
    path = make_dicom(tmp_path / "a.dcm", half_disc((40, 40)), machine=machine)
    edit(path, undefined_lengths)
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    n_scanned = 0
    for _ in range(600):
        damaged = bytearray(whole[: rng.integers(200, len(whole))] if rng.random() < 0.2 else whole)
        for place in rng.integers(132, min(len(damaged), 2200), 2):
            damaged[place] = rng.integers(256)
        try:
            found = by_scan(bytes(damaged))
        except Exception:  # whatever it is, pydicom reads the file then
            continue
        assert found == by_pydicom(bytes(damaged))
        n_scanned += 1
    assert n_scanned > 200
