"""Makers and models are closed sets."""

import pytest

from mammo_steps.core.machines import MODELS, model_of, vendor_of
from mammo_steps.core.terms import VENDORS


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("Selenia Dimensions", "Selenia Dimensions"),
        ("Lorad Selenia", "Selenia"),
        ("3Dimensions", "3Dimensions"),
        ("Senographe Essential VERSION ADS_54.10", "Senographe Essential"),
        ("Senograph 2000D ADS_17.5", "Senographe 2000D"),
        ("Senographe DS ADS_43.10.1", "Senographe DS"),
        ("Senographe Pristina", "Senographe Pristina"),
        ("MAMMOMAT Inspiration", "Mammomat Inspiration"),
        ("Mammomat Novation DR", "Mammomat Novation"),
        ("MAMMOMAT B.brilliant", "Mammomat B.brilliant"),
        ("Mammomat 3000 Nova", "Mammomat 3000"),
        ("AMULET Innovality", "Amulet Innovality"),
        ("Clearview CSm", "Clearview CSm"),
        ("L30", "MicroDose"),
        ("Planmed Nuance Excel", "Nuance Excel"),
        ("GIOTTO IMAGE 3D", "Giotto"),
        ("Selenium", "Selenium"),
        ("room 12, Kari's", "room 12, Kari's"),  # stays in the private table
        ("", None),
    ],
)
def test_models_fall_together_whatever_their_version(name: str, model: str | None) -> None:
    assert model_of(name) == model
    assert (model in MODELS) == (model not in (None, name) or name in MODELS)


def test_every_model_is_found_by_its_own_name() -> None:
    assert [model_of(model) for model in MODELS] == list(MODELS)


def test_makers_are_of_the_closed_set() -> None:
    assert {vendor_of(name) for name in ("SIEMENS", "GE Healthcare", "Planmed Oy", "Kari")} <= set(VENDORS)
