"""Columns of MySQL and MariaDB that take no text as it stands: bytes as hexadecimal digits, bits as 0 and 1, single precision.

A value is taken in the one form in which it is read back. Any other spelling is refused, and the message tells the form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlock.delivery.destinations._mysql_types import BYTES, CatalogColumn
from loadlock.errors import Refusal, RowsRefusedError
from loadlock.types import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

_HEX = "^0x([0-9a-f]{2})*$"


def written_sql(column: CatalogColumn, kind: ColumnType, value: str) -> str | None:
    """What the column is set to, of a value as text (as SQL); None: the text itself."""
    if column.type in BYTES:
        return f"unhex(substring({value}, 3))"
    if column.type == "bit":
        number = f"conv({value}, 2, 10)" if kind.kind == "text" else value
        return f"cast({number} as unsigned)"
    return None


def refuse_unlike(column: CatalogColumn, kind: ColumnType, values: pa.ChunkedArray) -> None:
    """Raise RowsRefusedError for the first value that would be read back as another one."""
    import pyarrow.compute as pc

    if column.type in BYTES:
        wanted = "is not written as the column's bytes are shown: 0x and two digits 0-9, a-f for each byte"
        fits = pc.match_substring_regex(values, _HEX)
        if column.type == "binary":
            wanted += f", {column.max_bytes} bytes"
            fits = pc.and_(fits, pc.equal(pc.binary_length(values), 2 + 2 * (column.max_bytes or 0)))
    elif column.type == "bit" and kind.kind == "text":
        wanted = f"is not written as {column.shown_type} is shown: {column.precision} digits 0 or 1"
        fits = pc.match_substring_regex(values, f"^[01]{{{column.precision}}}$")
    elif column.type == "float":
        wanted = "has more digits than a column of single precision keeps, about seven"
        fits = pc.equal(narrowed(values), values)
    else:
        return
    bad = pc.index(pc.fill_null(fits, True), False).as_py()
    if bad >= 0:
        shown = str(values[bad].as_py())
        brief = repr(shown if len(shown) <= 100 else shown[:100] + "...")
        raise RowsRefusedError(Refusal(message=f"{brief} {wanted}", column=column.name, row=bad))


def narrowed(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers as single precision shows them: the fewest digits that tell one apart."""
    import pyarrow as pa

    return values.cast(pa.float32(), safe=False).cast(pa.string()).cast(pa.float64())
