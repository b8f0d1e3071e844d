"""Typed Arrow columns to cells and back: JSON of rows for RAW writes, and values as the API reads them.

Numbers go as numbers where a double keeps them, otherwise as text; dates and times as serial numbers (or ISO text) where
that keeps every microsecond, otherwise as ISO text. Null and empty text are both an empty cell.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import ColumnInfo, DeliveryColumn
from loadlock.delivery.destinations._texts import DATE_RANGE, from_text, to_text

if TYPE_CHECKING:
    import pyarrow as pa

CELL_CHARS = 50_000
SLICE_BYTES = 4 << 20
"""Arrow bytes turned into JSON at a time."""
DAY_MICROSECONDS = 86_400_000_000
EPOCH_DAYS = 25_569
"""Serial number of 1970-01-01."""
FIRST_SERIAL_DAY = 2 - EPOCH_DAYS
"""1900-01-01 in days since 1970: dates before are sent as text, since spreadsheets don't agree about them."""
FORMATS = {
    "date": {"type": "DATE", "pattern": "yyyy-mm-dd"},
    "time": {"type": "TIME", "pattern": "hh:mm:ss"},
    "timestamp": {"type": "DATE_TIME", "pattern": "yyyy-mm-dd hh:mm:ss"},
}
"""Kind of column → number format of its serial numbers."""
_WIDE = Context(prec=100)
_FORMULA = r"^('*[=+\-@\t\r])"
_ESCAPED = r"^'('*[=+\-@\t\r])"


def column_info(name: str) -> ColumnInfo:
    """What a cell can hold."""
    return ColumnInfo(name=name, sql_type="a cell", max_chars=CELL_CHARS, forbids="nul nan", date_range=DATE_RANGE)


