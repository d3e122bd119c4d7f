"""The description of the cohort that a bundle bears."""

import json

import pandas as pd

from mammo_steps import describe_cohort


def described(study, out, n=1000, seed=1):
    describe_cohort.main(
        ["--images", str(study.cohort("images.parquet")), "--indexes", str(study.root / "index.parquet")]
        + ["--shards", str(study.shards), "--seed", str(seed), "--settings", json.dumps({"sample_images": n})]
        + ["--fingerprint", str(out)]
    )
    return json.loads(out.read_text())


def test_words_are_counted_and_numbers_become_quantiles(tiny_study, tmp_path):
    found = described(tiny_study, tmp_path / "f.json")
    images = pd.read_parquet(tiny_study.cohort("images.parquet"))
    assert (found["n_images"], found["n_exams"], found["n_sampled"]) == (96, 24, 96)
    assert found["words"]["vendor"] == images["vendor"].value_counts().sort_index().to_dict()
    sizes = (images["height_px"].astype(str) + " x " + images["width_px"].astype(str)).value_counts()
    assert found["words"]["size"] == sizes.sort_index().to_dict()
    spacing = found["numbers"]["pixel_spacing_mm"]
    assert spacing["n"] == 96 and len(spacing["quantiles"]) == 101
    assert [spacing["quantiles"][0], spacing["quantiles"][-1]] == [
        images["pixel_spacing_mm"].min(), images["pixel_spacing_mm"].max(),
    ]  # fmt: skip
    grey = found["numbers"]["grey_p50"]["quantiles"]
    assert 0 < grey[0] < grey[50] < grey[100] < 1


def test_a_sample_is_of_the_asked_size_and_the_same_for_the_same_seed(tiny_study, tmp_path):
    one = described(tiny_study, tmp_path / "a.json", 20)
    assert one["n_sampled"] == 20 and one == described(tiny_study, tmp_path / "b.json", 20)
    assert one != described(tiny_study, tmp_path / "c.json", 20, seed=2)


def test_no_identity_stands_in_it(tiny_study, tmp_path):
    described(tiny_study, tmp_path / "f.json")
    text = (tmp_path / "f.json").read_text()
    images = pd.read_parquet(tiny_study.cohort("images.parquet"))
    for name in ("patient_id", "exam_id", "image_id"):
        assert not [one for one in images[name] if one in text]
