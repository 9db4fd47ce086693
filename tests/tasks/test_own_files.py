"""Files as people have them: each kind is read right, or refused with its line and advice that works."""

import bz2
import gzip
import io
import lzma
import re
import subprocess
import zipfile

import numpy as np
import pandas as pd
import pytest

from experiments.errors import UserError
from experiments.tasks import __main__ as command
from experiments.tasks._columns import read_csv
from experiments.tasks._csv import Decimal, Delimiter
from experiments.tasks._dates import Dates, read_dates
from experiments.tasks._text_file import read_text
from experiments.tasks._ts import read_series
from tests.cases import first_quick
from tests.tasks.helpers import build

HOURS = pd.date_range("2015-01-13", periods=4, freq="h")


def write(tmp_path, content, name="s.csv"):
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def column(tmp_path, content, target="T", **options):
    return read_csv(write(tmp_path, content), [target], [target], **options).values[target].tolist()


@pytest.mark.parametrize(
    ("content", "options", "values"),
    [
        ("d,T\n1,10.64\n2,-3\n", {}, [10.64, -3]),
        ("d,T,\n1,10,\n2,3,\n", {}, [10, 3]),  # a delimiter at the end of every line, the header's too
        (",T\n0,10\n1,3\n", {}, [10, 3]),
        ("d,T\r\n1,10\r\n2,3\r\n", {}, [10, 3]),
        ("d,T\r1,10\r2,3\r", {}, [10, 3]),
        ("\ufeffT,d\n10,1\n3,2\n", {}, [10, 3]),
        ("d,T\n1,10\n2,3\n\n  \n\n", {}, [10, 3]),
        ("d, T \n1, 10\n2, 3\n", {}, [10, 3]),
        ('d,T\n"a\nb",10\n"c,d",3\n', {}, [10, 3]),
        ("d;T\n1;10.5\n2;3\n", {}, [10.5, 3]),
        ("d\tT\n1\t10.5\n2\t3\n", {}, [10.5, 3]),
        ("d;T\n1;10,5\n2;-,25\n", {"decimal": Decimal.comma}, [10.5, -0.25]),
        ('d,T\n1,"10,5"\n2,3\n', {"decimal": Decimal.comma}, [10.5, 3]),
        ("d|T\n1|10.5\n2|3\n", {"delimiter": Delimiter.bar}, [10.5, 3]),
        ("d,load; MW,T\n1,2,10\n2,2,3\n", {}, [10, 3]),  # a name with another delimiter in it
        ("T, mean;T\n1;2,5\n2;3,5\n", {"delimiter": Delimiter.semicolon, "decimal": Decimal.comma}, [2.5, 3.5]),
    ],
)
def test_tables_are_read_as_they_are(tmp_path, content, options, values):
    assert column(tmp_path, content, **options) == values


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("d,T\n1,10,64\n2,11,2\n", {}, "line 2: 3 fields, and the header has 2. .*decimal comma.*quotes"),
        ("d,T\n1,10\n2,3,\n", {}, "line 3: 3 fields, and the header has 2. Remove the delimiter at the end"),
        ("d,T,\n1,10,64\n", {}, "line 2, column 3: '64' stands in a column that has no name in line 1"),
        ("d,T\n1,10\n2\n3,4\n", {}, "line 3: 1 field, and the header has 2"),
        ("# by me\nd,T\n1,10\n", {}, "line 2: 2 fields, and the header has 1. .*lines stand before the header"),
        ("d,T\n1,10\n\n\n2,3\n", {}, "line 3: the line is blank, and rows come after it"),
        ("\nd,T\n1,10\n", {}, "line 1: no names of columns"),
        ("T,d,T\n1,10,2\n", {}, "line 1: columns 1 and 3 are both called 'T'"),
        ("d;T\n1;10,5\n2;3\n", {}, "line 2, column 'T': '10,5' is not a number. .*task.decimal=comma"),
        ("d;T\n1;1.234,5\n", {"decimal": Decimal.comma}, "line 2, column 'T': '1.234,5' has a point"),
        ("d;T\n1;1.234\n", {"decimal": Decimal.comma}, "line 2, column 'T': '1.234' has a point"),
        ("d,T\n1,degC\n1,10\n", {}, "line 2, column 'T': 'degC' is not a number"),
        ('d,T\n"a\nb",10\n"c\nd",x\n', {}, "line 4, column 'T': 'x' is not a number"),
        ('d,T\n1,10\n"2,3\n4,5\n', {}, "line 3: not a row of CSV .*Are its quotes closed"),
        ("a;b,T\n1;2,3\n", {}, "line 1: .*separated by comma or semicolon. Say which: task.delimiter=comma or task"),
        ("day T\n1 10\n2 3\n", {}, r"Columns: day T. Are they separated by spaces\? Then: tr -s"),
        ("<!DOCTYPE html><html>", {}, "a web page, not the file itself"),
        (b"PAR1\x00\xff", {}, "a Parquet file. Export it as CSV"),
        (b"d,T\n1,1\x000\n", {}, "line 2: a NUL character"),
    ],
)
def test_tables_are_refused_with_their_line(tmp_path, content, options, message):
    with pytest.raises(UserError, match=message):
        column(tmp_path, content, **options)


