"""Real DICOM files of public test collections and real films: decoded, windowed, masked, refused."""

import csv
import hashlib
import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from header_settings import header_settings
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from mammo_steps import index_archive, make_shards, read_headers
from mammo_steps.core.breast import breast_mask, chest_wall_side, side_balance
from mammo_steps.core.decoding import read_pixels
from mammo_steps.core.dicom_headers import quiet_pydicom, read_header
from mammo_steps.core.exclusions import ExclusionError
from mammo_steps.core.orientation import CLEAR_BALANCE
from mammo_steps.core.tables import read_table
from mammo_steps.core.tiles import TileReader
from mammo_steps.core.voi_choice import tiles_and_voi
from mammo_steps.core.windowing import grey_table

GE = "mg_ge_senographe_GH133.dcm"
LOSSY_JPEG = "wg04_RG3_JPLY.dcm"


@pytest.fixture(scope="module")
def samples(test_data: Path) -> Path:
    quiet_pydicom()
    return test_data / "data/dicom-samples"


@pytest.fixture(scope="module")
def films(test_data: Path) -> Path:
    quiet_pydicom()
    return test_data / "data/mini-mias/dicom"


def facts(samples: Path) -> dict[str, dict[str, str]]:
    """The samples' own table: what each file is and the hash of its pixels as other decoders give them."""
    with (samples / "index.tsv").open(newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file, delimiter="\t")}


def test_every_grey_sample_is_decoded_to_the_bit(samples: Path) -> None:
    decoded, refused = 0, {}
    for name, row in facts(samples).items():
        try:
            stored, ds = read_pixels(samples / name)
        except ExclusionError as error:
            refused[name] = error.detail
            continue
        order = ">" if row["transfer_syntax"] == "1.2.840.10008.1.2.2" else "<"
        if name == LOSSY_JPEG:  # the table's decoders have none for it
            continue
        content = stored.astype(stored.dtype.newbyteorder(order)).tobytes()
        assert hashlib.sha256(content).hexdigest()[:16] == row["pixel_sha256"], name
        assert stored.shape == (ds.Rows, ds.Columns)
        decoded += 1
    assert decoded == 15
    assert refused == {
        "mg_hologic_dbt_crop_jpeg2k_3d.dcm": "more than one channel or frame",
        "pydicomdata_HTJ2KLossless_08_RGB.dcm": "more than one channel or frame",
    }


def test_one_radiograph_is_the_same_in_every_lossless_syntax(samples: Path) -> None:
    kinds = ("RLE", "JPLL", "JLSL", "J2KR")
    pictures = {kind: read_pixels(samples / f"wg04_RG3_{kind}.dcm")[0] for kind in kinds}
    for picture in pictures.values():
        np.testing.assert_array_equal(picture, pictures["RLE"])
    for kind, largest in (("J2KI", 9), ("JLSN", 4)):
        lossy = read_pixels(samples / f"wg04_RG3_{kind}.dcm")[0].astype(int)
        assert np.abs(lossy - pictures["RLE"]).max() == largest


def test_twelve_bit_lossy_jpeg_is_near_its_lossless_twin(samples: Path) -> None:
    lossless = read_pixels(samples / "wg04_RG3_RLE.dcm")[0]
    lossy, ds = read_pixels(samples / LOSSY_JPEG)
    difference = lossy.astype(int) - lossless
    assert (np.abs(difference).max(), difference.std() < 2.5) == (48, True)
    assert lossy.max() == 2**ds.BitsStored - 1  # eight pixels are 1024 in the stream


