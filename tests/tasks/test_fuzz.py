"""Whatever a file holds: the asked values are read, or there is a `UserError`."""

import csv
import hashlib
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.errors import UserError
from experiments.tasks._columns import read_csv
from experiments.tasks._csv import Decimal
from experiments.tasks._text_file import read_text
from experiments.tasks._ts import read_series
from tests.tasks.helpers import build

SOME = settings(
    derandomize=True, deadline=None, max_examples=250, database=None, suppress_health_check=list(HealthCheck)
)

NAME = st.one_of(
    st.text(max_size=6),
    st.text(alphabet='ab,;\t\n\r" |#.01', max_size=5),
    st.integers(-2, 9),
    st.floats(allow_nan=False),
    st.sampled_from(["T (degC)", "all", "null", "date", "Unnamed: 0", "load.1", "load"]),
)
NUMBER = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**6), 10**6))
TEXT = st.one_of(st.text(max_size=4), st.sampled_from(["2020-01-01", "01/02/2020", "", "10,64", "1e3"]))
VALUES = st.one_of(NUMBER, NUMBER, st.sampled_from([float("nan"), float("inf"), True, None]), TEXT)


@pytest.fixture(scope="module")
def folder():
    folder = tempfile.mkdtemp()
    yield Path(folder)
    shutil.rmtree(folder)


@st.composite
def tables(draw):
    """A table, the words of `to_csv`, and the place of a column; all values of most columns are numbers."""
    names = draw(st.lists(NAME, min_size=1, max_size=4))
    rows = draw(st.integers(1, 5))
    kinds = draw(st.lists(st.sampled_from([NUMBER, NUMBER, VALUES]), min_size=len(names), max_size=len(names)))
    columns = [draw(st.lists(kind, min_size=rows, max_size=rows)) for kind in kinds]
    table = pd.DataFrame({place: pd.Series(values, dtype=object) for place, values in enumerate(columns)})
    table.columns = pd.Index(names, dtype=object)
    how = {
        "index": draw(st.booleans()),
        "sep": draw(st.sampled_from([",", ",", ";", "\t"])),
        "quoting": draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])),
        "lineterminator": draw(st.sampled_from(["\n", "\r\n"])),
    }
    decimal = draw(st.sampled_from(Decimal)) if how["sep"] != "," else Decimal.point
    return table, how, decimal, draw(st.integers(0, len(names) - 1))


def is_finite(value):
    try:
        return np.isfinite(float(value)) and not isinstance(value, bool)
    except (TypeError, ValueError):
        return False


@SOME
@given(tables())
def test_the_asked_column_of_any_table_that_pandas_wrote(folder, drawn):
    table, how, decimal, place = drawn
    if decimal == Decimal.comma:
        table = table.map(lambda value: repr(value).replace(".", ",") if isinstance(value, float) else value)
    table.to_csv(folder / "t.csv", **how)
    name = str(table.columns[place])
    try:
        read = read_csv(folder / "t.csv", [name], [name], decimal=decimal).values
    except UserError:
        return
    assert [str(column).strip() for column in table.columns].count(name.strip()) == 1
    expected = [str(value).replace(",", ".") if decimal == Decimal.comma else value for value in table.iloc[:, place]]
    assert list(read) == [name.strip()] and all(map(is_finite, expected))
    np.testing.assert_allclose(read.iloc[:, 0], [float(value) for value in expected], rtol=1e-15)


@SOME
@given(st.lists(st.tuples(st.text("abTC (°)", min_size=1, max_size=6), st.integers(0, 9)), min_size=1, max_size=4))
def test_plain_tables_of_pandas_are_read(folder, columns):
    names = [f"{number} {name}x" for number, (name, _) in enumerate(columns)]
    table = pd.DataFrame({name: [value, 0.5] for name, (_, value) in zip(names, columns, strict=True)})
    table.to_csv(folder / "t.csv")
    pd.testing.assert_frame_equal(read_csv(folder / "t.csv", "all", "all").values, table.astype("float64"))


