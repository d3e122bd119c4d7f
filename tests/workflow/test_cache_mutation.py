"""An edit of any module reruns exactly the rules whose step imports it; the standard library's modulefinder says which.

`modulefinder` reads byte code; the fingerprints are made from syntax trees.
"""

import ast
import functools
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from modulefinder import ModuleFinder
from pathlib import Path

import pytest
from fresh_fingerprints import forget
from running import planned, reasons, snakemake

from mammo_steps.core import fingerprint

REPO = Path(__file__).resolve().parents[2]
DATASET = "own_archive"
MODULES = sorted(str(path.relative_to(REPO)) for path in (REPO / "mammo_steps").rglob("*.py"))
EDIT = "\n_EDITED = 1\n"

# rule -> (step, whether it is given the data set), as the rule files have it
RULES = {
    rule: (step, bool(dataset))
    for file in (REPO / "workflow/rules").glob("*.smk")
    for rule, step, dataset in re.findall(
        r'rule (?:\w+ as )?(\w+)(?: with)?:(?:(?!rule ).)*?code=code\("(\w+)"(, config\["dataset"\])?\)',
        file.read_text(),
        re.DOTALL,
    )
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy to be edited."""
    folder = tmp_path_factory.mktemp("checkout")
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("mammo_steps", "workflow", "config", "tests/workflow"):
        shutil.copytree(REPO / name, folder / name, ignore=ignored)
    shutil.copy(REPO / "requirements.lock", folder)
    return folder


@functools.cache
def reached(step: str, dataset: str | None) -> frozenset[str]:
    """Files, below the checkout, that modulefinder says a step imports, its own included."""
    finder = ModuleFinder(path=[str(REPO)])
    finder.import_hook(f"mammo_steps.{step}")
    if dataset is not None:
        finder.import_hook(f"mammo_steps.datasets.{dataset}")
    files = [Path(module.__file__) for module in finder.modules.values() if module.__file__]
    return frozenset(str(file.relative_to(REPO)) for file in files if REPO in file.parents)


def runs_of_dataset(step: str, dataset: str) -> bool:
    """read_headers and make_shards run a data set's module if it reads headers or pixels in its own way."""
    tree = ast.parse((REPO / f"mammo_steps/datasets/{dataset}.py").read_text())
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    wanted = {"read_headers": {"image_facts", "read_header"}, "make_shards": {"read_pixels"}}
    return step not in wanted or bool(wanted[step] & own)


def expected(module: str, dataset: str) -> set[str]:
    """The rules whose step imports a module."""
    return {
        rule
        for rule, (step, given) in RULES.items()
        if module in reached(step, dataset if given and runs_of_dataset(step, dataset) else None)
    }


def fingerprints(dataset: str) -> dict[str, str]:
    forget()
    return {
        rule: fingerprint.code_fingerprint(*fingerprint.modules_of(step, dataset if given else None))
        for rule, (step, given) in RULES.items()
    }


def other_words(text: str) -> str:
    """The same module with other comments and docstrings."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            first = node.body[0].lineno - 1
            lines[first] = lines[first].replace('"""', '"""Other words. ', 1)
    return "\n".join(["# a comment", *lines, "# another", ""])


@contextmanager
def edited(checkout: Path, edits: dict[str, str | None]) -> Iterator[None]:
    """Modules with a text at their end, or for None with other words; afterwards as they were."""
    kept = {module: (checkout / module).read_text() for module in edits}
    try:
        for module, text in kept.items():
            more = edits[module]
            (checkout / module).write_text(other_words(text) if more is None else text + more)
        yield
    finally:
        for module, text in kept.items():
            (checkout / module).write_text(text)


@pytest.fixture
def fingerprints_of_checkout(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fingerprints are made of the copy's files."""
    with monkeypatch.context() as patch:
        patch.setattr(fingerprint, "_ROOT", checkout)
        yield
    forget()


def test_every_rule_with_an_output_is_among_those_looked_at() -> None:
    text = "".join(file.read_text() for file in (REPO / "workflow/rules").glob("*.smk"))
    named = set(re.findall(r"^\s*rule (\w+):", text, re.MULTILINE))
    assert RULES.keys() == (named - {"verify", "check_nodes"}) | {"locate_coa_untrained", "ask_node"}
    assert RULES["make_shards"] == ("make_shards", True) and RULES["report"] == ("report", False)


@pytest.mark.parametrize(
    ("dataset", "modules"),
    [
        (DATASET, MODULES),
        # which reads films in its own way
        ("mini_mias", [module for module in MODULES if "/datasets/" in module]),
    ],
)
def test_an_edit_changes_the_fingerprints_of_the_rules_that_import_the_module(
    checkout: Path, fingerprints_of_checkout: None, dataset: str, modules: list[str]
) -> None:
    before = fingerprints(dataset)
    for module in modules:
        with edited(checkout, {module: EDIT}):
            after = fingerprints(dataset)
        assert {rule for rule in RULES if after[rule] != before[rule]} == expected(module, dataset), module
    with edited(checkout, dict.fromkeys(MODULES)):
        assert fingerprints(dataset) == before


def check_plan(study: Path, checkout: Path, module: str) -> None:
    """What Snakemake itself plans after an edit of a module, and why."""
    with edited(checkout, {module: EDIT}):
        result = snakemake(study, "all", "-n", repo=checkout)
    jobs, why = planned(result).keys() - {"all"}, reasons(result)
    wanted = expected(module, DATASET) & RUN_BY_ALL
    # a job that runs for another's sake gives that as its reason, whether its own code has changed or not
    first = {rule for rule, reason in why.items() if "Params have changed" in reason}
    others = {rule for rule, reason in why.items() if "Input files updated by another job" in reason}
    assert first <= wanted <= jobs <= wanted | others, (module, why)
    assert bool(first) == bool(wanted), (module, why)


# targets of their own; and the published model, outside models and other lesions, which are not in this study
RUN_BY_ALL = (
    RULES.keys()
    - {"doctor", "describe_cohort", "make_bundle", "score_new_exams", "predict", "write_dicom_results"}
    - {"score_wu2019", "adapt_wu2019", "outside_models", "list_lesions", "ask_node"}
)
FEW = ["core/crop_audit.py", "core/sampling.py", "core/preparing.py", "by_hand/why.py"]


@pytest.mark.parametrize("module", [f"mammo_steps/{name}" for name in FEW])
def test_a_plan_names_the_rules_that_import_an_edited_module(
    finished_study: Path, checkout: Path, module: str
) -> None:
    check_plan(finished_study, checkout, module)


def test_a_plan_after_other_words_is_empty(finished_study: Path, checkout: Path) -> None:
    with edited(checkout, dict.fromkeys(MODULES)):
        assert planned(snakemake(finished_study, "all", "-n", repo=checkout)) == {}


def test_a_new_library_reruns_what_computes_with_it_and_the_reason_names_it(
    finished_study: Path, checkout: Path
) -> None:
    lock = (checkout / "requirements.lock").read_text()
    changed, n = re.subn(r"^(jinja2|torch)==[^ ;\\]+", r"\1==99.1", lock, flags=re.MULTILINE)
    assert n == 2
    (checkout / "requirements.lock").write_text(changed)
    try:
        result = snakemake(finished_study, "all", "-n", repo=checkout)
    finally:
        (checkout / "requirements.lock").write_text(lock)
    jobs = planned(result)
    assert {"train_holistic", "train_attention", "report"} <= jobs.keys()
    assert (
        not {"make_demo_cohort", "read_headers", "index_archive", "make_shards", "list_images"} & jobs.keys()
    )
    assert "Params have changed" in reasons(result)["train_holistic"]
    assert ", torch 99.1" in result.stdout and ", torch 2." in result.stdout  # before and after


def one_of_each_kind() -> list[str]:
    """Of modules that the same rules import the first: that every module counts is tested above, by fingerprints."""
    kinds: dict[frozenset[str], str] = {}
    for module in MODULES:
        kinds.setdefault(frozenset(expected(module, DATASET) & RUN_BY_ALL), module)
    return list(kinds.values())


@pytest.mark.long
@pytest.mark.parametrize("module", one_of_each_kind())
def test_every_modules_plan(finished_study: Path, checkout: Path, module: str) -> None:
    check_plan(finished_study, checkout, module)
