"""Whatever Arrow holds, the staged text reads back as the same value."""

from __future__ import annotations

import datetime as dt
import io
import json
import math
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadlock.intake._arrow_json import json_of
from loadlock.intake._arrow_text import text_of
from loadlock.intake.base import SourceOptions
from loadlock.intake.formats.arrow import ArrowFormat
from loadlock.intake.formats.parquet import ParquetFormat
from loadlock.testing.bytes_source import BytesSource

UTC_TIMES = st.datetimes(min_value=dt.datetime(1, 1, 2), max_value=dt.datetime(9999, 12, 30))
LEAVES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any], Callable[[str], Any]]] = {
    "int64": (pa.int64(), st.integers(-(2**63), 2**63 - 1), int),
    "uint64": (pa.uint64(), st.integers(0, 2**64 - 1), int),
    "float": (pa.float64(), st.floats(allow_nan=False), float),
    "float32": (pa.float32(), st.floats(allow_nan=False, width=32), lambda text: float(np.float32(text))),
    "decimal": (pa.decimal128(38, 9), st.decimals(-(10**28), 10**28, places=9), Decimal),
    "tiny decimal": (pa.decimal128(20, 20), st.decimals(0, Decimal("0.99"), places=20), Decimal),
    "decimal256": (pa.decimal256(60, 2), st.decimals(-(10**40), 10**40, places=2), Decimal),
    "bool": (pa.bool_(), st.booleans(), {"true": True, "false": False}.__getitem__),
    "date": (pa.date32(), st.dates(), dt.date.fromisoformat),
    "date64": (pa.date64(), st.dates(), dt.date.fromisoformat),
    "time": (pa.time64("us"), st.times(), dt.time.fromisoformat),
    "timestamp": (pa.timestamp("us"), UTC_TIMES, dt.datetime.fromisoformat),
    "moment": (
        pa.timestamp("us", "Europe/Berlin"),
        UTC_TIMES.map(lambda at: at.replace(tzinfo=dt.UTC)),
        dt.datetime.fromisoformat,
    ),
    "duration": (
        pa.duration("us"),
        st.timedeltas(dt.timedelta(days=-(10**8)), dt.timedelta(days=10**8)),
        lambda text: dt.timedelta(microseconds=int(Decimal(text) * 1_000_000)),
    ),
    "text": (pa.string(), st.text(), str),
    "large text": (pa.large_string(), st.text(), str),
    "text view": (pa.string_view(), st.text(), str),
    "binary": (pa.binary(), st.binary(), lambda text: bytes.fromhex(text.removeprefix("\\x"))),
    "fixed binary": (pa.binary(3), st.binary(min_size=3, max_size=3), lambda text: bytes.fromhex(text[2:])),
    "uuid": (pa.uuid(), st.uuids().map(lambda one: one.bytes), lambda text: uuid.UUID(text).bytes),
}


def columns(kind: str) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.none() | LEAVES[kind][1], max_size=8)


@pytest.mark.parametrize("kind", LEAVES)
def test_the_text_of_a_value_is_the_value(kind: str) -> None:
    type_, _, back = LEAVES[kind]

    @settings(max_examples=40, deadline=None)
    @given(columns(kind))
    def holds(values: list[Any]) -> None:
        made = text_of(pa.array(values, type_))
        assert made.type == pa.string()
        read = [None if text is None else back(text) for text in made.to_pylist()]
        assert read == values
        for column in (made, text_of(pa.array([None, *values], type_).slice(1))):
            assert column.to_pylist() == made.to_pylist()

    holds()


@pytest.mark.parametrize("kind", [kind for kind in LEAVES if "float" not in kind])
def test_numbers_are_written_without_exponent(kind: str) -> None:
    if LEAVES[kind][2] not in (int, Decimal):
        return

    @settings(max_examples=40, deadline=None)
    @given(columns(kind))
    def holds(values: list[Any]) -> None:
        for text in text_of(pa.array(values, LEAVES[kind][0])).to_pylist():
            assert text is None or set(text) <= set("-.0123456789")

    holds()