PIECES = [b",", b";", b"\n", b"\r", b'"', b"\t", b"\0", b"\xff", b"\xef\xbb\xbf", b"0", b"-", b":", b"@", b"a", b" "]
EDITS = st.lists(
    st.tuples(st.integers(0, 2000), st.sampled_from(PIECES), st.sampled_from(["insert", "drop", "replace"])), max_size=4
)


def mutated(content, edits):
    for place, piece, kind in edits:
        place %= len(content) + 1
        content = content[:place] + (b"" if kind == "drop" else piece) + content[place + (kind != "insert") :]
    return content


ROWS = 40
TABLE = "date,T,p\n" + "".join(f"2020-01-{1 + k // 24:02} {k % 24:02}:00,{k},{1000 + k}\n" for k in range(ROWS))


@SOME
@given(EDITS, st.sampled_from([None, "date"]))
def test_a_damaged_table_is_refused_or_keeps_its_columns(folder, edits, date):
    (folder / "m.csv").write_bytes(mutated(TABLE.encode(), edits))
    try:
        read = read_csv(folder / "m.csv", ["T"], ["p"], date=date).values
    except UserError:
        return
    # Digits may differ by the edits; what stands in the other column is larger than any of this one.
    assert ROWS - len(edits) <= len(read) <= ROWS + len(edits)
    changed = (read["T"].to_numpy()[:ROWS] >= 1000).sum()
    assert changed <= len(edits)


SERIES = (
    "#c\n@problemName P\n@timeStamps false\n@dimensions 2\n@classLabel true a b\n@data\n" + "1,2.5:3,-4e1:a\n9:1:b\n"
)


@SOME
@given(EDITS, st.sampled_from(["P.ts", "P.tsv", "P.txt"]))
def test_damaged_series_are_read_or_refused(folder, edits, name):
    content = SERIES if name == "P.ts" else "1\t2\t3.5\n2,4,5\n"
    (folder / name).write_bytes(mutated(content.encode(), edits))
    try:
        series, labels = read_series(folder / name)
    except UserError:
        return
    assert len(series) == len(labels) > 0 and all(np.isfinite(values).all() for values in series)


@SOME
@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode), st.text("ab \r\n", min_size=9)))
def test_any_text_is_read_as_it_is_or_refused(folder, content):
    content = content if isinstance(content, bytes) else content.encode()
    (folder / "t.txt").write_bytes(content)
    try:
        text = read_text(folder / "t.txt")
    except UserError:
        return
    assert text.encode() == content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    file = folder / f"{hashlib.sha256(content).hexdigest()}.txt"  # tasks are kept by the name of their file
    file.write_bytes(content)
    for function in ("char_lm", "word_lm"):
        try:
            task = build(function, path=str(file), length=2, split=[0.2, 0.4, 0.4])
        except UserError:
            continue
        if function == "char_lm":
            assert "".join(task.tokens[k] for k in task.train.tokens) == text[: len(task.train.tokens)]


@SOME
@given(EDITS, st.sampled_from(["%d.%m.%Y", "%Y-%m-%d %H:%M", "unix", "%", "%d%d", "x%Y[("]))
def test_any_format_of_dates_is_used_or_refused(folder, edits, date_format):
    (folder / "f.csv").write_bytes(mutated(TABLE.encode(), edits))
    try:
        table = read_csv(folder / "f.csv", ["T"], ["T"], "date", date_format)
    except UserError:
        return
    assert date_format == "%Y-%m-%d %H:%M" and (np.diff(table.dates.moments.asi8) > 0).all()


@SOME
@given(st.lists(st.one_of(st.text(max_size=12), st.text("0123456789-/.: TZ+APM", max_size=20)), min_size=1, max_size=3))
def test_any_first_column_is_no_obstacle(folder, cells):
    frame = pd.DataFrame({"date": cells, "T": range(len(cells))})
    frame.to_csv(folder / "d.csv", index=False)
    for date in (None, "date"):
        try:
            table = read_csv(folder / "d.csv", ["T"], ["T"], date=date)
        except UserError:
            continue
        assert table.values["T"].tolist() == list(range(len(cells)))
        assert table.dates is None or isinstance(table.dates.step(), str)
