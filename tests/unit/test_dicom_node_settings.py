"""A node's config: the example is right, and what is wrong is said by its key."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema.validators import validator_for

from mammo_steps.core.dicom_node_settings import is_loopback, node_settings, read_node_config
from mammo_steps.core.study import StudyError

REPO = Path(__file__).resolve().parents[2]
SCHEMA, EXAMPLE = REPO / "workflow/schemas/node.schema.yaml", REPO / "config/node.yaml"


def changed(tmp_path: Path, **changes: Any) -> Path:
    file = tmp_path / "node.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(EXAMPLE.read_text()) | changes))
    return file


def described(schema: dict[str, Any], place: str) -> None:
    for key, value in schema.get("properties", {}).items():
        assert value.get("description"), f"{place}.{key} has no description"
        for part in [value, value.get("items", {}), *value.get("oneOf", [])]:
            if part.get("type") == "object":
                assert part["additionalProperties"] is False and set(part["required"]) == set(
                    part["properties"]
                )
            described(part, f"{place}.{key}")


def test_the_example_is_as_the_schema_says_and_every_key_is_described() -> None:
    schema = yaml.safe_load(SCHEMA.read_text())
    validator_for(schema).check_schema(schema)
    described(schema, "node")
    settings = node_settings(read_node_config(EXAMPLE, SCHEMA))
    assert settings.door.address == "127.0.0.1" and settings.door.tls is None
    assert settings.limits.object_bytes == 256_000_000
    assert settings.keep_s == settings.patience.give_up_s == 7 * 86400


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"address": "0.0.0.0"}, "`address`: 0.0.0.0 is reached by other machines. .* set `remote: true`"),
        ({"address": "localhost.example"}, "is reached by other machines"),
        ({"callers": []}, "config key `callers`"),
        ({"callers": ["A TITLE THAT IS TOO LONG"]}, "config key `callers.0`"),
        ({"destinations": []}, "config key `destinations`"),
        (
            {"destinations": 2 * [{"name": "a", "ae_title": "A", "address": "b", "port": 1}]},
            "two have the same name",
        ),
        ({"port": 70000}, "config key `port`"),
        ({"keep": 1}, "there is no config key `keep`"),
        ({"tls": {"certificate": "a"}}, "config key `tls`"),
    ],
)
def test_what_is_wrong_is_said_by_its_key(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        read_node_config(changed(tmp_path, **changes), SCHEMA)


@pytest.mark.parametrize(("text", "message"), [("a: [", "is no YAML"), ("", "holds no config keys")])
def test_a_file_that_is_no_config_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "node.yaml").write_text(text)
    with pytest.raises(StudyError, match=message):
        read_node_config(tmp_path / "node.yaml", SCHEMA)
    with pytest.raises(StudyError, match="cannot be read: No such file"):
        read_node_config(tmp_path / "none.yaml", SCHEMA)


def test_tls_files_that_are_not_there_are_named_by_their_key(tmp_path: Path) -> None:
    config = read_node_config(
        changed(tmp_path, tls=dict.fromkeys(("certificate", "key", "authorities"), "x")), SCHEMA
    )
    with pytest.raises(StudyError, match="config key `tls`: its files cannot be used"):
        node_settings(config)


def test_only_this_machine_is_loopback() -> None:
    assert is_loopback("127.0.0.1") and is_loopback("127.8.8.8") and is_loopback("::1")
    assert not is_loopback("0.0.0.0") and not is_loopback("10.0.0.1") and not is_loopback("::")


def test_another_machine_may_be_listened_to_if_that_is_said(tmp_path: Path) -> None:
    config = read_node_config(changed(tmp_path, address="0.0.0.0", remote=True), SCHEMA)
    assert node_settings(config).door.address == "0.0.0.0"