def test_advice_for_spaces_works(tmp_path):
    with pytest.raises(UserError) as error:
        column(tmp_path, "day  T\n1   10\n2   3\n")
    followed(str(error.value), "tr -s", tmp_path)
    assert read_csv(tmp_path / "commas.csv", ["T"], ["T"]).values["T"].tolist() == [10, 3]


def followed(message, command_name, folder):
    subprocess.run(message[message.index(command_name) :], shell=True, cwd=folder, check=True)


@pytest.mark.parametrize("date", [None, "d"])
def test_a_table_that_begins_with_the_newest_is_refused_with_advice_that_works(tmp_path, date):
    file = write(tmp_path, "d,T\n2020-01-03,3\n2020-01-02,2\n2020-01-01,1")
    with pytest.raises(UserError, match="begin with the newest: 'd' has '2020-01-03' in line 2 and") as error:
        read_csv(file, ["T"], ["T"], date=date)
    followed(str(error.value), "(head", tmp_path)
    table = read_csv(tmp_path / "oldest_first.csv", ["T"], ["T"], date=date)
    assert table.values["T"].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("cells", "is_refused"),
    [
        (("01/03/2020", "01/02/2020", "01/01/2020"), True),  # back in both ways of reading them
        (("03/01/2020", "02/01/2020", "01/01/2020"), True),
        (("01/12/2019", "02/11/2019", "03/10/2019"), False),  # back, or forward with the month first
        (("2020-01-03", "2020-01-03", "2020-01-03"), False),
        (("2020-01-03", "2020-01-01", "2020-01-02"), False),
    ],
)
def test_what_begins_with_the_newest(tmp_path, cells, is_refused):
    file = write(tmp_path, "d,T\n" + "".join(f"{cell},{k}\n" for k, cell in enumerate(cells)))
    if is_refused:
        with pytest.raises(UserError, match="begin with the newest"):
            read_csv(file, ["T"], ["T"])
    else:
        assert len(read_csv(file, ["T"], ["T"]).values) == 3


@pytest.mark.parametrize(("name", "cells"), [("unix", (1577836800, 1577750400)), ("year", (2020, 2019))])
def test_plain_numbers_are_dates_if_their_column_says_so(tmp_path, name, cells):
    rows = "".join(f"{cell},{k}\n" for k, cell in enumerate(cells))
    with pytest.raises(UserError, match="begin with the newest"):
        read_csv(write(tmp_path, f"{name},T\n{rows}"), ["T"], ["T"])
    assert len(read_csv(write(tmp_path, f"load,T\n{rows}"), ["T"], ["T"]).values) == 2


