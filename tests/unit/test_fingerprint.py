from collections.abc import Iterator
from pathlib import Path

import pytest
from fresh_fingerprints import forget

from mammo_steps.core import fingerprint

LOCK = """# made by make lock
imagecodecs==1.2 ; python_full_version < '3' \\
    --hash=sha256:00
imagecodecs==1.3 ; python_full_version >= '3' \\
    --hash=sha256:01
jinja2==3.0 \\
    --hash=sha256:02
opencv-python-headless==5.0.0.93 \\
    --hash=sha256:03
torch==2.11.0 \\
    --hash=sha256:04
"""


REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "mammo_steps"
    (folder / "core").mkdir(parents=True)
    for name in ("__init__.py", "core/__init__.py", "core/unused.py"):
        (folder / name).write_text("")
    (folder / "step.py").write_text(
        '"""Doc."""\n\ndef f():\n    from mammo_steps.core import deep\n    return deep.g()\n'
    )
    (folder / "core/deep.py").write_text("def g():\n    return 1\n")
    (tmp_path / "requirements.lock").write_text(LOCK)
    with monkeypatch.context() as patch:
        patch.setattr(fingerprint, "_ROOT", tmp_path)
        forget()
        yield folder
    forget()


def told(step: str = "step") -> str:
    forget()
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


def test_the_environment_is_what_the_modules_import_at_its_pinned_versions(package: Path) -> None:
    (package / "step.py").write_text(
        "import json\nimport torch.nn\nfrom tqdm import tqdm\nfrom mammo_steps.core import deep\n"
    )
    (package / "core/deep.py").write_text(
        "def g():\n    import cv2\n    from imagecodecs import jpeg_decode\n"
    )
    (package / "core/unused.py").write_text("import jinja2\n")
    forget()
    assert fingerprint.packages("step") == ("imagecodecs", "opencv-python-headless", "torch")
    assert fingerprint.environment("step") == "imagecodecs 1.3, opencv-python-headless 5.0.0.93, torch 2.11.0"


def test_a_package_that_is_not_pinned_is_refused(package: Path) -> None:
    (package / "step.py").write_text("import nobody_knows\n")
    forget()
    with pytest.raises(ValueError, match="nobody_knows is imported, but requirements.lock does not name it"):
        fingerprint.environment("step")


def test_the_pages_that_a_module_names_are_part_of_it_and_those_that_they_include(package: Path) -> None:
    (package / "pages").mkdir()
    (package / "pages/a.html.j2").write_text('{% include "b.html.j2" %}')
    (package / "pages/b.html.j2").write_text("one")
    (package / "pages/c.html.j2").write_text("one")
    (package / "step.py").write_text('TEMPLATE = "a.html.j2"\n')
    before = told()
    (package / "pages/c.html.j2").write_text("two")
    assert told() == before
    (package / "pages/b.html.j2").write_text("two")
    assert told() != before


def test_an_edit_of_a_folders_init_changes_what_lies_in_it(package: Path) -> None:
    before = told()
    (package / "core/__init__.py").write_text("x = 1\n")
    assert told() != before


STEPS = sorted(path.stem for path in (REPO / "mammo_steps").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("step", sorted({*STEPS} - {"plan_study"}))  # which computes with none
def test_every_library_that_a_step_computes_with_is_pinned(step: str) -> None:
    assert "pyarrow " in fingerprint.environment(step)


@pytest.mark.parametrize(
    ("package_name", "steps"),
    [
        ("imagecodecs", {"make_shards", "doctor", "make_demo_cohort", "read_headers", "write_dicom_results"}),
        ("jinja2", {"report", "doctor", "draw_gallery", "write_cards", "predict"}),
        ("vl-convert-python", {"report", "draw_figures"}),
    ],
)
def test_a_library_reaches_few_steps(package_name: str, steps: set[str]) -> None:
    assert {step for step in STEPS if package_name in fingerprint.packages(step)} <= steps


def test_a_new_torch_trains_again_and_decodes_nothing_again() -> None:
    with_torch = {step for step in STEPS if "torch" in fingerprint.packages(step)}
    assert {"train_holistic", "train_attention", "locate_coa", "score_attention"} <= with_torch
    assert not {"read_headers", "index_archive", "make_shards", "list_images", "crop_rois"} & with_torch


def test_a_step_is_made_of_what_it_runs_of_its_data_set() -> None:
    assert fingerprint.modules_of("split_folds") == ["split_folds"]
    assert fingerprint.modules_of("list_images", "own_archive") == ["list_images", "datasets.own_archive"]
    assert fingerprint.modules_of("make_shards", "own_archive") == ["make_shards"]
    assert fingerprint.modules_of("make_shards", "mini_mias") == ["make_shards", "datasets.mini_mias"]
