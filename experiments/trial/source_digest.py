"""A digest of the code that computes the numbers of a trial, found by following its imports."""

import ast
import functools
import hashlib
import pkgutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from experiments import tasks

ROOT = Path(__file__).resolve().parents[2]
TRAINING = "experiments.trial.fit"
OURS = ("experiments", "variants")
COMPUTING = ("tensorflow", "keras", "numpy")


@functools.cache
def source_digest() -> str:
    """8 hexadecimal digits for what computes the numbers of a trial: the code that trains, and the versions below it.

    A trial that was interrupted goes on only with what it began with. Docstrings and comments do not count.
    """
    texts = [ast.dump(_without_docstrings(ast.parse(file.read_bytes()))) for file in sorted(training_files())]
    return hashlib.sha256("".join([*texts, *map(version, COMPUTING)]).encode()).hexdigest()[:8]


def training_files() -> set[Path]:
    """The files of this project that training imports, directly or not, and those of the tasks."""
    task_modules = [f"{tasks.__name__}.{m.name}" for m in pkgutil.iter_modules(tasks.__path__) if m.name[0] != "_"]
    files: set[Path] = set()
    pending = [TRAINING, *task_modules]
    while pending:
        file = _file(pending.pop())
        if file is not None and file not in files:
            files.add(file)
            pending += _imports(file)
    return files


def _file(module: str) -> Path | None:
    """The file of a module of this project; None for others."""
    path = ROOT.joinpath(*module.split("."))
    if module.split(".")[0] not in OURS:
        return None
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.exists()), None)


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (_origin(node.module, alias.name) for alias in node.names)


def _origin(module: str, name: str) -> str:
    """The module that `from module import name` is about: a package hands on names of its modules."""
    file = _file(module)
    if file is None or file.name != "__init__.py":
        return module
    if _file(f"{module}.{name}") is not None:
        return f"{module}.{name}"
    for node in ast.parse(file.read_bytes()).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if name == (alias.asname or alias.name):
                    return _origin(node.module, alias.name)
    return module


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return tree