@pytest.mark.parametrize(
    ("cells", "date_format", "moments"),
    [
        ([f"{t:%Y-%m-%d %H:%M}" for t in HOURS], None, HOURS),
        ([f"{t:%Y-%m-%dT%H:%M:%S}Z" for t in HOURS], None, HOURS),
        ([f"{t:%d.%m.%Y %H:%M:%S}" for t in HOURS], None, HOURS),
        ([f"{t:%m/%d/%Y %I:%M %p}" for t in HOURS], None, HOURS),
        ([f"{t:%d-%b-%Y %H:%M}" for t in HOURS], None, HOURS),
        ([f"{t:%Y/%m/%d %H:%M}" for t in HOURS], None, HOURS),
        ([f"{t:%d %H:%M, %Y, month %m}" for t in HOURS], "%d %H:%M, %Y, month %m", HOURS),
        ([f"{t.timestamp():.0f}" for t in HOURS], "unix", HOURS),
        ([f"{t.timestamp():.0f}" for t in HOURS], "epoch", HOURS),
        ([f"{t.timestamp() * 1000:.0f}" for t in HOURS], "unix_ms", HOURS),
        (["2015-01-12 24:00", "2015-01-13 01:00"], None, HOURS[:2]),
        (["12.01.2015 24:00:00", "13.01.2015 01:00:00"], None, HOURS[:2]),
        (["12.01.2015 24:00", "13.01.2015 01:00"], "%d.%m.%Y %H:%M", HOURS[:2]),
        (["2015-01-13T01:00:00+01:00", "2015-01-13T03:00:00+02:00"], None, HOURS[:2]),  # clocks change
        (["1749-01", "1749-02"], None, pd.to_datetime(["1749-01-01", "1749-02-01"])),
        (["1/1/20", "31/1/20"], None, pd.to_datetime(["2020-01-01", "2020-01-31"])),
    ],
)
def test_dates(cells, date_format, moments):
    read = read_dates(cells, date_format)
    np.testing.assert_array_equal(read.as_unit("us").asi8, moments.as_unit("us").asi8)


@pytest.mark.parametrize(
    ("cells", "date_format", "message"),
    [
        (["01/02/2020", "03/02/2020"], None, "begin with the day or with the month.*%d/%m/%Y.* or .*%m/%d/%Y"),
        (["13.01.2015", "01.14.2015"], None, "not a date as those before, %d.%m.%Y. .*task.date_format=FORMAT"),
        (["1577836800"], None, "no date that can be told without its format.*unix"),
        (["2020Q1"], None, "no date that can be told without its format"),
        (["2020-01-01", ""], None, "not a date as in ISO 8601"),
        (["2020-01-01", "nan"], None, "not a date as in ISO 8601"),
        (["2020-01-01 24:01"], None, "not a date as in ISO 8601|no date that"),
        (["2020-01-01T00:00Z", "2020-01-01T01:00"], None, "it has no offset from UTC, unlike those before"),
        (["2020-01-01"], "%d.%m.%Y", "it does not fit task.date_format=%d.%m.%Y"),
        (["2020-01-01"], "dayfirst", "task.date_format=dayfirst: must be directives as Python's strptime"),
        (["2020-01-01"], "%Q", "task.date_format=%Q: .*It must be directives"),
        (["soon"], "unix", "it does not fit task.date_format=unix"),
    ],
)
def test_dates_are_not_guessed(cells, date_format, message):
    with pytest.raises(UserError, match=message):
        read_dates(cells, date_format)


