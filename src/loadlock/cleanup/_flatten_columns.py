"""Tokens of JSON values into Arrow text columns, a column at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from loadlock.cleanup._flatten_tree import unescaped

if TYPE_CHECKING:
    import pyarrow as pa


def text_column(tokens: Sequence[bytes | None]) -> tuple[pa.Array, list[int]]:
    """The values of a column: strings without quotes and escapes, null and None as null, all else as written.

    Beside it the indexes of strings that are no text (half of a surrogate pair); they are null.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    raw = pa.array(tokens, pa.binary())
    # tokens are cut at ASCII characters out of valid UTF-8, so they are valid too
    column = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers(), raw.null_count)
    # without a backslash no quote stands inside a string, so trimming takes exactly the two at its ends
    trimmed = pc.ascii_trim(column, characters='"')
    nulls = pc.equal(column, "null")
    if pc.any(nulls).as_py():
        trimmed = pc.if_else(nulls, pa.scalar(None, pa.string()), trimmed)
    if b"\\" not in (raw.buffers()[2] or pa.py_buffer(b"")).to_pybytes():
        return trimmed, []
    return _unescape(column, trimmed)


def _unescape(column: pa.Array, trimmed: pa.Array) -> tuple[pa.Array, list[int]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    escaped = pc.and_(pc.starts_with(column, '"'), pc.match_substring(column, "\\"))
    escaped = pc.fill_null(escaped, False)
    texts: list[str | None] = []
    bad = []
    for index in pc.indices_nonzero(escaped).to_pylist():
        try:
            texts.append(unescaped(column[index].as_py()))
        except UnicodeEncodeError:
            texts.append(None)
            bad.append(index)
    return pc.replace_with_mask(trimmed, escaped, pa.array(texts, pa.string())), bad
