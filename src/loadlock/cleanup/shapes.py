"""Rules to which all digits are alike: worked out once for each shape of text instead of for each text.

`1,234.50` and `7,058.33` have one shape, `9,999.99`. A column of a million amounts has some hundred shapes: the rule's
patterns run over those, and the digits of each text are then put into what became of its shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from loadlock.cleanup.known import results_of
from loadlock.cleanup.prepared import query
from loadlock.cleanup.steps import whole

if TYPE_CHECKING:
    import pyarrow as pa

_ZERO, _NINE = 0x30, 0x39
_FEW = 3
"""Shapes pay where there are this many times more rows."""


@dataclass(frozen=True, kw_only=True)
class ShapeStep:
    """SQL over the text column `root` that tells no digit from another, but for whether the first one is 0.

    `texts` are the columns that it makes of the text, in which the digits stay in their order; its others are flags.
    """

    root: str
    sql: str
    texts: tuple[str, ...]

    def run(self, part: pa.Table) -> pa.Table:
        column = whole(part[self.root])
        found = self._by_shape(column) if len(column) else None
        if found is None:
            found = dict(zip(*self._by_text(column), strict=True))
        for name, values in found.items():
            part = part.append_column(name, values)
        return part

    def _by_text(self, column: pa.Array) -> tuple[list[str], list[pa.Array]]:
        import pyarrow as pa

        table = query(self.sql, pa.table({self.root: column}))
        return table.column_names, [whole(values) for values in table.columns]

    def _by_shape(self, column: pa.Array) -> dict[str, pa.Array] | None:
        """The columns made, or None where the texts have too many shapes."""
        import pyarrow.compute as pc

        shapes = shapes_of(column)
        coded = shapes.dictionary_encode()
        if len(coded.dictionary) * _FEW > len(column):
            return None
        results, places = results_of(self.sql, self.root, coded.dictionary)
        rows = pc.fill_null(places.take(coded.indices), 0)
        made = {name: whole(results[name]).take(rows) for name in results.column_names}
        for name in self.texts:
            filled = with_digits(made[name], column, shapes)
            if filled is None:
                return None
            made[name] = filled
        return made


def shapes_of(texts: pa.Array) -> pa.Array:
    """Each text with 9 for every digit, but 0 for a 0 that is its first digit."""
    import pyarrow as pa

    offsets, data = buffers(texts)
    digits = _is_digit(data)
    shaped = np.where(digits, np.uint8(_NINE), data)
    places = np.flatnonzero(digits)
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(digits)])[offsets]
    first = places[before[:-1][np.diff(before) > 0]]
    shaped[first[data[first] == _ZERO]] = _ZERO
    return pa.StringArray.from_buffers(
        len(texts), pa.py_buffer(offsets), pa.py_buffer(shaped), _validity(texts), texts.null_count
    )


def with_digits(templates: pa.Array, texts: pa.Array, shapes: pa.Array) -> pa.Array | None:
    """Each template with its 9s replaced by the digits of its text, in their order.

    None where a template has not as many 9s as the text's shape: then the rule was not one for shapes.
    """
    import pyarrow as pa

    offsets, made = buffers(templates)
    text_offsets, data = buffers(texts)
    shaped = buffers(shapes)[1]
    free, nines = made == _NINE, shaped == _NINE
    if not np.array_equal(_counted(free, offsets), _counted(nines, text_offsets)):
        return None
    made = made.copy()
    made[free] = data[nines]
    return pa.StringArray.from_buffers(
        len(templates), pa.py_buffer(offsets), pa.py_buffer(made), _validity(templates), templates.null_count
    )


def buffers(texts: pa.Array) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Offsets (int32, from 0) and bytes of a string array."""
    held = texts.buffers()
    offsets = np.frombuffer(held[1], np.int32, len(texts) + 1, texts.offset * 4)
    data = np.frombuffer(held[2], np.uint8) if held[2] is not None else np.zeros(0, np.uint8)
    return offsets - offsets[0], data[offsets[0] : offsets[-1]]


def _is_digit(data: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    # bytes below "0" wrap round to above 9
    return (data - np.uint8(_ZERO)) < 10


def _counted(marks: np.ndarray[Any, Any], offsets: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """How many marks lie in each text."""
    return np.diff(np.concatenate([np.zeros(1, np.int64), np.cumsum(marks)])[offsets])


def _validity(texts: pa.Array) -> Any:
    """The bitmap of the values that are not null, for an array without offset; None if there is no null."""
    if not texts.null_count:
        return None
    import pyarrow as pa
    import pyarrow.compute as pc

    return pa.py_buffer(np.packbits(pc.is_valid(texts).to_numpy(zero_copy_only=False), bitorder="little"))