class Encoder:
    """Rows of these columns as JSON."""

    def __init__(self, columns: Sequence[DeliveryColumn], *, serials: bool, escape_formulas: bool) -> None:
        self._columns = columns
        self._serials = serials
        self.escapes = escape_formulas

    def bodies(self, rows: pa.Table, budget: int) -> Iterator[tuple[int, bytes]]:
        """Number of rows and JSON (`[...],[...]`) of slices of at most `budget` bytes; a longer row stands alone."""
        import numpy as np

        step = max(1, rows.num_rows * SLICE_BYTES // max(rows.nbytes, 1))
        start = 0
        while start < rows.num_rows:
            bounds, data = self._lines(rows.slice(start, step))
            at, whole = 0, start + step >= rows.num_rows
            while at < len(bounds) - 1:
                end = int(np.searchsorted(bounds, bounds[at] + budget, "right")) - 1
                end = max(end, at + 1)
                if end == len(bounds) - 1 and not whole:
                    # rows that don't fill a request go with the next slice
                    step = step if at else 2 * step
                    break
                yield end - at, bytes(data[bounds[at] : bounds[end] - 1])
                at = end
            start += at

    def _lines(self, rows: pa.Table) -> tuple[Any, memoryview]:
        """The rows as `[...],` one behind the other: where each begins, and the bytes."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        cells = [
            self._cells(rows.column(index).combine_chunks(), column).cast(pa.large_string())
            for index, column in enumerate(self._columns)
        ]
        inner = pc.binary_join_element_wise(*cells, pa.scalar(",", pa.large_string())) if len(cells) > 1 else cells[0]
        ends = [pa.scalar(text, pa.large_string()) for text in ("[", "],", "")]
        lines = pc.binary_join_element_wise(ends[0], inner, ends[1], ends[2])
        _, offsets, data = lines.buffers()
        bounds = np.frombuffer(offsets, np.int64)[lines.offset : lines.offset + len(lines) + 1]
        return bounds, memoryview(data)

    def _cells(self, values: pa.Array, column: DeliveryColumn) -> pa.Array:
        """JSON of each value; null is empty text."""
        import pyarrow.compute as pc

        kind = column.type.kind
        if kind in ("text", "json", "uuid"):
            found = _json_texts(self._escaped(values) if kind == "text" else values)
        elif kind == "boolean":
            found = pc.if_else(values, "true", "false")
        elif kind in FORMATS and self._serials:
            found = _serials(values, column)
        elif kind in ("integer", "decimal", "float"):
            found = _numbers(values, column)
        else:
            found = _quoted(to_text(values, column.type))
        return pc.fill_null(found, '""')

    def _escaped(self, values: pa.Array) -> pa.Array:
        import pyarrow.compute as pc

        return pc.replace_substring_regex(values, _FORMULA, r"'\1", max_replacements=1) if self.escapes else values


def _quoted(texts: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    quote = pa.scalar('"')
    return pc.binary_join_element_wise(quote, texts, quote, "")


def _json_texts(values: pa.Array) -> pa.Array:
    """JSON strings. Quotes and backslashes are escaped in whole buffers, rows with control characters one by one."""
    import orjson
    import pyarrow as pa
    import pyarrow.compute as pc

    special = pc.match_substring_regex(values, '["\\\\]')
    plain = values
    if pc.any(special).as_py():
        plain = pc.replace_substring(pc.replace_substring(values, "\\", "\\\\"), '"', '\\"')
    found = _quoted(plain)
    control = pc.fill_null(pc.match_substring_regex(values, "[\\x00-\\x1f]"), False)
    if pc.any(control).as_py():
        rare = [orjson.dumps(text).decode() for text in values.filter(control).to_pylist()]
        found = pc.replace_with_mask(found, control, pa.array(rare, found.type))
    return found


def _numbers(values: pa.Array, column: DeliveryColumn) -> pa.Array:
    """Numbers that a double keeps, the others as text."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = to_text(values, column.type)
    if column.type.kind == "integer":
        kept = pc.less_equal(pc.abs_checked(pc.max_element_wise(values, -(2**53) - 1)), 2**53)
    elif column.type.kind == "float":
        filled = values.fill_null(0.0).to_numpy(zero_copy_only=False)
        kept = pa.array(~((filled == 0) & np.signbit(filled)))
    else:
        # its own digits: Arrow's cast to a double is off by one place now and then
        kept = _kept_decimals(values, texts)
    return pc.if_else(kept, texts, _quoted(texts))


def _kept_decimals(values: pa.Array, texts: pa.Array) -> pa.Array:
    """Which decimals come back from a double: those of at most 15 significant digits."""
    import pyarrow.compute as pc

    digits = pc.utf8_length(pc.replace_substring_regex(texts, r"^-?0*\.?0*|\.|-", ""))
    return pc.less_equal(digits, 15)


def _serials(values: pa.Array, column: DeliveryColumn) -> pa.Array:
    """Days since 1899-12-30, with a fraction; ISO text where that would not be exact, or before 1900."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = _quoted(to_text(values, column.type))
    if column.type.kind == "date":
        days = values.cast(pa.int32()).cast(pa.int64())
        numbers = pc.add(days, EPOCH_DAYS).cast(pa.string())
        return pc.if_else(pc.greater_equal(days, FIRST_SERIAL_DAY), numbers, texts)
    moments = values.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    shift = EPOCH_DAYS * DAY_MICROSECONDS if column.type.kind == "timestamp" else 0
    serial = (moments + shift) / DAY_MICROSECONDS
    exact = np.rint(serial * DAY_MICROSECONDS).astype(np.int64) == moments + shift
    first = 2 * DAY_MICROSECONDS if column.type.kind == "timestamp" else 0
    kept = pa.array(exact & (moments + shift >= first))
    numbers = pa.array(serial).cast(pa.string())
    found = pc.if_else(kept, numbers, texts)
    return pc.if_else(values.is_null(), pa.scalar(None, pa.string()), found)


def decode(values: Sequence[Any], column: DeliveryColumn, *, escaped: bool, empty_text: bool) -> pa.Array:
    """A column's values as the API reads them (text, numbers, booleans, "" for an empty cell) in its Arrow type.

    A value that the type can't hold was changed by others and becomes null. `empty_text`: an empty cell of a text column is
    empty text, not null.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type.kind
    if kind in ("text", "json", "uuid"):
        nothing = "" if kind == "text" and empty_text else None
        texts = pa.array([nothing if v == "" and isinstance(v, str) else _as_text(v) for v in values], pa.string())
        return (
            pc.replace_substring_regex(texts, _ESCAPED, r"\1", max_replacements=1)
            if escaped and kind == "text"
            else texts
        )
    readers = {"integer": _integer, "decimal": _decimal, "float": _float, "boolean": _boolean}
    if kind in readers:
        return pa.array([readers[kind](value, column) for value in values], column.type.arrow())
    return _moments(values, column)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return value if isinstance(value, str) else repr(value)


def _integer(value: Any, _: DeliveryColumn) -> int | None:
    try:
        number = value if isinstance(value, float) else int(value)
        fits = not isinstance(value, bool) and number == int(number) and -(2**63) <= number < 2**63
        return int(number) if fits else None
    except (ValueError, OverflowError):
        return None


def _decimal(value: Any, column: DeliveryColumn) -> Decimal | None:
    try:
        number = Decimal(str(value))
        rounded = number.quantize(Decimal(1).scaleb(-(column.type.scale or 0)), context=_WIDE)
    except InvalidOperation:
        return None
    return rounded if rounded == number and not isinstance(value, bool) else None


def _float(value: Any, _: DeliveryColumn) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and not isinstance(value, bool) else None


def _boolean(value: Any, _: DeliveryColumn) -> bool | None:
    return value if isinstance(value, bool) else None


def _moments(values: Sequence[Any], column: DeliveryColumn) -> pa.Array:
    """Serial numbers and ISO texts as dates, times or timestamps."""
    import pyarrow as pa

    kind, arrow = column.type.kind, column.type.arrow()
    texts = [value if isinstance(value, str) and value else None for value in values]
    found = _iso(texts, column).to_pylist() if any(texts) else [None] * len(values)
    plain = pa.array(found, arrow).cast(pa.int32() if kind == "date" else pa.int64()).to_pylist()
    shift = 0 if kind == "time" else EPOCH_DAYS
    for index, value in enumerate(values):
        if isinstance(value, int | float) and not isinstance(value, bool):
            plain[index] = (
                round(value) - shift if kind == "date" else round(value * DAY_MICROSECONDS) - shift * DAY_MICROSECONDS
            )
    return pa.array(plain, pa.int32() if kind == "date" else pa.int64()).cast(arrow)


def _iso(texts: list[str | None], column: DeliveryColumn) -> pa.Array:
    import pyarrow as pa

    try:
        return from_text(pa.array(texts, pa.string()), column.type)
    except pa.ArrowInvalid:
        kept = []
        for text in texts:
            try:
                kept.append(from_text(pa.array([text], pa.string()), column.type)[0].as_py())
            except pa.ArrowInvalid:
                kept.append(None)
        return pa.array(kept, column.type.arrow())
