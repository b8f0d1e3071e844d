"""Any value written to a file comes back as it was, for us and for the readers of others."""

from __future__ import annotations

import csv
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from loadlock.delivery.base import Target
from loadlock.delivery.destinations._files import FileFormat
from loadlock.delivery.destinations.csv_file import CsvForm
from loadlock.delivery.destinations.ndjson_file import NdjsonForm
from loadlock.testing.contracts.destinations import columns

GIVEN = columns(
    "t:text", "n:integer", "d:decimal(20,6)", "f:float", "b:boolean", "day:date", "tm:time", "at:timestamp", "u:text"
)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12) | st.text(
    "\",;\r\n\\ '=é\ufeff", max_size=6
)
ROWS = st.lists(
    st.tuples(
        st.none() | TEXTS,
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.decimals(-(10**13), 10**13, places=6),
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
        st.none() | st.booleans(),
        st.none() | st.dates(),
        st.none() | st.times(),
        st.none() | st.datetimes(),
        st.none() | TEXTS,
    ),
    max_size=8,
)


def table_of(rows: list[tuple[Any, ...]]) -> pa.Table:
    arrays = [pa.array([row[index] for row in rows], column.type.arrow()) for index, column in enumerate(GIVEN)]
    return pa.table(arrays, pa.schema([(column.name, column.type.arrow()) for column in GIVEN]))


def written(form: FileFormat, path: Path, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Write the rows in two pieces and read them again."""
    writer = form.start(path, GIVEN)
    for piece in (rows[:3], rows[3:]):
        writer.write(table_of(piece))
    writer.close()
    assert form.count(path) == len(rows)
    return [tuple(row.values()) for table in form.read(path, GIVEN) for row in table.to_pylist()]


@settings(max_examples=80, deadline=None)
@given(ROWS, st.sampled_from(",;|\t"), st.booleans())
def test_csv(rows: list[tuple[Any, ...]], delimiter: str, escape: bool) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "out.csv"
        options = {"delimiter": delimiter, "escape_formulas": escape}
        assert written(CsvForm(Target(url=str(path), options=options)), path, rows) == rows
        with path.open(encoding="utf-8", newline="") as file:
            read = list(csv.reader(file, delimiter=delimiter))[1:]
        if not escape:
            assert [record[0] for record in read] == [row[0] or "" for row in rows]
            assert [record[8] for record in read] == [row[8] or "" for row in rows]


@settings(max_examples=80, deadline=None)
@given(ROWS, st.sampled_from(["out.ndjson", "out.json"]))
def test_json(rows: list[tuple[Any, ...]], name: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        assert written(NdjsonForm(Target(url=str(path))), path, rows) == rows
        text = path.read_text(encoding="utf-8")
        read = json.loads(text) if name == "out.json" else [json.loads(line) for line in text.split("\n")[:-1]]
        assert [(r["t"], r["n"], r["b"], r["u"]) for r in read] == [(row[0], row[1], row[4], row[8]) for row in rows]


def test_the_strategy_reaches_the_edges_of_the_types() -> None:
    edges = [
        ("", -(2**63), Decimal("-0.000001"), 5e-324, False, dt.date.min, dt.time.max, dt.datetime.max, '"'),
        ("\r", 2**63 - 1, Decimal("0"), -0.0, True, dt.date.max, dt.time.min, dt.datetime.min, None),
    ]
    with TemporaryDirectory() as folder:
        for name, form in (("a.csv", CsvForm), ("a.ndjson", NdjsonForm), ("a.json", NdjsonForm)):
            path = Path(folder) / name
            assert written(form(Target(url=str(path))), path, edges) == edges
