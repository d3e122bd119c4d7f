import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from mammo_steps.core.augment import AugmentSettings, warp_matrix, warped
from mammo_steps.core.batches import (
    Loader,
    as_grey,
    scored_square,
)
from mammo_steps.core.image_store import ImageStore, Place
from mammo_steps.core.randomness import stream
from mammo_steps.core.tables import RowGroupWriter

CPU = torch.device("cpu")
STILL = AugmentSettings(flips=[], rotation_degrees=0, pad_px=0, max_shift=0.0)


def write_images(path: Path, pictures: dict[str, np.ndarray]) -> None:
    with RowGroupWriter(path, "holistic", "lz4") as writer:
        for image_id, picture in sorted(pictures.items()):
            h, w = picture.shape
            writer.append(
                {"image_id": image_id, "height_px": h, "width_px": w, "bits": 8, "pixels": picture.tobytes()}
            )


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    rng = np.random.default_rng(0)
    pictures = {f"i{n}": rng.integers(1, 255, (12 + n, 8), dtype=np.uint8) for n in range(5)}
    write_images(tmp_path / "holistic.parquet", pictures)
    return ImageStore(
        {i: Place(tmp_path / "holistic.parquet", n, 2 + n // 2, 0) for n, i in enumerate(sorted(pictures))}
    )


def test_scored_square_pads_with_zeros_on_both_sides() -> None:
    square = scored_square(np.full((2, 4), 7, np.uint8), Place(Path(), 0, -1, 0), 4)
    assert square.tolist() == [[0] * 4, [7] * 4, [7] * 4, [0] * 4]


def test_a_warp_without_changes_is_the_scored_square(store: ImageStore, device: torch.device) -> None:
    ids = list(store.places)
    ((_, trained),) = Loader(store, device, 1).training([ids], 8, STILL, (1, 0, 0))
    ((_, scored),) = Loader(store, device, 1).scoring(ids, 8, len(ids))
    torch.testing.assert_close(trained, scored, atol=1e-5, rtol=0)


def test_the_last_batch_is_filled_to_the_fixed_size(store: ImageStore) -> None:
    batches = list(Loader(store, CPU, 1).scoring(list(store.places), 8, 3))
    assert [len(ids) for ids, _ in batches] == [3, 2]
    assert [tuple(grey.shape) for _, grey in batches] == [(3, 8, 8), (3, 8, 8)]
    assert batches[1][1][2].abs().sum() == 0


def test_a_flip_mirrors_the_square() -> None:
    canvas = torch.arange(16.0).reshape(1, 4, 4) / 16
    augment = AugmentSettings(["horizontal", "vertical"], 0, 0, 0.0)
    place = Place(Path(), 0, 0, 0)
    seen = set()
    for n in range(40):
        matrix = warp_matrix((4, 4), place, 4, augment, stream(n))
        out = warped(canvas, matrix[None], 4)[0]
        for name, wanted in {
            "-": canvas[0],
            "h": canvas[0].flip(1),
            "v": canvas[0].flip(0),
            "hv": canvas[0].flip(0, 1),
        }.items():
            if torch.allclose(out, wanted, atol=1e-6):
                seen.add(name)
                break
        else:
            pytest.fail("neither the picture nor one of its mirror images")
    assert seen == {"-", "h", "v", "hv"}


def test_a_rotation_by_90_degrees_turns_the_square() -> None:
    canvas = torch.arange(16.0).reshape(1, 4, 4)
    matrix = np.array([[[0.0, -1.0, 2.0], [1.0, 0.0, 2.0]]])  # output (dc, dr) -> canvas col -dr, row dc
    torch.testing.assert_close(warped(canvas, matrix, 4)[0], canvas[0].T.flip(0), atol=1e-5, rtol=0)


def test_rotation_fills_with_background() -> None:
    canvas = torch.ones(1, 8, 8)
    augment = AugmentSettings([], 45, 0, 0.0)
    matrices = [warp_matrix((8, 8), Place(Path(), 0, 0, 0), 8, augment, stream(n)) for n in range(10)]
    assert min(float(warped(canvas, m[None], 8)[0, 0, 0]) for m in matrices) == 0.0


def test_random_crops_reach_every_row_and_stay_in_the_padded_picture() -> None:
    augment = AugmentSettings([], 0, 3, None)
    rows = [
        warp_matrix((20, 8), Place(Path(), 0, 6, 0), 8, augment, stream("rows", n))[1, 2] - 4
        for n in range(500)
    ]
    assert -3 <= min(rows) < -2 and 14 < max(rows) <= 15


def test_augmentation_depends_on_the_image_not_on_its_batch(store: ImageStore) -> None:
    augment = AugmentSettings(["horizontal"], 15, 2, None)
    cpu = torch.device("cpu")
    together = {i: g for ids, grey in Loader(store, cpu, 1).training([["i0", "i1"], ["i2"]], 8, augment, (1, 0, 0))
                for i, g in zip(ids, grey, strict=True)}  # fmt: skip
    alone = {i: g for ids, grey in Loader(store, cpu, 1).training([["i2"], ["i1"], ["i0"]], 8, augment, (1, 0, 0))
             for i, g in zip(ids, grey, strict=True)}  # fmt: skip
    for image_id in together:
        torch.testing.assert_close(together[image_id], alone[image_id], atol=1e-5, rtol=0)


def test_an_unknown_flip_is_refused() -> None:
    with pytest.raises(ValueError, match="diagonal"):
        AugmentSettings(["diagonal"], 0, 0, None)


def test_a_shard_of_another_run_is_refused(store: ImageStore) -> None:
    store.places["i0"] = store.places["i1"]
    with pytest.raises(ValueError, match="row group 1 holds i1, wanted i0"):
        store.canvas("i0")


def test_batches_are_the_same_for_any_number_of_threads(store: ImageStore) -> None:
    augment = AugmentSettings(["horizontal", "vertical"], 30, 2, None)
    batches = [["i0", "i3"], ["i2"], ["i4", "i1", "i0"], ["i1"], ["i2", "i3"], ["i4"]]
    one = list(Loader(store, CPU, 1).training(batches, 8, augment, (1, 0, 0)))
    for threads in (2, 5):
        many = list(Loader(store, CPU, threads).training(batches, 8, augment, (1, 0, 0)))
        assert [ids for ids, _ in many] == batches
        assert all(torch.equal(a, b) for (_, a), (_, b) in zip(one, many, strict=True))


def test_levels_of_16_bits_reach_the_network_whole(device: torch.device) -> None:
    levels = np.array([[0, 1, 32767, 32768, 65535]], np.uint16)
    together = Loader(ImageStore({}), device, 1)._together([levels], 1)
    grey = as_grey(together, device).cpu()
    torch.testing.assert_close(
        grey[0, 0], torch.tensor([0, 1, 32767, 32768, 65535]) / 65535, rtol=0, atol=1e-7
    )


def test_an_image_that_cannot_be_read_is_told_in_its_turn(store: ImageStore) -> None:
    store.places["lost"] = Place(Path("nowhere.parquet"), 0, 0, 0)
    batches = Loader(store, CPU, 2).scoring(["i0", "i1", "lost", "i2"], 8, 1)
    assert [next(batches)[0] for _ in range(2)] == [["i0"], ["i1"]]
    with pytest.raises(FileNotFoundError, match=r"nowhere\.parquet"):
        next(batches)


def test_threads_end_with_their_consumer(store: ImageStore) -> None:
    batches = Loader(store, CPU, 3).scoring(list(store.places) * 20, 8, 1)
    next(batches)
    assert any(t.name.startswith("loader") for t in threading.enumerate())
    batches.close()
    assert not any(t.name.startswith("loader") for t in threading.enumerate())
