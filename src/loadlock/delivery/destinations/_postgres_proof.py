"""Proof that a table holds what was sent, without reading its rows back.

While rows are sent, each column's values are hashed (SHA-256) in the order sent. Afterwards the server hashes what lies in
the same stretch of the table, column by column: `sha256(string_agg(int8send(x), ''))`. Where all hashes are equal, every
value of every row is what was sent. Where one differs, nothing is said: values may be equal and lie in another order, so
the caller compares the contents themselves.

Two sequences of values never give the same bytes. Values of a fixed width stand side by side, and a null is one value of that
width that does not occur; texts are parted by a character that does not occur in them, and a null is another such
character. The count of nulls is compared too, so that a null and its stand-in are told apart.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from loadlock.delivery.destinations._postgres_types import TEXTS, CatalogColumn, Wire

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

MAX_SPAN_BYTES = 64 << 20
"""The server joins a span's values in memory: longer ones are not proved."""
OLDEST_SERVER = 140000
"""PostgreSQL 14 reads a stretch of a table by its row addresses without reading the rest."""
_DAYS_TO_2000 = 10_957
_MICROS_TO_2000 = _DAYS_TO_2000 * 86_400_000_000
_TOKENS = (*range(1, 9), 11, 12, *range(14, 32))
"""Control characters, less tab and line ends: those that texts hold most rarely."""
_LEAST = {width: -(1 << (8 * width - 1)) for width in (2, 4, 8)}
_PLAIN_SCALE = 6
_ODD_NAN = 0x7FF8_10AD_10C4_0001


@dataclass(frozen=True, kw_only=True)
class _Fixed:
    """A column shown as values of one width: big-endian integers less `epoch`."""

    show: str
    width: int
    null: int
    epoch: int = 0


FIXED = {
    "int2": _Fixed(show="int2send", width=2, null=_LEAST[2]),
    "int4": _Fixed(show="int4send", width=4, null=_LEAST[4]),
    "int8": _Fixed(show="int8send", width=8, null=_LEAST[8]),
    "bool": _Fixed(show="boolsend", width=1, null=2),
    "float8": _Fixed(show="float8send", width=8, null=_ODD_NAN),
    "date": _Fixed(show="date_send", width=4, null=_LEAST[4], epoch=_DAYS_TO_2000),
    "time": _Fixed(show="time_send", width=8, null=_LEAST[8]),
    "timestamp": _Fixed(show="timestamp_send", width=8, null=_LEAST[8], epoch=_MICROS_TO_2000),
    "timestamptz": _Fixed(show="timestamptz_send", width=8, null=_LEAST[8], epoch=_MICROS_TO_2000),
}


@dataclass(kw_only=True)
class _Column(ABC):
    """One column of a span: its hash so far, and how the server is asked for the same."""

    column: CatalogColumn
    digest: Any = field(default_factory=hashlib.sha256)
    nulls: int = 0
    bytes: int = 0
    sound: bool = True
    """False: a value that stands for null, or parts values, occurs."""

    @abstractmethod
    def update(self, values: pa.Array) -> None:
        """Hash the next values, as they go into COPY."""

    @abstractmethod
    def sql(self, name: str) -> str:
        """The server's hash of the same values; `name` is the column as SQL."""

    def _hash(self, block: Any) -> None:
        view = memoryview(block)
        self.bytes += view.nbytes
        self.digest.update(view)


@dataclass(kw_only=True)
class _FixedColumn(_Column):
    way: _Fixed

    def update(self, values: pa.Array) -> None:
        numbers = integers(values, self.way.width)
        if self.way.epoch:
            numbers = numbers - numbers.dtype.type(self.way.epoch)
        if values.null_count:
            self.nulls += values.null_count
            valid = values.is_valid().to_numpy(zero_copy_only=False)
            self.sound &= not bool((numbers[valid] == self.way.null).any())
            numbers = numbers.copy()
            numbers[~valid] = self.way.null
        self._hash(numbers.astype(numbers.dtype.newbyteorder(">"), copy=False).tobytes())

    def sql(self, name: str) -> str:
        shown = f"{self.way.show}({name})"
        if self.nulls:
            null = self.way.null.to_bytes(self.way.width, "big", signed=True).hex()
            shown = f"coalesce({shown}, '\\x{null}'::bytea)"
        return f"sha256(string_agg({shown}, ''::bytea))"


@dataclass(kw_only=True)
class _UuidColumn(_Column):
    def update(self, values: pa.Array) -> None:
        import pyarrow as pa

        stand_in = pa.scalar(b"\xff" * 16, values.type)
        if values.null_count:
            self.nulls += values.null_count
            self.sound &= stand_in.as_py() not in set(values.to_pylist())
            values = values.fill_null(stand_in)
        self._hash(memoryview(values.buffers()[1])[16 * values.offset : 16 * (values.offset + len(values))])

    def sql(self, name: str) -> str:
        shown = f"uuid_send({name})"
        if self.nulls:
            shown = f"coalesce({shown}, '\\x{'ff' * 16}'::bytea)"
        return f"sha256(string_agg({shown}, ''::bytea))"


