"""What a step's results depend on beside its inputs and settings: its code, and the libraries that it computes with.

The code is a hash of its module and of all that it imports inside this package. Syntax trees are hashed, without
docstrings, so that a comment changes nothing and a computation does; of pages that a module names (`pages/*.j2`,
`pages/*.js`) the text. Static imports are followed, those inside functions included; a data set's module, which is
imported by name at run time, is given by name (`modules_of`). The libraries are those that these modules import
themselves, at the versions of requirements.lock.

Nothing heavy is imported: the Snakefile imports this file.
"""

import ast
import functools
import hashlib
import re
import sys
from pathlib import Path

PACKAGE = "mammo_steps"
_ROOT = Path(__file__).resolve().parents[2]

# what a step runs of its data set's module; all of it where nothing stands here
_RUN_OF_DATASET = {"read_headers": ("image_facts", "read_header"), "make_shards": ("read_pixels",)}
# the distribution's name where it is not that of the import
_DISTRIBUTIONS = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "sklearn": "scikit-learn",
    "vl_convert": "vl-convert-python",
    "yaml": "pyyaml",
}
# progress bars, curves, reading requirements.lock: they change nothing that is kept
_NO_RESULT = {"tqdm", "tensorboardX", "packaging"}
_PAGE = re.compile(r"""["']([\w.]+\.(?:j2|js))["']""")  # in a module or a page: the name of a page
# name, version, and on which Python or system
_PIN = re.compile(r"^([a-z0-9][a-z0-9.-]*)==([^ ;\\]+)(?: ; ([^\\\n]+))?", re.MULTILINE)


@functools.cache
def _file(module: str) -> Path | None:
    path = _ROOT / Path(*module.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def _imports(tree: ast.Module) -> set[str]:
    """Names of modules that a syntax tree imports (and names that may be modules)."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"relative import in line {node.lineno}: write `from {PACKAGE}. ... import`")
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


class _WithoutDocstrings(ast.NodeTransformer):
    def visit(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
        return node


@functools.cache
def _parsed(text: str) -> tuple[str, frozenset[str], frozenset[str]]:
    """Of a module's text: its syntax tree's hash, what it imports of this package, and which other packages."""
    tree = ast.parse(text)
    names = _imports(tree)
    own = frozenset(name for name in names if name.split(".")[0] == PACKAGE)
    others = frozenset(name.split(".")[0] for name in names - own)
    dump = ast.dump(_WithoutDocstrings().visit(tree))
    return hashlib.sha256(dump.encode()).hexdigest(), own, others - sys.stdlib_module_names


@functools.cache
def _pages(path: Path) -> frozenset[Path]:
    """The pages that a module, or another page, names, and those that they name in turn."""
    names = set(_PAGE.findall(_text(path)))
    folder = _ROOT / PACKAGE / "pages"
    own = {folder / name for name in names if (folder / name).is_file()} - {path}
    return frozenset(own.union(*(_pages(page) for page in own)))


def defines(module: str, *functions: str) -> bool:
    """Whether a module (below the package: `datasets.rsna`) has one of these functions of its own."""
    path = _file(f"{PACKAGE}.{module}")
    if path is None:
        raise ValueError(f"there is no module {PACKAGE}.{module}")
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return any(isinstance(node, ast.FunctionDef) and node.name in functions for node in body)


@functools.cache
def sources(*modules: str) -> tuple[Path, ...]:
    """Files of the named modules (below the package: `make_shards`) and of all they import, sorted.

    Importing a module runs the `__init__.py` of the folders that it lies in: these are among them.
    """
    pending = [f"{PACKAGE}.{module}" for module in modules]
    for module in pending:
        if _file(module) is None:
            raise ValueError(f"there is no module {module}")
    found: set[Path] = set()
    while pending:
        name = pending.pop()
        path = _file(name)
        if path is not None and path not in found:
            found.add(path)
            if "." in name:
                pending.append(name.rpartition(".")[0])
            pending += _parsed(_text(path))[1]
    return tuple(sorted(found))


@functools.cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@functools.cache
def code_fingerprint(*modules: str) -> str:
    """12 hex digits that change when the computation in these modules, or in what they import, changes."""
    digest = hashlib.sha256()
    for path in sources(*modules):
        digest.update(f"{path.relative_to(_ROOT)}\0{_parsed(_text(path))[0]}\0".encode())
    for path in sorted(set().union(*(_pages(path) for path in sources(*modules)))):
        digest.update(f"{path.relative_to(_ROOT)}\0{_text(path)}\0".encode())
    return digest.hexdigest()[:12]


def modules_of(step: str, dataset: str | None = None) -> list[str]:
    """The modules that a step is made of, below the package: its own, and its data set's if it runs some of that.

    Else a change of how labels are read would decode the archive again.
    """
    if dataset is None:
        return [step]
    functions = _RUN_OF_DATASET.get(step)
    adapter = f"datasets.{dataset}"
    return [step, adapter] if functions is None or defines(adapter, *functions) else [step]


@functools.cache
def packages(*modules: str) -> tuple[str, ...]:
    """Distributions that these modules and all they import compute with, sorted; not what those need in turn.

    (A version of torch fixes those of its CUDA libraries.)
    """
    names = {name for path in sources(*modules) for name in _parsed(_text(path))[2]}
    return tuple(sorted(_DISTRIBUTIONS.get(name, name) for name in names - _NO_RESULT))


@functools.cache
def pinned() -> dict[str, str]:
    """Distribution -> version, as requirements.lock has it for this Python."""
    from packaging.markers import Marker  # (steps do not need it)

    pins = _PIN.findall(_text(_ROOT / "requirements.lock"))
    return {name: number for name, number, where in pins if not where or Marker(where).evaluate()}


def environment(*modules: str) -> str:
    """What these modules compute with, at its pinned versions: `numpy 2.4.6, torch 2.11.0`."""
    versions = pinned()
    unknown = [name for name in packages(*modules) if name not in versions]
    if unknown:
        raise ValueError(f"{unknown[0]} is imported, but requirements.lock does not name it")
    return ", ".join(f"{name} {versions[name]}" for name in packages(*modules))
