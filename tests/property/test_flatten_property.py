"""Flattening compared with a straightforward reference over `json.loads`."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from loadlock.cleanup.flatten import column_names, flatten
from loadlock.pipeline.model import Flatten
from loadlock.rows import JSON_RECORD, PROVENANCE, SUB, provenance_fields


class Number(str):
    """A number as it was written."""


def reference(record: Any, depth: int | None) -> list[tuple[str, Any]]:
    """(column, value) pairs; keys that lead to one column appear twice."""
    if not isinstance(record, Pairs):
        return [("value", record)]
    return [pair for key, value in record.items for pair in member(key, value, depth)]


def member(name: str, value: Any, depth: int | None) -> list[tuple[str, Any]]:
    if not isinstance(value, Pairs) or not value.items or depth == 0:
        return [(name, value)]
    inner = None if depth is None else depth - 1
    return [pair for key, item in value.items for pair in member(f"{name}.{key}", item, inner)]


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
    bad = {index for index, _ in found.problems}
    rows = iter(found.table.drop_columns([*PROVENANCE, SUB]).to_pylist())
    names: dict[str, None] = {}
    for index, text in enumerate(texts):
        pairs = reference(parsed(text), depth)
        clash = len({name for name, _ in pairs}) < len(pairs)
        assert clash == (index in bad), text
        if clash:
            continue
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