def test_only_the_standard_mammogram_is_taken(samples: Path) -> None:
    headers = {name: read_header(samples / name, header_settings()) for name in facts(samples)}
    taken = [(name, h.laterality, h.view, h.model) for name, h in headers.items() if h.reason is None]
    assert taken == [(GE, "R", "MLO", "Senographe Essential")]
    reasons = Counter(str(header.reason) for header in headers.values() if header.reason)
    assert reasons == {"not_mammography": 15, "multi_frame": 1, "special_view": 1}
    assert (headers[GE].window, headers[GE].n_windows, headers[GE].vendor) == ("lut", 3, "ge")
    hologic = headers["mg_hologic_dbt_crop_jpeg2k_3d.dcm"]
    assert (hologic.model, hologic.vendor) == ("Selenia Dimensions", "hologic")


def test_the_ge_mammogram_is_windowed_as_pydicom_does(samples: Path) -> None:
    stored, ds = read_pixels(samples / GE)
    values = np.rint(apply_modality_lut(stored, ds)).astype(int)
    for prefer_lut in (True, False):
        if not prefer_lut:
            del ds.VOILUTSequence
        tiles, voi, intensity = tiles_and_voi(ds, stored)
        assert intensity == ("lut" if prefer_lut else "window")
        levels = grey_table(voi, 16)[tiles].astype(float)
        shown = apply_voi_lut(values, ds, prefer_lut=prefer_lut)
        highest = 2 ** ds.VOILUTSequence[0].LUTDescriptor[2] - 1 if prefer_lut else 4095
        outside = stored > 30  # 0 to 30 is padding
        assert np.abs(levels - shown / highest * 65535)[outside].max() < 1
        assert not levels[~outside].any()
        assert voi.kind == ("lut" if prefer_lut else "sigmoid")


def test_on_every_film_the_chest_wall_is_where_the_film_number_says(films: Path) -> None:
    for path in sorted(films.glob("*.dcm")):
        film, ds = read_pixels(path)
        mask = breast_mask(film)
        assert chest_wall_side(mask) == ("left" if ds.ImageLaterality == "L" else "right"), path.name
        assert abs(side_balance(mask)) > CLEAR_BALANCE, path.name
        assert 0.1 < mask.mean() < 0.9, path.name


def test_films_go_from_the_archive_to_exact_tiles(films: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    for number in range(1, 9):
        (archive / f"{number}.dcm").symlink_to(films / f"mdb{number:03d}.dcm")
    headers, index = tmp_path / "headers.parquet", tmp_path / "index.parquet"
    shard_list = tmp_path / "m-000.csv"
    read_headers.main(
        [
            "--intake",
            "m",
            "--archive",
            str(archive),
            "--chunk",
            "0",
            "--n-chunks",
            "1",
            "--dataset",
            "mini_mias",
            "--settings",
            json.dumps(asdict(header_settings())),
            "--headers",
            str(headers),
        ]
    )
    index_archive.main(
        [
            "--intake",
            "m",
            "--headers",
            str(headers),
            "--key",
            "a public key of films",
            "--index",
            str(index),
            "--n-shards",
            "1",
            "--lists",
            str(shard_list.parent),
        ]
    )
    settings = {"holistic_width_px": 488, "holistic_bits": 8, "tile_side_px": 256}
    settings |= {"orientation_conflict": "exclude"}
    outputs = {name: tmp_path / f"{name}.parquet" for name in ("holistic", "tiles", "images")}
    make_shards.main(
        [
            "--archive",
            str(archive),
            "--list",
            str(shard_list),
            "--dataset",
            "mini_mias",
            "--settings",
            json.dumps(settings),
            *(f"--{name}={path}" for name, path in outputs.items()),
        ]
    )
    images = read_table(outputs["images"], "shard_images").to_pylist()
    assert [image["reason"] for image in images] == [None] * 8
    found = Counter()
    with TileReader(outputs["tiles"]) as reader:
        for image in images:
            matrix = reader.read_region(image, 0, 0, image["height_px"], image["width_px"])
            found[hashlib.sha256(matrix.astype(np.uint8).tobytes()).hexdigest()] += 1
    wanted = Counter(hashlib.sha256(read_pixels(path)[0].tobytes()).hexdigest() for path in archive.iterdir())
    assert found == wanted
