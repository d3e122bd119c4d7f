from pathlib import Path

import pytest

from mammo_steps.core import fingerprint


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "mammo_steps"
    (folder / "core").mkdir(parents=True)
    for name in ("__init__.py", "core/__init__.py", "core/unused.py"):
        (folder / name).write_text("")
    (folder / "step.py").write_text(
        '"""Doc."""\n\ndef f():\n    from mammo_steps.core import deep\n    return deep.g()\n'
    )
    (folder / "core/deep.py").write_text("def g():\n    return 1\n")
    monkeypatch.setattr(fingerprint, "_ROOT", tmp_path)
    return folder


def told(step: str = "step") -> str:
    for function in (fingerprint._parsed, fingerprint.sources, fingerprint.code_fingerprint):
        function.cache_clear()  # type: ignore[attr-defined]
    return fingerprint.code_fingerprint(step)


def test_a_comment_or_docstring_changes_nothing(package: Path) -> None:
    before = told()
    (package / "step.py").write_text(
        '"""Other doc."""\n# why\n\ndef f():\n    """Now with a docstring."""\n'
        "    from mammo_steps.core import deep  # lazily\n    return deep.g()\n"
    )
    assert told() == before


def test_a_computation_in_a_lazily_imported_module_changes_it(package: Path) -> None:
    before = told()
    (package / "core/deep.py").write_text("def g():\n    return 2\n")
    assert told() != before


def test_a_module_that_is_not_imported_changes_nothing(package: Path) -> None:
    before = told()
    (package / "core/unused.py").write_text("x = 1\n")
    assert told() == before


def test_a_reverted_edit_gives_the_old_fingerprint(package: Path) -> None:
    before, text = told(), (package / "core/deep.py").read_text()
    (package / "core/deep.py").write_text("def g():\n    return 3\n")
    told()
    (package / "core/deep.py").write_text(text)
    assert told() == before


def test_a_relative_import_is_refused(package: Path) -> None:
    (package / "step.py").write_text("from .core import deep\n")
    with pytest.raises(ValueError, match="relative import in line 1"):
        told()


def test_an_unknown_module_is_refused(package: Path) -> None:
    with pytest.raises(ValueError, match="there is no module mammo_steps.nothing"):
        told("nothing")


def test_a_module_defines_its_own_functions_and_not_those_it_imports(package: Path) -> None:
    (package / "datasets.py").write_text("from mammo_steps.core.deep import g\n\ndef f():\n    return g()\n")
    assert fingerprint.defines("datasets", "f", "other")
    assert not fingerprint.defines("datasets", "g")
    with pytest.raises(ValueError, match="there is no module mammo_steps.lost"):
        fingerprint.defines("lost", "f")
