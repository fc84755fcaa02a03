"""Reading small tables: what is accepted, and the one sentence for what is not."""

import numpy as np
import pytest

from smnn_np._table import TableError, read_table


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a text to a file and returns its path."""

    def to_file(text, encoding="utf-8"):
        path = tmp_path / "data.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return to_file


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_and_missing_cells(write, delimiter):
    lines = ["t,x y", "0,1.5", "", "# a remark", "1, NaN ", "2,", "3,-1e3"]
    path = write("\n".join(line.replace(",", delimiter) for line in lines))
    table = read_table(path)
    assert table.titles == ("t", "x y")
    np.testing.assert_array_equal(table.numbers("t", "--time"), [0, 1, 2, 3])
    np.testing.assert_array_equal(table.numbers("x y", "--states"), [1.5, np.nan, np.nan, -1000])


def test_spreadsheet_exports(write):
    table = read_table(write('"t","x"\r\n0,"1"\r\n1,2\r\n', "utf-8-sig"))
    assert table.titles == ("t", "x")
    np.testing.assert_array_equal(table.numbers("x", "--states"), [1, 2])


def test_dates_become_days(write):
    table = read_table(write("when,x\n2024-02-28,1\n2024-03-01T12:00,2\n2024-02-27,3\n"))
    days, first = table.times("when")
    np.testing.assert_array_equal(days, [1, 3.5, 0])
    assert first == "2024-02-27"
    years, none = read_table(write("year,x\n1900,1\n1901,2\n")).times("year")
    np.testing.assert_array_equal(years, [1900, 1901])
    assert none is None


def test_titles_are_found_without_regard_to_case(write):
    table = read_table(write("Hare,hare,Lynx\n1,2,3\n"))
    assert table.title("lynx", "--states") == "Lynx"
    assert table.title("hare", "--states") == "hare"
    with pytest.raises(TableError, match=r"--states: column 'HARE' is ambiguous .* 'Hare', 'hare'"):
        table.title("HARE", "--states")
    with pytest.raises(TableError, match=r"--time: .* no column 'lynxx'; its .*mean 'Lynx'\?"):
        table.title("lynxx", "--time")


def test_a_repeated_title_is_ambiguous(write):
    with pytest.raises(TableError, match="column 'x' is ambiguous"):
        read_table(write("t,x,x\n1,2,3\n")).title("x", "--states")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no data: wanted a line of column titles"),
        ("t,x\n", "holds no data"),
        ("0,1\n2,3\n", "holds numbers only; wanted column titles"),
        ("t,x\n0,1\n\n1,2,3\n", "line 4 of .* has 3 cells; wanted 2"),
    ],
)
def test_bad_tables_are_explained(write, text, message):
    with pytest.raises(TableError, match=message):
        read_table(write(text))


@pytest.mark.parametrize(
    ("cell", "message"),
    [("abc", "has 'abc' in line 3; wanted a finite number"), ("inf", "has 'inf' in line 3")],
)
def test_bad_cells_are_explained(write, cell, message):
    table = read_table(write(f"t,x\n0,1\n1,{cell}\n"))
    with pytest.raises(TableError, match=f"--states: column 'x' of .* {message}"):
        table.numbers("x", "--states")


@pytest.mark.parametrize(
    ("cell", "message"),
    [("", "is empty in line 3"), ("3 May", "has '2024-01-01' in line 2; wanted a finite number")],
)
def test_bad_times_are_explained(write, cell, message):
    table = read_table(write(f"t,x\n2024-01-01,1\n{cell},2\n"))
    with pytest.raises(TableError, match=message):
        table.times("t")


def test_unreadable_files_are_explained(write, tmp_path):
    with pytest.raises(TableError, match=r"cannot read .*none\.csv: no such file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(TableError, match=r"cannot read .*: is a directory"):
        read_table(tmp_path)
    with pytest.raises(TableError, match="not a text file in UTF-8"):
        read_table(write("t,x\n0,é\n", "latin-1"))
