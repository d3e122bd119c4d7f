"""What a header's elements become."""

import io
from pathlib import Path

import pydicom
import pytest
from made_files import Change, coded, make_dicom, put
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

from mammo_steps.core.dicom_fields import HeaderFields, read_fields
from mammo_steps.core.dicom_headers import quiet_pydicom
from mammo_steps.core.dicom_writing import TRANSFER_SYNTAXES, Machine


@pytest.fixture(autouse=True)
def _quiet() -> None:
    quiet_pydicom()


def read(content: bytes) -> HeaderFields:
    return read_fields(io.BytesIO(content))[0]


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
def test_fields_are_the_texts_of_the_elements(tmp_path: Path, syntax: str, change: Change) -> None:
    machine = Machine("siemens", "lut", "SRT", "MONOCHROME1", syntax)
    path = make_dicom(tmp_path / "a.dcm", machine=machine, change=change)
    found, whole = read(path.read_bytes()), pydicom.dcmread(path, stop_before_pixels=True)
    assert found.transfer_syntax == syntax and found.has_pixels and not found.broken
    assert found.fields["Rows"] == "160" and len(found.fields["VOILUTSequence"]) == 1
    for keyword, text in found.fields.items():
        element = whole.get(keyword)
        if isinstance(text, str) and element is not None:
            values = element if isinstance(element, MultiValue) else [element]
            assert text == "\\".join(str(value) for value in values), keyword


def test_a_class_left_out_is_that_of_the_files_own_description(tmp_path: Path) -> None:
    path = make_dicom(tmp_path / "a.dcm", change=put(SOPClassUID=None))
    assert read(path.read_bytes()).fields["SOPClassUID"] == "1.2.840.10008.5.1.4.1.1.1.2"


def test_items_of_undefined_length_are_read(tmp_path: Path) -> None:
    found = read(make_dicom(tmp_path / "a.dcm", change=undefined_lengths).read_bytes())
    [view] = found.fields["ViewCodeSequence"]
    assert view["CodeValue"] == "399162004"
    assert view["ViewModifierCodeSequence"][0]["CodeValue"] == "399209000"


def test_ids_are_read_in_their_character_set(tmp_path: Path) -> None:
    for charset, patient_id in (
        ("ISO_IR 192", "Ærø-1"),
        ("ISO_IR 100", "Ærø-2"),
        ("\\ISO 2022 IR 87", "山田"),
    ):
        path = make_dicom(tmp_path / "a.dcm", change=put(SpecificCharacterSet=charset, PatientID=patient_id))
        assert read(path.read_bytes()).fields["PatientID"] == patient_id


def long_element(length: int) -> Change:
    return lambda ds: ds.private_block(0x0009, "MAKER", create=True).add_new(1, "OB", b"\0" * length)


def test_a_long_private_element_is_passed_over(tmp_path: Path) -> None:
    found = read(make_dicom(tmp_path / "a.dcm", change=long_element(2_000_000)).read_bytes())
    assert found.fields["ViewPosition"] == "CC" and found.has_pixels


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_old_encodings_give_the_same_fields(tmp_path: Path, syntax: UID) -> None:
    path = make_dicom(tmp_path / "a.dcm", change=put(WindowCenter="5", WindowWidth="9"))
    plain = read(path.read_bytes())
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(path, ds, implicit_vr=False, little_endian=syntax.is_little_endian, force_encoding=True)
    found = read(path.read_bytes())
    assert found.fields == plain.fields and found.fields["Rows"] == "160"
    assert found.has_pixels and found.transfer_syntax == syntax


def test_a_file_without_pixels_has_none(tmp_path: Path) -> None:
    path = make_dicom(tmp_path / "a.dcm", change=put(PixelData=None))
    assert not read(path.read_bytes()).has_pixels


def test_an_element_of_another_kind_is_broken(tmp_path: Path) -> None:
    path = make_dicom(tmp_path / "a.dcm")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x10\x00FD\x02\x00"))  # Rows
    assert read(path.read_bytes()).broken == ("Rows",)


def test_no_prefix_is_no_dicom() -> None:
    for content in (b"", b"\0" * 5000):
        with pytest.raises(InvalidDicomError):
            read(content)
