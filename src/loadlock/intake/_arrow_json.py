"""Arrow rows with nested values as JSON records, whole columns at a time: numbers keep their digits, keys their order.

DuckDB and Python's json would go through doubles; here the text of each value is put together from Arrow's own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from loadlock.intake._arrow_text import is_nested, is_number, plain, text_of

_SPECIAL = {'"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_CONTROL = {code: f"\\u{code:04x}" for code in range(0x20) if chr(code) not in _SPECIAL}


def records(columns: Sequence[pa.Array], names: Sequence[str], binary: str = "hex") -> pa.Array:
    """One JSON object a row, all keys in each, null for null."""
    return _objects([json_of(column, binary) for column in columns], names, len(columns[0]))


def json_of(values: pa.Array, binary: str = "hex") -> pa.Array:
    """The JSON text of each value (type string); null is the text `null`."""
    values = plain(values)
    kind = values.type
    if not is_nested(kind):
        return pc.fill_null(_leaf(values, binary), "null")
    if pt.is_struct(kind):
        made = _struct(values, binary)
    elif pt.is_map(kind):
        made = _map(values, binary)
    elif pt.is_union(kind):
        made = _union(values, binary)
    else:
        made = _list(values, binary)
    return pc.if_else(pc.is_valid(values), made, "null") if values.null_count else made


def _leaf(values: pa.Array, binary: str) -> pa.Array:
    text = text_of(values, binary)
    if not is_number(values.type):
        return quoted(text)
    if pt.is_floating(values.type) and not pc.all(pc.is_finite(values), min_count=0).as_py():
        # JSON has no NaN and no infinity: they are texts
        return pc.if_else(pc.is_finite(values), text, quoted(text))
    return text


def quoted(text: pa.Array) -> pa.Array:
    """Each text as a JSON string."""
    text = pc.replace_substring(text, "\\", "\\\\")
    for found, escape in _SPECIAL.items():
        text = pc.replace_substring(text, found, escape)
    if pc.any(pc.match_substring_regex(text, "[\\x00-\\x1f]"), min_count=0).as_py():
        text = pa.array([one if one is None else one.translate(_CONTROL) for one in text.to_pylist()], pa.string())
    return pc.binary_join_element_wise('"', text, '"', "")


def _objects(members: Sequence[pa.Array], names: Sequence[str], rows: int) -> pa.Array:
    if not members:
        return pa.array(["{}"] * rows, pa.string())
    pieces: list[pa.Array | str] = []
    for place, (name, member) in enumerate(zip(names, members, strict=True)):
        pieces += [f"{',' if place else '{'}{json.dumps(name, ensure_ascii=False)}:", member]
    return pc.binary_join_element_wise(*pieces, "}", "")


def _struct(values: pa.Array, binary: str) -> pa.Array:
    fields = [values.field(place) for place in range(values.type.num_fields)]
    return _objects([json_of(field, binary) for field in fields], [field.name for field in values.type], len(values))


def _list(values: pa.Array, binary: str) -> pa.Array:
    return _joined(json_of(pc.list_flatten(values), binary), values, "[", "]")


def _map(values: pa.Array, binary: str) -> pa.Array:
    """Keys become texts; that one stands twice is for flattening to find."""
    entries = values.cast(pa.list_(pa.struct([("key", values.type.key_type), ("value", values.type.item_type)])))
    inner = pc.list_flatten(entries)
    keys = plain(inner.field(0))
    names = json_of(keys, binary) if is_nested(keys.type) else pc.fill_null(text_of(keys, binary), "null")
    pairs = pc.binary_join_element_wise(quoted(names), json_of(inner.field(1), binary), ":")
    return _joined(pairs, entries, "{", "}")


def _joined(items: pa.Array, lists: pa.Array, opening: str, closing: str) -> pa.Array:
    """The items (of the lists that are not null, flattened) put together again, list by list."""
    parents = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    lengths = np.bincount(parents, minlength=len(lists))
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items), ",")
    return pc.binary_join_element_wise(opening, joined, closing, "")


def _union(values: pa.Array, binary: str) -> pa.Array:
    """Each value by its own type; one by one, unions are rare."""
    children = [json_of(values.field(place), binary) for place in range(values.type.num_fields)]
    places = {code: place for place, code in enumerate(values.type.type_codes)}
    sparse = values.type.mode == "sparse"
    codes = values.type_codes.to_pylist()
    offsets = range(len(values)) if sparse else values.offsets.to_pylist()
    found = [children[places[code]][offset].as_py() for code, offset in zip(codes, offsets, strict=True)]
    return pa.array(found, pa.string())
