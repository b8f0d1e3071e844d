"""What openpyxl writes is read back, and python-calamine, another reader, sees the same."""

from __future__ import annotations

import datetime as dt
import io
import math
import re
from typing import Any

import openpyxl
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from loadlock.intake.base import SourceOptions
from loadlock.intake.formats.excel import ExcelFormat
from loadlock.testing.bytes_source import BytesSource

ESCAPE = re.compile(r"_x[0-9A-Fa-f]{4}_")
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), min_size=1, max_size=10).filter(
    lambda text: not text.startswith("=") and not ESCAPE.search(text) and text not in openpyxl.cell.cell.ERROR_CODES
)
TIMES = st.datetimes(dt.datetime(1900, 3, 1), dt.datetime(9999, 12, 31)).map(lambda at: at.replace(microsecond=0))
VALUES = st.one_of(
    st.none(),
    TEXTS,
    st.booleans(),
    st.integers(-(10**15), 10**15),
    st.floats(allow_nan=False, allow_infinity=False, width=64).filter(lambda x: x == 0 or 1e-300 < abs(x) < 1e300),
    st.dates(dt.date(1900, 3, 1), dt.date(9999, 12, 31)),
    TIMES,
)
ROWS = st.lists(st.lists(VALUES, min_size=3, max_size=3), min_size=1, max_size=6)


def workbook(rows: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    book.active.append(["a", "b", "c"])
    for row in rows:
        book.active.append(row)
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


def ours(data: bytes) -> dict[int, list[str | None]]:
    result = ExcelFormat().read(BytesSource(data, "in.xlsx"), SourceOptions(header=1))
    rows = [row for part in result.parts for row in part.rows.to_pylist()]
    return {row["_line"]: [row["a"], row["b"], row["c"]] for row in rows}


def same(text: str | None, value: Any) -> bool:
    """Whether our text stands for this value."""
    if value is None or value == "":
        return text is None
    if text is None:
        return False
    if isinstance(value, bool):
        return text == str(value).lower()
    if isinstance(value, int | float):
        # openpyxl writes 16 digits of a number that needs 17
        return math.isclose(float(text), value, rel_tol=1e-15)
    if isinstance(value, dt.datetime):
        return dt.datetime.fromisoformat(text) == value
    if isinstance(value, dt.date):
        # the other reader takes a date and time at midnight for a date
        return dt.datetime.fromisoformat(text) == dt.datetime(value.year, value.month, value.day)
    return bool(text == value)


@settings(max_examples=25, deadline=None)
@given(ROWS)
def test_what_was_written_is_read(rows: list[list[Any]]) -> None:
    read = ours(workbook(rows))
    for number, row in enumerate(rows, 2):
        texts = read.get(number, [None, None, None])
        assert all(same(text, value) for text, value in zip(texts, row, strict=True)), (texts, row)


@settings(max_examples=25, deadline=None)
@given(ROWS)
def test_another_reader_sees_the_same(rows: list[list[Any]]) -> None:
    data = workbook(rows)
    read = ours(data)
    others = list(CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0).iter_rows())[1:]
    for number, row in enumerate(others, 2):
        texts = read.get(number, [None, None, None])
        assert all(same(text, value) for text, value in zip(texts, row, strict=True)), (texts, row)
