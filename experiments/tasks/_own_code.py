"""Code of the user's own, named by its dotted path and found from the current folder."""

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from experiments.errors import UserError, first_line


def imported(path: str, argument: str) -> Any:
    """What a dotted path such as `mine.majority` names, in a module of the current folder or an installed one.

    The current folder is looked at last, so that no file in it hides a package.

    Raises:
        UserError: if it cannot be imported, for whatever reason.
    """
    module, _, name = path.rpartition(".")
    _look_here()
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # of the user's code, whatever it is
        raise UserError(
            f"{argument}={path}: cannot be imported ({type(error).__name__}: {first_line(error)}). It is looked for in "
            f"{Path.cwd()} and among the installed packages"
        ) from error


def imported_function(path: str) -> Any:
    """The same for a task function, whose module must do without Keras.

    Configurations are composed with it, before the number of threads is known that TensorFlow must be told when it is
    imported.

    Raises:
        UserError: as `imported` does, and for a module that imports Keras or TensorFlow.
    """
    had_keras = "keras" in sys.modules or "tensorflow" in sys.modules
    function = imported(path, "task.function")
    if not had_keras and {"keras", "tensorflow"} & sys.modules.keys():
        module = path.rpartition(".")[0]
        raise UserError(f"task.function={path}: {module} imports Keras or TensorFlow. Put layers into another module")
    return function


def origin(module: str) -> Path | None:
    """The file of a module of the user, which is not imported; None: there is none."""
    _look_here()
    try:
        spec = importlib.util.find_spec(module)
    except ImportError:
        return None
    return Path(spec.origin) if spec is not None and spec.origin else None


def _look_here() -> None:
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)
