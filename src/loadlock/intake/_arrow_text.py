"""Typed Arrow values as exact text, whole columns at a time.

One spelling for each value, whatever the file's type: integers and decimals as digits without exponent, booleans as
`true` and `false`, dates and times in ISO 8601 without trailing zeros, moments in UTC with `Z`, floats in the fewest
digits that give the same float again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

BINARY = ("hex", "base64", "text")
"""How bytes become text: `\\x` and hexadecimal digits, Base64, or read as UTF-8."""
_PER_SECOND = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def plain(values: pa.Array) -> pa.Array:
    """The values without extension type, dictionary and run lengths around them."""
    while True:
        kind = values.type
        if isinstance(kind, pa.BaseExtensionType):
            values = _uuids(values) if str(kind) == "extension<arrow.uuid>" else values.storage
        elif pt.is_dictionary(kind):
            values = values.dictionary_decode()
        elif pt.is_run_end_encoded(kind):
            values = pc.run_end_decode(values)
        else:
            return values


def is_nested(kind: pa.DataType) -> bool:
    """Whether a column of this type holds more than one value in a cell."""
    if isinstance(kind, pa.BaseExtensionType):
        return is_nested(kind.storage_type)
    if pt.is_dictionary(kind) or pt.is_run_end_encoded(kind):
        return is_nested(kind.value_type)
    return bool(pt.is_nested(kind))


def is_number(kind: pa.DataType) -> bool:
    """Whether the text of such a value is a number (or true, false) in JSON too."""
    return bool(pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind) or pt.is_boolean(kind))


def text_of(values: pa.Array, binary: str = "hex") -> pa.Array:
    """The text of each value (type string); null stays null. `values` are of no nested type.

    Bytes that `binary="text"` can't read as UTF-8 raise ArrowInvalid.
    """
    values = plain(values)
    for is_kind, convert in _KINDS:
        if is_kind(values.type):
            return convert(values)
    if pt.is_binary(values.type) or pt.is_large_binary(values.type) or _is_other_binary(values.type):
        return _bytes(values, binary)
    return values.cast(pa.string())


def _is_other_binary(kind: pa.DataType) -> bool:
    return bool(pt.is_fixed_size_binary(kind) or pt.is_binary_view(kind))


def _floats(values: pa.Array) -> pa.Array:
    if pt.is_float16(values.type):
        values = values.cast(pa.float32())
    text = values.cast(pa.string())
    if pc.all(pc.is_finite(values), min_count=0).as_py():
        return text
    for found, spelled in (("nan", "NaN"), ("-nan", "NaN"), ("inf", "Infinity"), ("-inf", "-Infinity")):
        text = pc.if_else(pc.equal(text, found), spelled, text)
    return text


def _decimals(values: pa.Array) -> pa.Array:
    """Digits in full: Arrow writes very small ones, and all of a negative scale, with an exponent."""
    text = values.cast(pa.string())
    powers = pc.match_substring(text, "E")
    if not pc.any(powers, min_count=0).as_py():
        return text
    return pa.array([one if one is None else format(Decimal(one), "f") for one in text.to_pylist()], pa.string())


def _timestamps(values: pa.Array) -> pa.Array:
    moments = values.type.tz is not None
    text = values.cast(pa.timestamp(values.type.unit)).cast(pa.string())
    text = _without_zeros(pc.replace_substring(text, " ", "T", max_replacements=1), values.type.unit)
    # a number out of range has no date: Arrow's words for it stay as they are
    outside = pc.starts_with(text, "<")
    if pc.any(outside, min_count=0).as_py():
        return pc.if_else(outside, values.cast(pa.timestamp(values.type.unit)).cast(pa.string()), _zoned(text, moments))
    return _zoned(text, moments)


def _zoned(text: pa.Array, moments: bool) -> pa.Array:
    return pc.binary_join_element_wise(text, "Z", "") if moments else text


def _times(values: pa.Array) -> pa.Array:
    return _without_zeros(values.cast(pa.string()), values.type.unit)


def _without_zeros(text: pa.Array, unit: str) -> pa.Array:
    """`.000` and zeros at the end of a fraction go."""
    if unit == "s":
        return text
    fraction = pc.match_substring(text, ".")
    trimmed = pc.utf8_rtrim(pc.utf8_rtrim(text, "0"), ".")
    return pc.if_else(fraction, trimmed, text)


def _durations(values: pa.Array) -> pa.Array:
    """Seconds, exactly."""
    digits = _PER_SECOND[values.type.unit]
    counted = values.cast(pa.int64())
    if not digits:
        return counted.cast(pa.string())
    data = np.zeros((len(values), 2), dtype=np.int64)
    data[:, 0] = pc.fill_null(counted, 0).to_numpy(zero_copy_only=False)
    data[:, 1] = data[:, 0] >> 63
    exact = pa.Array.from_buffers(pa.decimal128(38, digits), len(values), [None, pa.py_buffer(data)])
    text = _decimals(pc.if_else(pc.is_valid(counted), exact, pa.scalar(None, exact.type)))
    return _without_zeros(text, values.type.unit)


def _intervals(values: pa.Array) -> pa.Array:
    found = [
        None if one is None else f"{one.months} months {one.days} days {one.nanoseconds} nanoseconds"
        for one in values.to_pylist()
    ]
    return pa.array(found, pa.string())


def _uuids(values: pa.Array) -> pa.Array:
    found = [None if one is None else str(uuid.UUID(bytes=one)) for one in values.storage.to_pylist()]
    return pa.array(found, pa.string())


def _bytes(values: pa.Array, binary: str) -> pa.Array:
    if binary == "text":
        return values.cast(pa.binary()).cast(pa.string())
    import base64

    spell: Callable[[bytes], str] = {
        "hex": lambda one: "\\x" + one.hex(),
        "base64": lambda one: base64.b64encode(one).decode(),
    }[binary]
    return pa.array([None if one is None else spell(one) for one in values.to_pylist()], pa.string())


_KINDS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], Any]], ...] = (
    (pt.is_floating, _floats),
    (pt.is_decimal, _decimals),
    (pt.is_timestamp, _timestamps),
    (pt.is_time, _times),
    (pt.is_duration, _durations),
    (pt.is_interval, _intervals),
)
