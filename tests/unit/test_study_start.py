"""What is refused, before the first job, of a study that starts from a bundle."""

from pathlib import Path
from typing import Any

import pytest
from made_bundle import made_bundle
from tiny_study import KEY, TinyStudy

from mammo_steps.core.bundle_names import bundle_id
from mammo_steps.core.ids import key_tag
from mammo_steps.core.network import INPUT_RULES
from mammo_steps.core.study import StudyError, fill_in_paths, read_config, study_of
from mammo_steps.core.study_start import check_start, start_settings

REPO = Path(__file__).resolve().parents[2]
TINY = [REPO / "config/demo.yaml", REPO / "tests/workflow/tiny.yaml"]


@pytest.fixture
def bundle(fold_0: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of the tiny study's fold 0, in a folder from which a second study is started."""
    monkeypatch.chdir(tmp_path)
    return made_bundle(tmp_path / "bundle", fold_0, ["fold0"], KEY)


def config_of(bundle: Path | None, start: dict[str, Any] | None = None) -> dict[str, Any]:
    """The tiny workflow's config under a key of its own, which starts from the bundle."""
    config = read_config(REPO / "config", TINY)
    config |= {"study": "second", "public_id_key": "the public key of a second site"}
    config["start_from"] |= {"bundle": None if bundle is None else str(bundle), **(start or {})}
    fill_in_paths(config, REPO)
    return config


def check(config: dict[str, Any]) -> None:
    check_start(study_of(config, REPO), config)


def test_a_bundle_of_another_key_and_the_same_recipe_will_do(bundle: Path) -> None:
    config = config_of(bundle)
    check(config)
    assert start_settings(study_of(config, REPO), config) == {
        "bundle": bundle_id(bundle),
        "layers": "all",
        "overlap": "unknown",
        "key_tag": key_tag("the public key of a second site"),
    }


def test_a_study_without_a_bundle_has_nothing_to_start_from() -> None:
    config = config_of(None)
    check(config)
    assert start_settings(study_of(config, REPO), config) is None


def test_the_key_is_read_from_the_private_folder_where_it_is_not_public(bundle: Path) -> None:
    config = config_of(bundle) | {"public_id_key": None}
    Path("private").mkdir()
    Path("private/id_key").write_text(f"{KEY}\n")
    with pytest.raises(StudyError, match="whose pseudonyms were made with this study's key"):
        check(config)


def test_the_same_key_is_refused_unless_the_table_of_roles_is_there(
    bundle: Path, tiny_study: TinyStudy
) -> None:
    config = config_of(bundle, {"overlap": "none"}) | {"public_id_key": KEY}
    with pytest.raises(StudyError, match=r"20 women of study first .* start_from.women"):
        check(config)
    config["start_from"]["women"] = [str(tiny_study.cohort("roles.parquet"))]
    check(config)


def test_a_bundle_that_is_not_there_is_named(bundle: Path) -> None:
    with pytest.raises(StudyError, match=r"nowhere is no bundle, or not whole: .*results/<study>/bundle"):
        check(config_of(bundle.parent / "nowhere"))


def test_a_studys_own_bundle_is_refused(fold_0: Path, bundle: Path) -> None:
    own = made_bundle(Path("results/second/bundle"), fold_0, ["fold0"])
    with pytest.raises(StudyError, match="made of this study's own networks"):
        check(config_of(own))


@pytest.mark.parametrize(
    ("section", "changes", "words"),
    [
        (
            "make_shards",
            {"settings": {"holistic_bits": 16}},
            "`make_shards.settings.holistic_bits`: 16 and 8",
        ),
        ("train_holistic", {"crop": "pad_to_fit"}, '`train_holistic.crop`: "pad_to_fit" and "centre"'),
        ("locate_coa", {"top_fraction": 0.02}, "`locate_coa.top_fraction`: 0.02 and 0.01"),
        ("train_holistic", {"mm_per_px": 0.3}, "`train_holistic.mm_per_px`: 0.3 and not there"),
        ("crop_rois", {"side_px": 48}, "`crop_rois.side_px`: 48 and 32"),
        (
            "read_headers",
            {"settings": {"presentation_intent": "FOR PROCESSING"}},
            '`list_images.intent`: "processing" and "presentation"',
        ),
        (
            "train_holistic",
            {"network": {"backbone": "resnet18"}},
            "its networks are resnet10, `train_holistic.net",
        ),
    ],
)
def test_a_bundle_of_another_recipe_or_network_is_refused_with_the_key(
    bundle: Path, section: str, changes: dict[str, Any], words: str
) -> None:
    config = config_of(bundle)
    for key, value in changes.items():
        old = config[section][key]
        config[section][key] = {**old, **value} if isinstance(value, dict) else value
    with pytest.raises(StudyError) as caught:
        check_start(study_of(config_of(bundle), REPO), config)
    assert words in str(caught.value) and str(bundle) in str(caught.value)


def test_a_bundle_of_older_rules_is_refused(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(INPUT_RULES, "version", 99)
    with pytest.raises(StudyError, match=r"`train_holistic.rules.version`: 99 and 1"):
        check(config_of(bundle))


def test_two_starts_at_once_are_refused(bundle: Path) -> None:
    config = config_of(bundle)
    config["train_holistic"]["network"]["imagenet_weights"] = "w.pth"
    with pytest.raises(StudyError, match="both say what the networks start from"):
        check(config)


def test_a_table_of_roles_that_is_not_there_is_named(bundle: Path) -> None:
    with pytest.raises(StudyError, match=r"`start_from.women`: there is no file /nowhere/roles.parquet"):
        check(config_of(bundle, {"women": ["/nowhere/roles.parquet"]}))


def test_a_tampered_bundle_is_refused(bundle: Path) -> None:
    (bundle / "bundle.json").write_text("{}")
    with pytest.raises(StudyError, match="bundle.json was changed: its sha256 is"):
        check(config_of(bundle))
