"""Lines for bulk loading, and CSV as COPY writes it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadlock.delivery.tabtext import TextColumn, encode_lines, parse_csv
from loadlock.types import ColumnType

UNESCAPES = {"\\": "\\", "t": "\t", "n": "\n", "r": "\r", "0": "\0"}


def lines(table: pa.Table, *columns: TextColumn) -> bytes:
    with duckdb.connect() as connection:
        return b"".join(bytes(block) for block in encode_lines(table, columns, connection))


def decode(field: str) -> str | None:
    """A field as MySQL reads it."""
    if field == "\\N":
        return None
    found, rest = [], iter(field)
    for character in rest:
        found.append(UNESCAPES[next(rest)] if character == "\\" else character)
    return "".join(found)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.none() | st.text(), st.none() | st.text()), min_size=1, max_size=30), st.integers(0, 5))
def test_every_text_comes_out_of_the_lines_as_it_went_in(rows: list[tuple[str | None, str | None]], skip: int) -> None:
    table = pa.table({"a": [a for a, _ in rows], "b": pa.array([b for _, b in rows], pa.string())}).slice(skip)
    table = table.set_column(0, "a", table["a"].cast(pa.string()))
    text = TextColumn(type=ColumnType(kind="text"))
    written = lines(table, text, text).decode()
    found = [tuple(decode(field) for field in line.split("\t")) for line in written.split("\n")[:-1]]
    assert found == rows[skip:]


def test_values_are_written_as_databases_read_them() -> None:
    kinds = {
        "integer": -5,
        "decimal(5,2)": Decimal("1.50"),
        "float": 1e300,
        "boolean": True,
        "date": dt.date(2024, 2, 29),
        "time": dt.time(1, 2, 3, 4),
        "timestamp": dt.datetime(1, 1, 1, 1, 2, 3),
        "timestamptz": dt.datetime(2024, 3, 31, 1, 30, tzinfo=dt.UTC),
    }
    types = [ColumnType.parse(kind) for kind in kinds]
    table = pa.table(
        {str(i): pa.array([v], t.arrow()) for i, (v, t) in enumerate(zip(kinds.values(), types, strict=True))}
    )
    expected = "-5 1.50 1e+300 {} 2024-02-29 01:02:03.000004 0001-01-01_01:02:03 2024-03-31_01:30:00{}\n"
    plain = lines(table, *(TextColumn(type=kind) for kind in types)).decode()
    assert plain.replace(" ", "_").replace("\t", " ") == expected.format("1", "")
    as_text = lines(table, *(TextColumn(type=kind, as_text=True) for kind in types)).decode()
    assert as_text.replace(" ", "_").replace("\t", " ") == expected.format("true", "+00")


def test_nothing_is_null_and_quoted_nothing_is_empty() -> None:
    found = parse_csv(b'a,\n"",""\n', [pa.string(), pa.string()])
    assert [column.to_pylist() for column in found] == [["a", ""], [None, ""]]
    assert parse_csv(b'\n""\n', [pa.string()])[0].to_pylist() == [None, ""]


@pytest.mark.parametrize(
    ("kind", "texts", "values"),
    [
        ("integer", ["5", "x", "", "1.4"], [5, None]),
        ("decimal(5,2)", ["1.5", "1.239", "NaN", "1.500"], [Decimal("1.50"), Decimal("1.50")]),
        ("date", ["2024-02-29", "nonsense"], [dt.date(2024, 2, 29)]),
        ("boolean", ["t", "0", "maybe"], [True, False]),
        ("timestamp", ["2024-01-01 00:00:00.5", "-", "-infinity"], [dt.datetime(2024, 1, 1, microsecond=500_000)]),
    ],
)
def test_a_row_with_a_value_that_its_type_no_longer_holds_is_left_out(
    kind: str, texts: list[str], values: list[object]
) -> None:
    wanted = ColumnType.parse(kind).arrow()
    assert parse_csv("".join(f"{text}\n" for text in texts).encode(), [wanted])[0].to_pylist() == values
