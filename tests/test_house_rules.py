"""What the layout promises, checked on the code itself."""

import ast
import re
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).resolve().parents[1]
PACKAGE = REPO / "mammo_steps"
STEPS = sorted(p for p in PACKAGE.glob("*.py") if p.name != "__init__.py")
BY_HAND = {"plan_study", "inspect"}  # called before anything runs, or after it: no rules
RULES = {
    rule
    for file in (REPO / "workflow/rules").glob("*.smk")
    for rule in re.findall(r"^\s*rule (\w+):", file.read_text(), re.MULTILINE)
}


def own_imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name.startswith("mammo_steps")}


def test_every_step_is_a_rule_and_every_rule_a_step() -> None:
    # those by hand are no rules; `verify` and `check_nodes` write nothing
    assert {path.stem for path in STEPS} - BY_HAND == RULES - {"verify", "check_nodes"}


@pytest.mark.parametrize("path", STEPS, ids=lambda p: p.stem)
def test_a_step_imports_no_step(path: Path) -> None:
    assert not {f"mammo_steps.{step.stem}" for step in STEPS} & own_imports(path)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_imports_point_inwards(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0]
    outward: dict[str, tuple[str, ...]] = {"core": ("mammo_steps.core",)}
    outward["datasets"] = outward["by_hand"] = ("mammo_steps.core", "mammo_steps.datasets")
    if room in outward:
        assert all(name.startswith(outward[room]) for name in own_imports(path))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("__init__.py")), ids=str)
def test_init_files_are_empty(path: Path) -> None:
    assert path.read_text() == ""


@pytest.mark.parametrize("path", STEPS, ids=lambda p: p.stem)
def test_every_step_has_a_test_file(path: Path) -> None:
    assert (REPO / f"tests/unit/test_{path.stem}.py").is_file()


@pytest.mark.parametrize(
    "path", [*PACKAGE.rglob("*.py"), *(REPO / "workflow").rglob("*.smk")], ids=lambda p: p.stem
)
def test_files_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 320


def described(schema: dict[str, object], place: str = "config") -> None:
    for key, value in schema.get("properties", {}).items():  # type: ignore[attr-defined]
        assert value.get("description"), f"{place}.{key} has no description"
        for part in [value, value.get("items", {}), *value.get("oneOf", [])]:
            if part.get("type") == "object":
                assert part["additionalProperties"] is False, f"{place}.{key} takes unknown keys"
            described(part, f"{place}.{key}")


def test_every_config_key_is_described_and_unknown_ones_are_refused() -> None:
    schema = yaml.safe_load((REPO / "workflow/schemas/config.schema.yaml").read_text())
    assert schema["additionalProperties"] is False
    described(schema)


def test_the_lock_names_no_index_and_hashes_everything() -> None:
    lock = (REPO / "requirements.lock").read_text()
    assert "://" not in lock and "--index" not in lock
    pinned = re.findall(r"^[a-z0-9.-]+==[^\n]*\\\n(.*)", lock, re.MULTILINE)
    assert pinned and all("--hash=sha256:" in line for line in pinned)


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").glob("*.py")), ids=lambda p: p.stem)
def test_core_knows_no_command_line_and_no_snakemake(path: Path) -> None:
    tree = ast.parse(path.read_text())
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not {"argparse", "snakemake"} & names