def test_a_clock_that_goes_back_is_in_order_with_offsets_only(tmp_path):
    local = pd.date_range("2020-10-24 22:00", periods=6, freq="h", tz="UTC").tz_convert("Europe/Berlin")
    rows = "".join(f"{time.isoformat()},{k}\n" for k, time in enumerate(local))
    table = read_csv(write(tmp_path, f"d,T\n{rows}"), ["T"], ["T"], date="d")
    assert table.dates.step() == "every 1 h"
    rows = "".join(f"{time:%Y-%m-%d %H:%M},{k}\n" for k, time in enumerate(local))
    with pytest.raises(UserError, match="line 5: the date .*02:00' does not come after .*clocks went back"):
        read_csv(write(tmp_path, f"d,T\n{rows}"), ["T"], ["T"], date="d")


@pytest.mark.parametrize(
    ("moments", "step"),
    [
        (pd.date_range("2020-01-01", periods=9, freq="15min"), "every 15 min"),
        (pd.date_range("2020-01-01", periods=9, freq="D"), "every 1 d"),
        (pd.date_range("2020-01-01", periods=9, freq="MS"), "every month"),
        (pd.date_range("2020-01-31", periods=9, freq="ME"), "every month"),
        (pd.date_range("2020-01-01", periods=9, freq="YS"), "every year"),
        (pd.date_range("2020-01-01", periods=9, freq="500ms"), "every 0.5 s"),
        (HOURS[:1], ""),
        (
            HOURS[[0, 1, 3]].insert(3, pd.Timestamp("2015-01-13 04:00")),
            "mostly every 1 h .*longest step is 2 h, after 1",
        ),
    ],
)
def test_steps_in_words(moments, step):
    assert re.match(f"{step}$" if not step.startswith("mostly") else step, Dates("d", [*"0123456789"], moments).step())


def test_all_leaves_out_dates_and_the_numbers_of_rows(tmp_path):
    frame = pd.DataFrame({"d": HOURS, "a": [1.0, 2, 3, 4], "b": [4.0, 2, 3, 1]})
    frame.to_csv(tmp_path / "one.csv")
    assert list(read_csv(tmp_path / "one.csv", "all", "all", date="d").values) == ["a", "b"]
    pd.read_csv(tmp_path / "one.csv").to_csv(tmp_path / "two.csv", index=False)
    assert (tmp_path / "two.csv").read_text().startswith("Unnamed: 0,")
    assert list(read_csv(tmp_path / "two.csv", "all", "all", date="d").values) == ["a", "b"]


NAMES = {
    "task.target=0": "0",
    'task.target="T (degC)"': "T (degC)",
    "task.target='T (degC)'": "T (degC)",
    'task.target=["T (degC)",0]': "2 series",
    'task.target="p, mean [hPa]"': "p, mean [hPa]",
    'task.target="wind=x"': "wind=x",
    'task.target="1.50"': "1.50",
}


@pytest.fixture
def odd_names(tmp_path):
    names = ["time", "0", "T (degC)", "p, mean [hPa]", "wind=x", "1.50"]
    days = pd.date_range("2020-01-01", periods=200, freq="D")
    values = np.random.default_rng(0).normal(size=(200, 5)).round(3)
    frame = pd.DataFrame(values, columns=names[1:])
    frame.insert(0, names[0], [f"{day:%d.%m.%Y 24:00}" for day in days])
    frame.to_csv(tmp_path / "odd.csv", index=False)
    return tmp_path / "odd.csv", frame


@pytest.mark.parametrize("word", first_quick(NAMES, 3))
def test_odd_names_work_on_the_command_line(odd_names, tmp_path, capsys, word):
    file, frame = odd_names
    formats = "'task.date_format=\"%d.%m.%Y %H:%M\"'".strip("'")
    command.main(["show", "forecast", f"task.path={file}", "task.date=time", formats, word, f"out={tmp_path}/a.png"])
    printed = capsys.readouterr().out
    assert f"the next value of {NAMES[word]} from" in printed
    assert f"{file}: 200 rows, time 01.01.2020 24:00 to 18.07.2020 24:00, every 1 d" in printed
    if NAMES[word] in frame:
        first, last = frame[NAMES[word]].iloc[[0, 24]]
        assert re.search(rf"first pair: \S.* {first:.6g}, .*\(lines 2 to 25\) -> \S.* {last:.6g} \(line 26\)", printed)


