"""What the package says about itself."""

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import variants

ROOT = Path(variants.__file__).parents[1]


def test_version():
    try:
        expected = version("gatelab")
    except PackageNotFoundError:
        expected = "0+unknown"
    assert variants.__version__ == expected
    if expected != "0+unknown":
        assert expected == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_type_checkers_read_the_types():
    assert (ROOT / "variants/py.typed").exists()
