"""Flattening compared with a straightforward reference over `json.loads`."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from loadlock.cleanup import _flatten_slices
from loadlock.cleanup._flatten_alike import find_alike
from loadlock.cleanup._flatten_sound import adjacent_text
from loadlock.cleanup.flatten import child_tables, column_names, flatten
from loadlock.pipeline.model import Flatten
from loadlock.rows import JSON_RECORD, PROVENANCE, SUB, provenance_fields


class Number(str):
    """A number as it was written."""


def reference(record: Any, depth: int | None) -> list[tuple[str, Any]]:
    """(column, value) pairs in the order written."""
    if not isinstance(record, Pairs):
        return [("value", record)]
    return [pair for key, value in named(record) for pair in member(key, value, depth)]


def named(record: Pairs) -> list[tuple[str, Any]]:
    """The members; a separator and a backslash within a key are escaped, a key that stands again gets its number."""
    seen: dict[str, int] = {}
    found = []
    for key, value in record.items:
        seen[key] = seen.get(key, 0) + 1
        name = key.replace("\\", "\\\\").replace(".", "\\.")
        found.append((name if seen[key] == 1 else f"{name}\\#{seen[key]}", value))
    return found


def member(name: str, value: Any, depth: int | None) -> list[tuple[str, Any]]:
    if not isinstance(value, Pairs) or not value.items or depth == 0:
        return [(name, value)]
    inner = None if depth is None else depth - 1
    return [pair for key, item in named(value) for pair in member(f"{name}.{key}", item, inner)]


class Pairs:
    """An object with its keys as they stand, repeated ones too."""

    def __init__(self, items: list[tuple[str, Any]]) -> None:
        self.items = items


def parsed(text: str) -> Any:
    return json.loads(text, object_pairs_hook=Pairs, parse_float=Number, parse_int=Number)


def plain(value: Any) -> Any:
    """What a cell must equal: text, or a structure that its JSON text must stand for."""
    if isinstance(value, Pairs):
        return [(key, plain(item)) for key, item in value.items]
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


KEYS = st.sampled_from(["a", "b", "c", "a.b", "", "ü", 'q"', "\\", "\n"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
RECORDS = st.dictionaries(KEYS, VALUES, max_size=5) | VALUES
STYLES = st.sampled_from([{}, {"indent": 1}, {"separators": (",", ":")}, {"ensure_ascii": False}])


def raw(texts: list[str]) -> pa.Table:
    count = len(texts)
    columns = [pa.array(texts, pa.string()), *(pa.nulls(count, field.type) for field in provenance_fields())]
    return pa.table(columns, schema=pa.schema([pa.field(JSON_RECORD, pa.string()), *provenance_fields()]))


@settings(max_examples=60, deadline=None)
@given(
    records=st.lists(st.tuples(RECORDS, STYLES), max_size=4),
    repeat=st.integers(1, 4),
    depth=st.sampled_from([None, 0, 1, 2]),
)
def test_every_cell_is_what_the_reference_finds(
    records: list[tuple[Any, dict[str, Any]]], repeat: int, depth: int | None
) -> None:
    texts = [json.dumps(record, **style) for record, style in records] * repeat
    found = flatten(raw(texts), Flatten(depth=depth))
    assert found.problems == []
    rows = iter(found.table.drop_columns([*PROVENANCE, SUB]).to_pylist())
    names: dict[str, None] = {}
    for text in texts:
        pairs = reference(parsed(text), depth)
        assert len({name for name, _ in pairs}) == len(pairs)
        names.update(dict.fromkeys(name for name, _ in pairs))
        expected = dict(pairs)
        for name, cell in next(rows).items():
            check(cell, expected.get(name))
    assert next(rows, None) is None
    assert found.exploded == 0
    assert column_names(raw(texts), Flatten(depth=depth)) == list(names)


def check(cell: str | None, value: Any) -> None:
    if value is None or isinstance(value, str):
        assert cell == value
    elif isinstance(value, bool):
        assert cell == str(value).lower()
    else:
        assert cell is not None
        assert plain(parsed(cell)) == plain(value)


@settings(max_examples=100, deadline=None)
@given(
    text=st.text(
        st.sampled_from(
            [*'{}[]",:\\ \n0123.-eEtrufalsn\x00\x1fü'],
        ),
        max_size=30,
    ),
    repeat=st.integers(1, 4),
)
def test_any_text_is_a_row_or_a_problem(text: str, repeat: int) -> None:
    found = flatten(raw([text] * repeat), Flatten())
    try:
        parsed(text)
        valid = True
    except (ValueError, RecursionError):
        valid = False
    bad = {index for index, _ in found.problems}
    assert found.table.num_rows + len(bad) == repeat
    if not valid:
        assert len(bad) == repeat
    assert len(bad) in (0, repeat)


@settings(max_examples=60, deadline=None)
@given(
    arrays=st.lists(
        st.lists(SCALARS | st.dictionaries(st.sampled_from(["x", "y"]), SCALARS, max_size=2), max_size=4), max_size=4
    )
)
def test_exploding_loses_and_doubles_no_element(arrays: list[list[Any]]) -> None:
    texts = [json.dumps({"id": number, "list": array}) for number, array in enumerate(arrays)]
    found = flatten(raw(texts), Flatten(explode=("list",)))
    assert found.exploded == sum(max(len(array), 1) - 1 for array in arrays)
    ids = found.table.column("id").to_pylist() if arrays else []
    assert ids == [str(number) for number, array in enumerate(arrays) for _ in range(max(len(array), 1))]
    assert found.table[SUB].to_pylist() == [sub for array in arrays for sub in range(max(len(array), 1))]


ELEMENTS = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.sampled_from(["x", "y", "s.p"]), SCALARS)
INNER = st.fixed_dictionaries(
    {}, optional={"x": SCALARS, "sub": st.lists(ELEMENTS, max_size=3), "o": st.dictionaries(KEYS, SCALARS)}
)
DOCUMENTS = st.fixed_dictionaries(
    {"id": st.integers(0, 9)},
    optional={
        "items": st.lists(INNER | ELEMENTS, max_size=4) | SCALARS | INNER,
        "tags": st.lists(SCALARS, max_size=3),
        "deep": st.fixed_dictionaries({"items": st.lists(INNER, max_size=2)}),
    },
)
SPECS = st.sampled_from([
    Flatten(), Flatten(depth=1), Flatten(separator="__"), Flatten(arrays="explode"), Flatten(explode=("items",)),
    Flatten(explode=("items", "items.sub", "tags")), Flatten(explode=("deep.items", "deep.items.sub"), depth=2),
    Flatten(children={"items": "i", "items.sub": "s", "tags": "t"}), Flatten(children={"value": "v"}),
    Flatten(explode=("items",), children={"items.sub": "s", "deep.items": "d"}), Flatten(explode=("value",), null_text="-"),
])  # fmt: skip


def alone(raw_part: pa.Table, spec: Flatten) -> tuple[pa.Table, dict[str, pa.Table], list[str]]:
    """As read record by record."""
    with (
        patch.object(_flatten_slices, "all_sound", lambda *_: False),
        patch.object(_flatten_slices, "sound_records", lambda _: np.empty(0, dtype=np.int64)),
    ):
        return flatten(raw_part, spec).table, child_tables(raw_part, spec), column_names(raw_part, spec)


@settings(max_examples=60, deadline=None)
@given(
    records=st.lists(st.tuples(DOCUMENTS | st.lists(ELEMENTS, max_size=3) | SCALARS, STYLES), min_size=1, max_size=6),
    spec=SPECS,
    slice_bytes=st.sampled_from([1, 60, 1 << 20]),
)
def test_records_read_together_are_as_records_read_by_themselves(
    records: list[tuple[Any, dict[str, Any]]], spec: Flatten, slice_bytes: int
) -> None:
    part = raw([json.dumps(record, **style) for record, style in records])
    table, children, names = alone(part, spec)
    with patch.object(_flatten_slices, "SLICE_BYTES", slice_bytes):
        found, found_children = flatten(part, spec), child_tables(part, spec)
        assert column_names(part, spec) == names
    assert found.table.equals(table)
    assert found.exploded == table.num_rows - len(records)
    for name, child in children.items():
        assert sorted(found_children[name].column_names) == sorted(child.column_names)
        assert found_children[name].select(child.column_names).equals(child)


ODD_TEXTS: list[Any] = ["}, ", '": ', "\\", '"', '\\"', ', "z": 1', "{", "}", "[", "]}", "", "\n", "\ud7ff", "ü" * 9]
ODD_VALUES: list[Any] = [
    {},
    [],
    [{}],
    [[1], {}],
    {"y": 1},
    [{"y": 2, "z": {}}],
    [1, "a:b"],
    None,
    True,
    1e300,
    -0.0,
    10**20,
]
TRICKY = st.sampled_from(ODD_TEXTS + ODD_VALUES)
LIKE_ONE = st.fixed_dictionaries(
    {"a": TRICKY, "o": st.fixed_dictionaries({"x": TRICKY, "y": TRICKY, "deep": st.fixed_dictionaries({"k": TRICKY})})}
)


@settings(max_examples=150, deadline=None)
@given(
    records=st.lists(LIKE_ONE, min_size=1, max_size=12),
    others=st.lists(st.tuples(st.integers(0, 12), LIKE_ONE | RECORDS, STYLES), max_size=3),
    style=STYLES,
    spec=st.sampled_from([Flatten(), Flatten(depth=1), Flatten(null_text="-"), Flatten(separator="__")]),
)
def test_records_written_alike_are_as_records_read_by_themselves(
    records: list[Any], others: list[tuple[int, Any, dict[str, Any]]], style: dict[str, Any], spec: Flatten
) -> None:
    texts = [json.dumps(record, **style) for record in records]
    for place, record, other_style in others:
        texts.insert(place, json.dumps(record, **other_style))
    part = raw(texts)
    table, _, names = alone(part, spec)
    assert flatten(part, spec).table.equals(table)
    assert column_names(part, spec) == names
    wanted = ["o.x", "a", "missing"]
    found = flatten(part, spec, wanted)
    with patch.object(_flatten_slices, "find_alike", lambda *_: None):
        expected = flatten(part, spec, wanted)
    assert found.table.equals(expected.table)
    assert found.unnamed == expected.unnamed
    assert found.problems == expected.problems


def test_most_records_of_one_program_are_read_as_alike() -> None:
    texts = [json.dumps({"id": number, "o": {"tags": ["a"] * (number % 3), "x": None}}) for number in range(100)]
    texts[7:9] = ['{"id": 7, "o": {"x": 1}}', '{"id":8,"o":{"tags":[],"x":"y"}}']
    found = find_alike(*adjacent_text(pa.array(texts)), Flatten())
    assert found is not None
    assert found.records.tolist() == [*range(7), *range(9, 100)]
    assert flatten(raw(texts), Flatten()).table["o.x"].to_pylist()[6:10] == [None, "1", "y", None]


def test_records_of_many_kinds_are_not_read_as_alike() -> None:
    texts = [json.dumps({f"k{key}": 1 for key in range(number % 7)}) for number in range(100)]
    assert find_alike(*adjacent_text(pa.array(texts)), Flatten()) is None
    assert find_alike(*adjacent_text(pa.array(["1", "2"])), Flatten()) is None