def test_the_description_of_a_table(tmp_path):
    text = "\n".join(build("forecast", path=str(write(tmp_path, SERIES)), target="T", window=4).description)
    assert "s.csv: 60 rows, in the order of the file, without dates" in text
    assert "forecasts T; is shown T" in text and "first pair: T 0, 1, 2, 3 (lines 2 to 5) -> T 4 (line 6)" in text


SERIES = "k,T\n" + "".join(f"{k},{k % 7}\n" for k in range(60))


@pytest.mark.parametrize("target", [[], ["T", None], {"T": 1}, [["T"]]])
def test_what_is_no_name_of_a_column_is_refused(tmp_path, target):
    with pytest.raises(UserError, match="task.target=.*: must be"):
        build("forecast", path=str(write(tmp_path, SERIES)), target=target)


# Texts


def zipped(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "été\n")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        "été\n".encode(),
        "\ufeffété\n".encode(),
        "été\r\n".encode(),
        gzip.compress("été\n".encode(), mtime=0),
        bz2.compress("été\r\n".encode()),
        lzma.compress("été\n".encode()),
        zipped("a.txt"),
    ],
)
def test_texts_are_read_without_marks_and_with_plain_line_ends(tmp_path, content):
    assert read_text(write(tmp_path, content, "a.txt.gz")) == "été\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xef\xbb\xbf", "the file is empty"),
        (gzip.compress(b"a" * 99, mtime=0)[:-9], "the packed file is damaged"),
        (zipped("a", "b"), "a zip archive of 2 files. Unpack it first"),
        (zipped("[Content_Types].xml", "xl/a"), "an Excel workbook or another document. Save the sheet as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1", "an Excel workbook"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\x28\xb5\x2f\xfd", "packed by zstd. Unpack it first: zstd -d"),
        (b"one\ntw\x81", r"line 2: not UTF-8 text \(byte 0x81 at position 6\), nor Windows-1252.*iconv -f ENCODING"),
    ],
)
def test_what_is_no_text_is_named(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        read_text(write(tmp_path, content, "a.txt"))


@pytest.mark.parametrize("suffix", [".txt", ".csv"])
@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-16", "“Été”, 5 €\n" * 9),
        ("utf-16-le", "d,T\n1,2\n"),
        ("utf-16-be", "d,T\n1,2\n"),
        ("utf-32", "“Été”\n"),
        ("cp1252", "“Été” – 5 €\n"),
        ("latin-1", "Été à la plage\n"),
    ],
)
def test_the_advice_for_another_encoding_makes_the_text(tmp_path, encoding, text, suffix):
    file = write(tmp_path, text.encode(encoding), f"a file{suffix}")
    with pytest.raises(UserError, match="not UTF-8 text") as error:
        read_text(file)
    followed(str(error.value), "iconv", tmp_path)
    assert read_text(tmp_path / f"utf8{suffix}") == text


def test_a_long_header_is_refused(tmp_path):
    for header in ("@classLabel true" + " a" * 600_000, "@problemName x\n" * 100_000):
        with pytest.raises(
            UserError, match="line .*: the header, all before @data, has more than 1,000,000 characters"
        ):
            read_series(write(tmp_path, f"{header}\n@data\n1:a\n", "P.ts"))


@pytest.mark.parametrize("content", ["@dimensions 99999999999\n@data\n", "@classLabel true a\n@data\n1_0:a\n"])
def test_numbers_of_other_languages_are_refused(tmp_path, content):
    with pytest.raises(UserError, match="a whole number|not a finite number"):
        read_series(write(tmp_path, content, "P.ts"))
