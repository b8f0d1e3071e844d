"""Typed Arrow arrays to plain text and back, without loss: for files and for databases that keep moments as text.

Integers and decimals as digits (decimals with their scale), floats as the shortest text that reads back the same, `true`
and `false`, ISO 8601 dates and times, a space between date and time, `Z` behind UTC moments.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from loadlock.types import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

DATE_RANGE = ("0000-01-01", "9999-12-31")
"""Dates whose text has a year of four digits."""


def to_text(values: pa.Array, kind: ColumnType) -> pa.Array:
    """The values as strings; nulls stay null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = values.cast(pa.string())
    if kind.kind in ("time", "timestamp", "timestamptz"):
        text = pc.replace_substring_regex(text, r"\.000000(Z?)$", r"\1")
        return pc.replace_substring_regex(text, r"(\.\d*[1-9])0+(Z?)$", r"\1\2")
    if kind.kind == "decimal" and pc.any(pc.match_substring(text, "E")).as_py():
        # Arrow writes small decimals as 1E-10
        plain = [None if word is None else f"{Decimal(word):f}" for word in text.to_pylist()]
        return pa.array(plain, pa.string())
    return text


def from_text(text: pa.Array, kind: ColumnType) -> pa.Array:
    """The values of strings made by `to_text`. Raises pyarrow.ArrowInvalid for other texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if kind.kind == "time":
        day = pc.binary_join_element_wise(pa.scalar("1970-01-01"), text.cast(pa.string()), " ")
        return day.cast(pa.timestamp("us")).cast(pa.int64()).cast(pa.time64("us"))
    return text.cast(kind.arrow())


def string_bytes(texts: pa.Array) -> memoryview:
    """The bytes of all strings of an array, one behind the other."""
    import numpy as np

    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, np.int32)
    first, last = bounds[texts.offset], bounds[texts.offset + len(texts)]
    return memoryview(data)[first:last] if data is not None else memoryview(b"")
