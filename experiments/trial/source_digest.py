"""A digest of the code that computes the numbers of a trial, found by following its imports."""

import ast
import functools
import hashlib
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

from experiments import tasks
from experiments.config.schema import Config
from experiments.tasks._own_code import origin

ROOT = Path(__file__).resolve().parents[2]
TRAINING = "experiments.trial.fit"
OURS = ("experiments", "variants")
COMPUTING = ("tensorflow", "keras", "numpy")


@functools.cache
def source_digest() -> str:
    """8 hexadecimal digits for what computes the numbers of a trial: the code that trains, and the versions below it.

    A trial that was interrupted goes on only with what it began with. Docstrings and comments do not count.
    """
    texts = [*_statements(training_files()), *map(version, COMPUTING)]
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:8]


def own_digest(config: Config) -> str:
    """The same for the user's own task function and layer, with what they import from beside them; "" without any."""
    paths = [path for path in (config.task.function, config.variant.layer) if "." in path]
    files = {file for path in paths for file in own_files(path.rpartition(".")[0])}
    return hashlib.sha256("".join(_statements(files)).encode()).hexdigest()[:8] if files else ""


def own_files(module: str) -> set[Path]:
    """The file of a module of the user, and those that it imports, directly or not, from the same folder."""
    start = origin(module)
    if start is None:
        return set()  # importing it will say why
    root = start.parents[len(module.split(".")) - (start.name != "__init__.py")]
    others = (*OURS, *sys.stdlib_module_names)
    files: set[Path] = set()
    pending = [module]
    while pending:
        name = pending.pop()
        file = _module_file(root, name)
        is_installed = "site-packages" in root.parts and name.split(".")[0] != module.split(".")[0]
        if file is not None and file not in files and name.split(".")[0] not in others and not is_installed:
            files.add(file)
            pending += _own_imports(file, name)
    return files


def _own_imports(file: Path, module: str) -> Iterator[str]:
    """The modules that a file may import, relative ones too; names that are no modules are among them."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            origin = ".".join(filter(None, [above, node.module]))
            yield from (origin, *(f"{origin}.{alias.name}" for alias in node.names))


def _statements(files: Iterable[Path]) -> list[str]:
    return [ast.dump(_without_docstrings(ast.parse(file.read_bytes()))) for file in sorted(files)]


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
    return _module_file(ROOT, module) if module.split(".")[0] in OURS else None


def _module_file(root: Path, module: str) -> Path | None:
    path = root.joinpath(*module.split("."))
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
