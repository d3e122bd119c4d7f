"""A hash of what a step's code says: of its module and of all that it imports inside this package.

Syntax trees are hashed, without docstrings, so that a comment changes nothing and a computation does. Static
imports are followed, those inside functions included; a module that is imported by name at run time has to be
given by name. Only the standard library is used: the Snakefile imports this file.
"""

import ast
import functools
import hashlib
from pathlib import Path

PACKAGE = "mammo_steps"
_ROOT = Path(__file__).resolve().parents[2]


def _file(module: str) -> Path | None:
    path = _ROOT / Path(*module.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def _own_imports(tree: ast.Module) -> set[str]:
    """Names of this package's modules that a syntax tree imports (and names that may be modules)."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"relative import in line {node.lineno}: write `from {PACKAGE}. ... import`")
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] == PACKAGE}


class _WithoutDocstrings(ast.NodeTransformer):
    def visit(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
        return node


@functools.cache
def _parsed(path: Path) -> tuple[str, frozenset[str]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = frozenset(_own_imports(tree))
    return ast.dump(_WithoutDocstrings().visit(tree)), imports


def defines(module: str, *functions: str) -> bool:
    """Whether a module (below the package: `datasets.rsna`) has one of these functions of its own."""
    path = _file(f"{PACKAGE}.{module}")
    if path is None:
        raise ValueError(f"there is no module {PACKAGE}.{module}")
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return any(isinstance(node, ast.FunctionDef) and node.name in functions for node in body)


@functools.cache
def sources(*modules: str) -> tuple[Path, ...]:
    """Files of the named modules (below the package: `make_shards`) and of all they import, sorted."""
    pending = [f"{PACKAGE}.{module}" for module in modules]
    for module in pending:
        if _file(module) is None:
            raise ValueError(f"there is no module {module}")
    found: set[Path] = set()
    while pending:
        path = _file(pending.pop())
        if path is not None and path not in found:
            found.add(path)
            pending += _parsed(path)[1]
    return tuple(sorted(found))


@functools.cache
def code_fingerprint(*modules: str) -> str:
    """12 hex digits that change when the computation in these modules, or in what they import, changes."""
    digest = hashlib.sha256()
    for path in sources(*modules):
        digest.update(f"{path.relative_to(_ROOT)}\0{_parsed(path)[0]}\0".encode())
    return digest.hexdigest()[:12]
