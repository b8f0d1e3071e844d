"""Values of JSON records as Arrow text columns, a column at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import orjson

from loadlock.cleanup._flatten_names import unescaped
from loadlock.cleanup._flatten_scan import QUOTE, Octets, Positions, Tokens

if TYPE_CHECKING:
    import pyarrow as pa

NULL = 0x6E
"""How `null` begins, and no other value."""


@dataclass(frozen=True, kw_only=True)
class Spans:
    """Values in a slice of valid JSON, in ascending order: where each starts, where it ends, and how it begins."""

    text: bytes
    starts: Positions
    ends: Positions
    first: Octets
    escaped: Positions
    """The numbers of the strings that hold a backslash."""


class Texts:
    """The values at some places of a slice: strings without quotes and escapes, all else as written, null as null."""

    def __init__(self, spans: Spans, null_text: str | None) -> None:
        """`null_text`: stands for null."""
        is_string = spans.first == QUOTE
        self._array = _cut(spans.text, spans.starts + is_string, spans.ends - is_string)
        # the pieces between the values count too
        self._numbers = 2 * np.arange(len(spans.starts), dtype=np.int64)
        nulls = np.flatnonzero(spans.first == NULL)
        self._numbers[nulls] = -1
        if null_text is not None:
            self._add(nulls, [null_text] * len(nulls))
        self._unescape(spans)

    def _unescape(self, spans: Spans) -> None:
        import pyarrow as pa

        which = spans.escaped
        if not len(which):
            return
        tokens = _cut(spans.text, spans.starts[which], spans.ends[which]).cast(pa.binary())[0::2]
        self._add(which, orjson.loads(b"[" + b",".join(tokens.to_pylist()) + b"]"))

    def _add(self, which: Positions, texts: list[str]) -> None:
        """These values are these texts."""
        import pyarrow as pa

        self._numbers[which] = len(self._array) + np.arange(len(which))
        self._array = pa.concat_arrays([self._array, pa.array(texts, pa.string())])

    def columns(self, columns: int, rows: int, places: Positions, values: Positions | slice) -> list[pa.Array]:
        """So many columns of so many rows: the values at these places (column by column), null elsewhere."""
        numbers = np.full(columns * rows, -1, dtype=np.int64)
        numbers[places] = self._numbers[values]
        return self._taken(numbers, columns, rows)

    def transposed(self, columns: int, rows: int) -> list[pa.Array]:
        """So many columns of so many rows, of values that lie row by row."""
        return self._taken(self._numbers.reshape(rows, columns).T.ravel(), columns, rows)

    def _taken(self, numbers: Positions, columns: int, rows: int) -> list[pa.Array]:
        import pyarrow as pa

        # all at once, then cut: a call for each column would cost as much as its values
        made = self._array.take(pa.array(numbers, mask=numbers < 0))
        return [made.slice(column * rows, rows) for column in range(columns)]


def spans_of(found: Tokens, starts: Positions, strings: Positions) -> Spans:
    """The values that start at these places; `strings`: which string each is, if it is one."""
    first = found.octets.take(starts)
    escaped = np.empty(0, dtype=np.int64)
    if len(found.backslashes):
        quoted = np.flatnonzero(first == QUOTE)
        escaped = quoted[found.escaped()[strings[quoted]]]
    ends = found.value_ends(starts, strings)
    return Spans(text=found.text, starts=starts, ends=ends, first=first, escaped=escaped)


def _cut(text: bytes, starts: Positions, ends: Positions) -> pa.Array:
    """The pieces from each start to its end, at the even places, and what lies between them, without copying.

    They are cut at ASCII characters out of valid UTF-8, so they are valid too.
    """
    import pyarrow as pa

    bounds = np.zeros(2 * len(starts) + 1, dtype=np.int32)
    bounds[0:-1:2], bounds[1::2] = starts, ends
    bounds[-1] = bounds[-2] if len(starts) else 0
    return pa.Array.from_buffers(pa.string(), 2 * len(starts), [None, pa.py_buffer(bounds), pa.py_buffer(text)])


def text_column(tokens: Sequence[bytes | None], null_text: str | None) -> tuple[pa.Array, list[int]]:
    """As `Texts`, of tokens by themselves; None is null. Beside it the indexes of strings that are no text.

    (Half of a surrogate pair is no text; they are null.)
    """
    import pyarrow as pa

    texts: list[str | None] = []
    bad = []
    for index, token in enumerate(tokens):
        try:
            texts.append(null_text if token == b"null" else _text(token))
        except UnicodeEncodeError:
            texts.append(None)
            bad.append(index)
    return pa.array(texts, pa.string()), bad


def _text(token: bytes | None) -> str | None:
    if token is None:
        return None
    text = token.decode()
    return unescaped(text) if text.startswith('"') else text
