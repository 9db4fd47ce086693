"""What the Makefile installs."""

import re
import tomllib

from tests.conftest import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()


def test_the_oldest_keras_is_the_bound_of_the_package():
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    bound = next(each for each in dependencies if each.startswith("keras>="))
    oldest = re.search(r"^OLDEST_KERAS := keras==(.+)$", MAKEFILE, re.M)[1]
    assert re.fullmatch(re.escape(bound.removeprefix("keras>=")) + r"(\.0)*", oldest)


def test_backends_are_pinned_and_no_address_is_given():
    assert re.search(r"^JAX := jax==\d", MAKEFILE, re.M) and re.search(r"^TORCH := torch==\d", MAKEFILE, re.M)
    assert "http" not in MAKEFILE


def test_the_server_of_the_store_listens_on_this_machine_only():
    """Said in its command, since MLFLOW_HOST in the environment would count else."""
    (command,) = re.findall(r"mlflow server((?:.*\\\n)*.*)", MAKEFILE)
    assert "--host 127.0.0.1 " in command