@dataclass(kw_only=True)
class _TextColumn(_Column):
    """Text, or what is shown as text. `between` and `null` are characters that occur in no value."""

    between: int
    null: int
    scale: int | None = None
    """Decimals that the server shows of a number."""
    begun: bool = False

    def update(self, values: pa.Array) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.scale is not None:
            values = _decimal_texts(values, self.scale)
        plain = values.cast(pa.binary())
        if plain.null_count:
            self.nulls += plain.null_count
            plain = plain.fill_null(pa.scalar(bytes([self.null]), pa.binary()))
        if self.begun:
            self._hash(bytes([self.between]))
        self.begun = True
        whole = pa.ListArray.from_arrays(pa.array([0, len(plain)], pa.int32()), plain)
        joined = pc.binary_join(whole, pa.scalar(bytes([self.between]), pa.binary()))
        self._hash(joined[0].as_buffer())

    def sql(self, name: str) -> str:
        shown = f"{name}::text"
        if self.nulls:
            shown = f"coalesce({shown}, chr({self.null}))"
        return f"sha256(convert_to(string_agg({shown}, chr({self.between})), 'UTF8'))"


@dataclass(kw_only=True)
class Span:
    """The hashes of the rows of one COPY; `update` is called for each block of converted columns, in order."""

    columns: list[_Column]
    rows: int = 0
    behind: str = ""
    """Address of the last row before it, `(block,number)`."""
    last: str = ""
    """Address of its last row."""
    xid: str | None = None
    """Transaction that wrote it, where rows of others may lie between."""

    def update(self, arrays: Sequence[pa.Array]) -> None:
        """The next block; the arrays are those that are encoded."""
        for column, values in zip(self.columns, arrays, strict=False):
            column.update(values)
        self.rows += len(arrays[0])

    @property
    def sound(self) -> bool:
        """Whether the hashes can prove anything."""
        return all(c.sound for c in self.columns) and sum(c.bytes for c in self.columns) <= MAX_SPAN_BYTES

    def question(self, quote: Callable[[str], str]) -> str:
        """The select list that asks the server for `answer`."""
        names = [f"t.{quote(c.column.name)}" for c in self.columns]
        wanted = [c.sql(name) for c, name in zip(self.columns, names, strict=True)]
        counts = [f"count({name})" for c, name in zip(self.columns, names, strict=True) if c.nulls]
        return ", ".join(["count(*)", *wanted, *counts])

    def answer(self) -> tuple[Any, ...]:
        """What the server answers if it holds these rows."""
        counts = [self.rows - c.nulls for c in self.columns if c.nulls]
        return (self.rows, *(c.digest.digest() for c in self.columns), *counts)


def span_of(columns: Sequence[CatalogColumn], wires: Sequence[Wire], rows: pa.Table) -> Span | None:
    """A span for these rows (the columns first); None where a column can't be hashed as the server does."""
    made = [
        _column(column, wire, rows.column(index))
        for index, (column, wire) in enumerate(zip(columns, wires, strict=True))
    ]
    found = [column for column in made if column is not None]
    return Span(columns=found) if len(found) == len(made) else None


def _column(column: CatalogColumn, wire: Wire, values: pa.ChunkedArray) -> _Column | None:
    """The column's hash for these values; None where they hold every character that could part them."""
    if column.type in FIXED:
        return _FixedColumn(column=column, way=FIXED[column.type])
    if column.type == "uuid":
        return _UuidColumn(column=column)
    if column.type == "numeric":
        scale = column.info().scale
        return _TextColumn(column=column, between=1, null=2, scale=wire.type.scale if scale is None else scale)
    if not (column.type in TEXTS or column.is_enum or column.type == "json"):
        return None
    free = _free_characters(values)
    return _TextColumn(column=column, between=free[0], null=free[1]) if len(free) > 1 else None


def _free_characters(values: pa.ChunkedArray) -> list[int]:
    """Control characters that occur in none of these texts, the first two of them."""
    import numpy as np
    import pyarrow as pa

    used: set[int] = set()
    for chunk in values.chunks:
        data = chunk.buffers()[2] if pa.types.is_string(chunk.type) or pa.types.is_large_string(chunk.type) else None
        content = np.frombuffer(data or b"", np.uint8)
        if content.size and content.min() < 32:
            used.update(np.unique(content[content < 32]).tolist())
    return [token for token in _TOKENS if token not in used][:2]


def integers(values: pa.Array, width: int) -> np.ndarray[Any, Any]:
    """The values as signed integers of `width` bytes, 0 for null."""
    import pyarrow as pa

    kind = {1: pa.uint8(), 2: pa.int16(), 4: pa.int32(), 8: pa.int64()}[width]
    plain = values.cast(kind) if pa.types.is_boolean(values.type) else values.view(kind)
    found: np.ndarray[Any, Any] = plain.fill_null(0).to_numpy() if plain.null_count else plain.to_numpy()
    return found


def _decimal_texts(values: pa.Array, scale: int) -> pa.Array:
    """Numbers as PostgreSQL shows them, with `scale` decimals."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if values.type.scale != scale:
        values = values.cast(pa.decimal128(38, scale))
    texts = values.cast(pa.string())
    if scale <= _PLAIN_SCALE:
        return texts
    # Arrow shows the smallest ones with an exponent
    odd = pc.fill_null(pc.match_substring(texts, "E"), False)
    plain = [format(Decimal(text), "f") for text in texts.filter(odd).to_pylist()]
    return pc.replace_with_mask(texts, odd, pa.array(plain, pa.string()))