def nested(depth: int = 3) -> st.SearchStrategy[tuple[pa.DataType, st.SearchStrategy[Any]]]:
    """Types with values: as Python's json would read them back."""
    leaf: st.SearchStrategy[Any] = st.sampled_from(
        [
            (pa.int64(), st.none() | st.integers(-(2**53), 2**53)),
            (pa.string(), st.none() | st.text()),
            (pa.bool_(), st.none() | st.booleans()),
            (pa.float64(), st.none() | st.floats(allow_nan=False, allow_infinity=False)),
        ]
    )
    if not depth:
        return leaf
    below = nested(depth - 1)
    return leaf | st.one_of(
        below.map(lambda one: (pa.list_(one[0]), st.none() | st.lists(one[1], max_size=3))),
        below.map(lambda one: (pa.large_list(one[0]), st.none() | st.lists(one[1], max_size=3))),
        below.map(lambda one: (pa.list_(one[0], 2), st.none() | st.lists(one[1], min_size=2, max_size=2))),
        st.lists(st.tuples(st.text(max_size=3), below), max_size=3, unique_by=lambda one: one[0]).map(_struct),
        below.map(
            lambda one: (
                pa.map_(pa.string(), one[0]),
                st.none() | st.dictionaries(st.text(max_size=3), one[1], max_size=3).map(lambda d: list(d.items())),
            )
        ),
    )


def _struct(fields: list[tuple[str, Any]]) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    kinds = pa.struct([(name, one[0]) for name, one in fields])
    return kinds, st.none() | st.fixed_dictionaries({name: one[1] for name, one in fields})


def plain(kind: pa.DataType, value: Any) -> Any:
    """The value as JSON would give it back."""
    if value is None:
        return None
    if pa.types.is_map(kind):
        return {key: plain(kind.item_type, item) for key, item in value}
    if pa.types.is_struct(kind):
        return {field.name: plain(field.type, value[field.name]) for field in kind}
    if pa.types.is_nested(kind):
        return [plain(kind.value_type, item) for item in value]
    return value


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_nested_values_are_the_json_of_themselves(data: st.DataObject) -> None:
    kind, values = data.draw(nested())
    drawn = data.draw(st.lists(values, max_size=5))
    array = pa.array(drawn, kind)
    made = json_of(array)
    assert [json.loads(text) for text in made.to_pylist()] == [plain(kind, value) for value in drawn]
    if len(drawn) > 1:
        assert json_of(array.slice(1)).to_pylist() == made.to_pylist()[1:]


FLAT = [kind for kind in LEAVES if kind not in ("text view",)]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_parquet_files_and_both_arrow_forms_give_the_same_rows(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(FLAT), min_size=1, max_size=4, unique=True))
    count = data.draw(st.integers(0, 7))
    drawn = {kind: data.draw(st.lists(st.none() | LEAVES[kind][1], min_size=count, max_size=count)) for kind in kinds}
    table = pa.table({kind: pa.array(values, LEAVES[kind][0]) for kind, values in drawn.items()})
    forms = {"parquet": io.BytesIO(), "file": io.BytesIO(), "stream": io.BytesIO()}
    pq.write_table(table, forms["parquet"], row_group_size=3)
    for form, opened in (("file", pa.ipc.new_file), ("stream", pa.ipc.new_stream)):
        with opened(forms[form], table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
    for form, sink in forms.items():
        reader = ParquetFormat() if form == "parquet" else ArrowFormat()
        result = reader.read(BytesSource(sink.getvalue()), SourceOptions())
        rows = [row for part in result.parts for row in part.rows.to_pylist()]
        for kind, values in drawn.items():
            read = [None if row[kind] is None else LEAVES[kind][2](row[kind]) for row in rows]
            assert read == values, form
        assert result.report().received == count


def test_a_float_that_is_no_number_is_a_word() -> None:
    made = text_of(pa.array([math.nan, math.inf, -math.inf, -0.0]))
    assert made.to_pylist() == ["NaN", "Infinity", "-Infinity", "-0"]
    assert json_of(pa.array([math.nan, 1.5])).to_pylist() == ['"NaN"', "1.5"]
