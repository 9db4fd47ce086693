"""The file of interventions: what is read is what was written, and the same measurement is there once."""

import math
from dataclasses import replace

import numpy as np
import pytest

from experiments.errors import UserError
from experiments.tracking.interventions import Intervention, by_clamp, file_of, read, write

ONE = Intervention("a" * 32, 'adding/"a", b/s0', "lstm_1", "input_gate", "mean", "", 0.1 + 0.2, 1 / 3)
OTHERS = [
    replace(ONE, run="b" * 32, clamped=math.inf),
    replace(ONE, value="0"),
    replace(ONE, unit="3"),
    replace(ONE, layer="lstm_2"),
    replace(ONE, gate="cell_state"),
]


def test_what_was_written_is_read_and_replaced_by_a_newer_one(tmp_path):
    file = file_of(tmp_path, "study")
    assert file == tmp_path / "study/interventions.csv" and read(file) == []
    write(file, [ONE, *OTHERS])
    assert read(file) == [ONE, *OTHERS]
    newer = replace(ONE, score=0.5, clamped=0.75)
    write(file, [newer])
    assert read(file) == [newer, *OTHERS]
    assert not file.with_suffix(".partial").exists()


def test_scores_by_what_is_clamped():
    arrays = by_clamp([ONE, *OTHERS])
    assert list(arrays) == [
        ("lstm_1", "input_gate", "mean", ""),
        ("lstm_1", "input_gate", "0", ""),
        ("lstm_1", "input_gate", "mean", "3"),
        ("lstm_2", "input_gate", "mean", ""),
        ("lstm_1", "cell_state", "mean", ""),
    ]
    scores, clamped = arrays["lstm_1", "input_gate", "mean", ""]
    np.testing.assert_array_equal(scores, [ONE.score, ONE.score])
    np.testing.assert_array_equal(clamped, [1 / 3, math.inf])


HEAD = "run,trial,layer,gate,value,unit,score,clamped\n"


@pytest.mark.parametrize(
    "text",
    ["", "run,score\n1,2\n", f"{HEAD}a,b,c,d,e,f,much,0.5\n", f"{HEAD}a,b\n", f"{HEAD}a,b,c,d,e,,1,2,3\n", "\xff\xfe"],
)
def test_a_file_that_was_not_written_by_us_is_refused_and_left_alone(tmp_path, text):
    file = tmp_path / "interventions.csv"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"interventions.csv: cannot be read \(.*\). Mend it, or delete it"):
        write(file, [ONE])
    assert file.read_bytes() == text.encode("latin-1")


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "study").write_text("a file")
    with pytest.raises(UserError, match="interventions.csv: cannot be written"):
        write(file_of(tmp_path, "study"), [ONE])
