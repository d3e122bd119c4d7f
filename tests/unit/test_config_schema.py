"""The config's schema: what of a config it refuses, and in which words."""

from pathlib import Path

import pytest
import yaml

from mammo_steps.core.config_schema import check_schema
from mammo_steps.core.study import StudyError

REPO = Path(__file__).parents[2]
RIVAL = {"name": "rival", "title": "GMIC, v2", "file": "x.csv", "rows": "exams", "overlap": "none"}


def check(**changes: str) -> None:
    """The defaults with one outside model, of which some keys are changed."""
    config = yaml.safe_load((REPO / "config/config.yaml").read_text())
    config["outside_models"]["tables"] = [
        RIVAL | {"trained_on": "their archive (2010\N{EN DASH}2015)"} | changes
    ]
    check_schema(config, REPO / "workflow/schemas/config.schema.yaml")


def test_the_defaults_with_an_outside_model_are_taken() -> None:
    check()


@pytest.mark.parametrize("text", ["A | B", "A\nB", "A\n", "A\rB", "A\u2028B", "A\tB"])
@pytest.mark.parametrize("key", ["title", "trained_on"])
def test_a_text_that_would_break_a_table_is_refused_and_the_key_says_why(key: str, text: str) -> None:
    with pytest.raises(StudyError, match=rf"`outside_models.tables.0.{key}`: .* without `\|`, on one line"):
        check(**{key: text})


def test_a_studys_name_has_to_be_a_folders_name() -> None:
    config = yaml.safe_load((REPO / "config/config.yaml").read_text())
    with pytest.raises(StudyError, match="`study`"):
        check_schema(config | {"study": "s" * 300}, REPO / "workflow/schemas/config.schema.yaml")


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("keepdays: 7", ["there is no config key `keepdays` (meant: keep_days?)"]),
        ("other: 7", ["config key `keep_days` is missing", "there is no config key `other`"]),
        ("keep_days: 7\nwait: {}", ["config key `wait.complete_s` is missing"]),
        ("", ["config key `keep_days` is missing"]),
    ],
)
def test_a_missing_key_is_named_once(tmp_path: Path, text: str, faults: list[str]) -> None:
    schema = tmp_path / "node.schema.yaml"
    schema.write_text("""
$schema: https://json-schema.org/draft/2020-12/schema
type: object
additionalProperties: false
required: [keep_days]
properties:
  keep_days: {type: number}
  wait: {type: object, required: [complete_s], properties: {complete_s: {type: number}}}
""")
    with pytest.raises(StudyError) as error:
        check_schema(yaml.safe_load(text) or {}, schema)
    first, *told, last = str(error.value).splitlines()
    assert sorted(line.strip() for line in told) == sorted(faults)
    assert first.endswith("nothing was run:")
    assert last == "What each key means: workflow/schemas/node.schema.yaml"
