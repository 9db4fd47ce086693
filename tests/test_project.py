"""The shape of the project: who may import whom, what the wheel holds, where links lead."""

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.docs_pages import PAGES

FILES = [file for folder in ("variants", "experiments", "hydra_plugins") for file in (ROOT / folder).rglob("*.py")]
HYDRA = {"train", "config"}
LAZY = {"backend": {"tensorflow", "jax", "torch"}, "onnx_graph": {"onnx"}}  # imported inside of functions only


def imports(file: Path, top_level: bool = False) -> set[str]:
    """Dotted names that a file imports, wherever in it or, at its top level, as soon as it is imported itself."""
    found = set()
    module = ast.parse(file.read_text())
    for node in module.body if top_level else ast.walk(module):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def tops(file: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(file)}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_import_directions(file):
    found, top = imports(file), tops(file)
    inside = file.relative_to(ROOT)
    if inside.parts[0] == "variants":
        lazy = LAZY.get(file.stem, set())
        assert top <= set(sys.stdlib_module_names) | {"keras", "numpy", "variants"} | lazy
        assert not imports(file, top_level=True) & lazy
    if "tasks" in inside.parts or "analysis" in inside.parts:
        assert not top & {"variants", "hydra", "omegaconf", "mlflow", "tensorflow", "keras"}
    if top & {"hydra", "omegaconf"}:
        assert inside.parts[0] == "hydra_plugins" or file.stem in HYDRA
    if "mlflow" in top:
        assert inside.parent == Path("experiments/tracking")
    assert "experiments.train" not in found
    assert "keras.src" not in " ".join(found), "private module of Keras"


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
