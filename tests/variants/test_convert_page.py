"""`docs/convert.md` says what the functions do. `python -m tests.variants.test_convert_page` prints its tables."""

import inspect
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import variants
from tests.conftest import ROOT
from tests.variants import variant_files
from tests.variants.test_convert_onnx import UNITS, USES, WRITTEN, errors, sequential, wrapped
from variants.convert import to_keras
from variants.convert.onnx import to_onnx
from variants.convert.torch import to_torch
from variants.testing import randomize

PAGE = ROOT / "docs/convert.md"
PLAIN = {"GatedLSTM", "StandardLSTM", "PeepholeLSTM", "SwappedLSTM"}
CLASSES = [cls for name in variants.__all__ if inspect.isclass(cls := getattr(variants, name))]
OWN_EQUATIONS = [cls for cls in CLASSES if issubclass(cls, variants.GatedLSTM) and cls.__name__ not in PLAIN]
TARGETS = ("keras.layers.LSTM", "torch.nn.LSTM", "ONNX")


def convert(target, layer, folder):
    randomize(layer)
    if target == "ONNX":
        return to_onnx(layer, folder / "model.onnx")
    return to_keras(layer) if target == "keras.layers.LSTM" else to_torch(layer)


def objections(target, name, folder):
    """What the function itself objects to: pairs of a switch with its value and the reason."""
    try:
        convert(target, variant_files.maker(name, UNITS)(), folder)
    except ValueError as error:
        return re.findall(r"(\S.*?) \((.*?)\)(?:; |$)", str(error).split("': ", 1)[1])
    return []


def names_in(switch):
    return re.findall(r"(\w+)=", switch)


def tables(folder):
    """What converts to what, and the reasons."""
    reasons = {(n, target): objections(target, n, folder) for n in variant_files.NAMES for target in TARGETS}
    by_variant = [f"| variant | {' | '.join(f'`{target}`' for target in TARGETS)} |", "|---|---|---|---|"]
    for name in variant_files.NAMES:
        cells = (
            ", ".join(f"`{switch}`" if "=" in switch else switch for switch, _ in reasons[name, target]) or "yes"
            for target in TARGETS
        )
        by_variant.append(f"| `{name}` | {' | '.join(cells)} |")
    rows = [(reason, target, switch) for (_, target), pairs in reasons.items() for switch, reason in pairs]
    by_reason = ["| reason | target | switches |", "|---|---|---|"]
    for reason in sorted({reason for reason, _, switch in rows if names_in(switch)}):
        targets = {f"`{target}`" for row_reason, target, _ in rows if row_reason == reason}
        switches = {f"`{name}`" for row_reason, _, switch in rows if row_reason == reason for name in names_in(switch)}
        by_reason.append(f"| {reason} | {', '.join(sorted(targets))} | {', '.join(sorted(switches))} |")
    return "\n".join(by_variant), "\n".join(by_reason)


def largest_errors(folder):
    """By variant, the largest absolute difference to ONNX Runtime over all uses and sizes."""
    lines = ["| variant | largest difference |", "|---|---|"]
    for name in WRITTEN:
        models = (sequential(wrapped(variant_files.maker(name, UNITS)(**USES[use]), use)) for use in USES)
        pairs = (pair for model in models for pair in errors(model, folder / "model.onnx"))
        largest = max(float(np.abs(actual - expected).max()) for actual, expected in pairs)
        lines.append(f"| `{name}` | {largest:.0e} |")
    return "\n".join(lines)


def test_the_tables_are_true(tmp_path):
    for table in tables(tmp_path):
        assert table in PAGE.read_text()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("layer", OWN_EQUATIONS, ids=lambda layer: layer.__name__)
def test_equations_of_their_own_are_refused(layer, target, tmp_path):
    with pytest.raises(
        ValueError, match=f"{target} cannot represent .*{layer.cell_class.__name__} has an equation of its own"
    ):
        convert(target, layer(UNITS), tmp_path)


@pytest.mark.slow
def test_python_blocks_of_the_page_run(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    assert blocks
    done = subprocess.run([sys.executable, "-c", "\n".join(blocks)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        print(*tables(Path(temporary)), largest_errors(Path(temporary)), sep="\n\n")
