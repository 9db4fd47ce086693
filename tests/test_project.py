"""The shape of the project: who may import whom, what the wheel holds, where links lead."""

import ast
import re
import subprocess
import sys
import zipfile
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.docs_pages import PAGES

FILES = [file for folder in ("variants", "experiments", "hydra_plugins") for file in (ROOT / folder).rglob("*.py")]
LAZY = {"backend.py": {"tensorflow", "jax", "torch"}, "onnx_graph.py": {"onnx"}}  # imported inside of functions only

# What each room of the lab may import: itself and these. Whoever starts a process (train, `__main__`) may import all.
LOWEST = {"errors", "options"}
ROOMS = {
    "errors": set(),
    "options": {"errors"},
    "analysis": {"errors"},
    "tasks": LOWEST,
    "config": LOWEST | {"tasks"},
    "trial": LOWEST | {"tasks", "config"},
    "tracking": LOWEST | {"tasks", "config", "trial"},
    "report": LOWEST | {"analysis", "tasks", "config", "trial", "tracking"},
    "gates": LOWEST | {"analysis", "tasks", "config", "trial", "tracking"},
    "sweep": LOWEST | {"tasks", "config", "trial", "tracking"},
    "search": LOWEST | {"analysis", "tasks", "config", "trial", "tracking", "report", "sweep"},
}
REPORT = {"experiments.report.command", "experiments.report.power"}  # what a sweep calls at its end and before
OUTSIDE = {  # packages that only these rooms know
    "mlflow": {"tracking"},
    "hydra": {"config", "search"},
    "omegaconf": {"config", "search"},
    "variants": {"trial", "gates"},
    "keras": {"trial", "gates", "sweep"},
    "tensorflow": {"trial"},
}


def imports(file: Path, top_level: bool = False) -> set[str]:
    """Dotted names that a file imports, wherever in it or, at its top level, as soon as it is imported itself."""
    names = set()
    module = ast.parse(file.read_text())
    for node in module.body if top_level else ast.walk(module):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def of_folder(folder: str) -> list[Path]:
    return [file for file in FILES if file.relative_to(ROOT).parts[0] == folder]


def name(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", FILES, ids=name)
def test_nobody_imports_an_entry_point_or_a_private_module(file):
    names = imports(file)
    assert not names & {"experiments.train", "experiments.cli"} and not any(n.endswith("__main__") for n in names)
    assert "keras.src" not in " ".join(names), "private module of Keras"


@pytest.mark.parametrize("file", of_folder("variants"), ids=name)
def test_the_library_imports_keras_and_numpy_only(file):
    lazy = LAZY.get(file.name, set())
    tops = {n.split(".")[0] for n in imports(file)}
    assert tops <= set(sys.stdlib_module_names) | {"keras", "numpy", "variants"} | lazy
    assert not imports(file, top_level=True) & lazy


@pytest.mark.parametrize("file", of_folder("experiments"), ids=name)
def test_import_directions_of_the_lab(file):
    """Each room imports what stands before it, and a sweep two public functions of the report."""
    room = module_of(file).split(".")[1] if file.parent != ROOT / "experiments" else file.stem
    if room in ("__init__", "train", "cli"):
        return
    names = imports(file)
    allowed = set(ROOMS) if file.name == "__main__.py" else ROOMS[room]
    rooms = {n.split(".")[1] for n in names if n.startswith("experiments.")} & set(ROOMS) - {room}
    if room == "sweep" and rooms - allowed == {"report"}:
        modules = {n for n in names if n.startswith("experiments.report.")}
        assert {name for name in modules if name.count(".") == 2} <= REPORT
        rooms.remove("report")
    assert rooms <= allowed
    tops = {n.split(".")[0] for n in names}
    assert not {package for package in tops & OUTSIDE.keys() if room not in OUTSIDE[package]}
    if room == "analysis":
        assert tops <= set(sys.stdlib_module_names) | {
            "numpy",
            "scipy",
            "statsmodels",
            "sklearn",
            "optuna",
            "experiments",
        }
    assert "variants.loop" not in names, "internals of the library"
    if room == "trial":
        assert not any(n.startswith("experiments.gates") for n in names)


def test_no_import_circle():
    modules = {module_of(file): file for file in FILES}
    graph = {
        module: {n for n in imports(file) & modules.keys() if n != module and not _is_package_of(n, module)}
        for module, file in modules.items()
    }
    tuple(TopologicalSorter(graph).static_order())  # raises a CycleError that names the circle


def _is_package_of(package: str, module: str) -> bool:
    """`from package import module` inside of the package is no circle."""
    return module.startswith(f"{package}.")


def test_the_lab_has_five_files_beside_its_rooms():
    assert len(list((ROOT / "experiments").glob("*.py"))) <= 5
    assert {f.name for f in (ROOT / "experiments").iterdir() if f.is_dir()} - {"__pycache__"} == set(ROOMS) - LOWEST


def test_tests_mirror_the_code():
    rooms = {folder.name for folder in (ROOT / "tests").iterdir() if (folder / "__init__.py").exists()}
    assert rooms == {"variants", "docs", "benchmarks", *ROOMS} - LOWEST


def test_names_that_hydra_and_packaging_need():
    assert not (ROOT / "hydra_plugins/__init__.py").exists()
    assert not (ROOT / "conf/__init__.py").exists()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("gatelab-*.whl"))


def test_the_wheel_holds_the_library_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == {"variants"}
    ours = {str(file.relative_to(ROOT)) for file in (ROOT / "variants").rglob("*.py")}
    assert ours <= set(names)
    assert not [name for name in names if name.endswith("entry_points.txt")], "its command would need the lab"
    (metadata,) = [name for name in names if name.endswith("METADATA")]
    lines = zipfile.ZipFile(wheel).read(metadata).decode().splitlines()
    assert {line.split()[1] for line in lines if line.startswith("Provides-Extra")} == {"tensorflow", "gpu", "onnx"}
    needed = {line.split()[1] for line in lines if line.startswith("Requires-Dist") and "extra" not in line}
    assert {re.split(r"[<>=]", requirement)[0] for requirement in needed} == {"keras", "numpy"}


@pytest.mark.slow
def test_the_library_works_from_the_wheel_without_the_lab(wheel, tmp_path):
    """In a folder that is not the clone, with Hydra, MLflow and the lab out of reach."""
    target = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(target)
    code = f"""
import sys
sys.path.insert(0, {str(target)!r})
class Refuse:
    def find_spec(self, name, *_):
        if name.split(".")[0] in ("hydra", "omegaconf", "mlflow", "experiments", "hydra_plugins", "pandas"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
import keras, numpy
from variants import GatedLSTM, PeepholeLSTM, StandardLSTM, SwappedLSTM
import variants
assert variants.__file__.startswith({str(target)!r})
model = keras.Sequential([keras.Input((7, 3)), StandardLSTM(4, return_sequences=True),
    SwappedLSTM(4, return_sequences=True), PeepholeLSTM(4, return_sequences=True),
    GatedLSTM(4, forget_gate="coupled"), keras.layers.Dense(1)])
model.compile("adam", "mse")
model.fit(numpy.ones((8, 7, 3)), numpy.ones((8, 1)), verbose=0)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_lock_pins_versions_and_holds_no_address():
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[\w.+!]+( ;.*)?", line), line


def test_files_are_small():
    long = {str(f.relative_to(ROOT)): n for f in FILES if (n := len(f.read_text().splitlines())) > 330}
    assert not long


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_the_docs_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
