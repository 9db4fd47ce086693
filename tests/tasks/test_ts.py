import numpy as np
import pytest

from experiments.errors import UserError
from experiments.tasks._ts import read_series

HEADER = "@problemName P\n@timeStamps false\n@univariate false\n@dimensions 2\n@classLabel true yes no\n@data\n"


def written(tmp_path, content, name="P_TRAIN.ts"):
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def same(series, *expected):
    assert len(series) == len(expected)
    for values, rows in zip(series, expected, strict=True):
        np.testing.assert_array_equal(values, rows)
        assert values.dtype == "float64"


def test_ts_channels_are_columns(tmp_path):
    series, labels = read_series(written(tmp_path, HEADER + "1,2,3:4,5,6:yes\n\n# a comment\n-1e-1:.5:no\n"))
    same(series, [[1, 4], [2, 5], [3, 6]], [[-0.1, 0.5]])
    assert labels == ["yes", "no"]


def test_ts_header_in_any_case_order_and_with_windows_line_ends(tmp_path):
    header = "\ufeff#one\n  # two\n@equalLength true\n@CLASSLABEL TRUE A b\n\n@univariate TRUE\n@MISSING true\n@Data\n"
    content = (header + "1, 2 : A \n3,4:b").replace("\n", "\r\n")
    series, labels = read_series(written(tmp_path, content))
    same(series, [[1], [2]], [[3], [4]])
    assert labels == ["A", "b"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", "2\t1.5\t-2\tNaN\tNaN\n-1\t3\t4\t5\t6\n1.0\t7\t\t\n"),
        ("a.txt", "  2.0000e+00  1.5e+00   -2\n -1   3 4   5 6\n1 7 NaN NaN\n"),
        ("a.txt", "2,1.5,-2,nan\n-1,3,4,5,6\n1,7,,\n"),
    ],
)
def test_table_rows_end_where_only_gaps_follow(tmp_path, name, text):
    series, labels = read_series(written(tmp_path, text, name))
    same(series, [[1.5], [-2]], [[3], [4], [5], [6]], [[7]])
    assert labels == ["2", "-1", "1"]


def test_labels_of_tables_may_be_words(tmp_path):
    assert read_series(written(tmp_path, "cat\t1\n1.5\t2\n", "a.tsv"))[1] == ["cat", "1.5"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "P_TRAIN.ts: the file is empty"),
        (" \n\n", "the file is empty"),
        (b"@problemName caf\xe9\n", r"P_TRAIN.ts, line 1: not UTF-8 text \(byte 0xe9 at position 16\)"),
        (HEADER, "P_TRAIN.ts: the file has no series"),
        ("@classLabel true a b\n", "P_TRAIN.ts: no line @data"),
        ("@classLabel true a b\n1,2:a\n", "line 2: a series must come after the line @data, and this is '1,2:a'"),
        ("@problemName P\n@data\n1:a\n", "the series have no classes: no line @classLabel true"),
        ("@classLabel false\n@data\n1:a\n", "the series have no classes"),
        ("@targetLabel true\n@data\n1:2.5\n", "the series have no classes"),
        (
            "@classLabel true\n@data\n1:a\n",
            "line 1: after @classLabel comes false, or true and the labels",
        ),
        ("#x\n@timestamps no\n@data\n", "line 2: after @timestamps comes true or false, and this is 'no'"),
        ("@dimensions two\n@data\n", "line 1: after @dimensions comes a whole number, and this is 'two'"),
        ("@data 1:a\n", "line 1: after @data comes nothing, and this is '1:a'"),
        ("@classes true a b\n@data\n", "line 1: the header of a .ts file has no @classes. Allowed: @problemname"),
        ("@timeStamps true\n", "line 1: series with time stamps are not supported"),
        (HEADER + "1,2:3,4:yes\n1,2:3:yes\n", r"line 8: the channels .* equally long, and have \[2, 1\] values"),
        (HEADER + "1,2:yes\n", "line 7: the number of channels is 1, and the header says 2"),
        (
            "@classLabel true a\n@data\n1:2:a\n1:a\n",
            r"line 4: the number of channels is 1, and the first series \(.*, line 3\) has 2",
        ),
        (HEADER + "1:2:Yes\n", "line 7: the header has no label 'Yes'. Its @classLabel lists yes, no"),
        (HEADER + "1:2:\n", "line 7: the header has no label ''"),
        (HEADER + "1,2\n", "line 7: no label"),
        (HEADER + "1,2:3,x4:no\n", "line 7, channel 2, value 2: 'x4' is not a finite number"),
        (HEADER + "1,inf:3,4:no\n", "line 7, channel 1, value 2: 'inf' is not a finite number"),
        (HEADER + "1,?:3,4:no\n", "line 7, channel 1, value 2: the value is missing. Fill or remove"),
        (HEADER + "1,2:NaN,4:no\n", "line 7, channel 2, value 1: the value is missing"),
        (HEADER + "1,2:3,:no\n", "line 7, channel 2, value 2: the value is missing"),
        (HEADER + "1:2:yes\n: :no\n", "line 8, channel 1: the series is empty"),
    ],
)
def test_ts_refuses(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        read_series(written(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "P.tsv: the file is empty"),
        ("label\tv1\tv2\n1\t2\t3\n", "line 1, column 2: 'v1' is not a finite number"),
        ("1\t2\t3\n\n2\t4\t1,5\n", "line 3, column 3: '1,5' is not a finite number"),
        ("1\t2\tNaN\t4\n", "line 1, column 3: the value is missing"),
        ("1\t2\t\t4\n", "line 1, column 3: the value is missing"),
        ("1\t2\t?\n", "line 1, column 3: the value is missing"),
        ("1\t2\n2\tNaN\tNaN\n", "line 2: the series is empty"),
        ("1\n", "line 1: the series is empty"),
        ("\t2\t3\n", "line 1, column 1: the label is missing"),
        ("NaN\t2\t3\n", "line 1, column 1: the label is missing"),
    ],
)
def test_table_refuses(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        read_series(written(tmp_path, content, "P.tsv"))


def test_other_files_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"a.ts: cannot be read \(No such file"):
        read_series(tmp_path / "a.ts")
    with pytest.raises(UserError, match=r"a.arff: the name must end with one of .ts, .tsv, .txt"):
        read_series(written(tmp_path, "@relation", "a.arff"))
