"""PostgreSQL's types: what we create, what an existing column can hold, how values travel there and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import ColumnInfo, TableInfo
from loadlock.types import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

_CREATED = {
    "text": "text",
    "integer": "bigint",
    "float": "double precision",
    "boolean": "boolean",
    "date": "date",
    "time": "time",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "json": "jsonb",
    "uuid": "uuid",
}
TEXTS = frozenset({"text", "varchar", "bpchar", "citext", "name"})
_INTEGERS = {"int2": (-(2**15), 2**15 - 1), "int4": (-(2**31), 2**31 - 1), "int8": (-(2**63), 2**63 - 1)}
_ACCEPTS: dict[str, tuple[str, ...]] = {
    "bool": ("boolean",),
    "numeric": ("integer", "decimal"),
    "float8": ("float",),
    "date": ("date",),
    "time": ("time",),
    "timestamp": ("timestamp", "date"),
    "timestamptz": ("timestamptz",),
    "json": ("json",),
    "jsonb": ("json",),
    "uuid": ("uuid",),
    **dict.fromkeys(_INTEGERS, ("integer", "decimal")),
}
_FIRST_DAY = "-4712-11-24"
_DATE_RANGES = {
    "date": (_FIRST_DAY, "5874897-12-31"),
    "timestamp": (_FIRST_DAY, "294276-12-31"),
    "timestamptz": (_FIRST_DAY, "294276-12-31"),
}


def created_type(kind: ColumnType) -> str:
    """The type of a column that Loadlock creates."""
    return f"numeric({kind.precision},{kind.scale})" if kind.kind == "decimal" else _CREATED[kind.kind]


@dataclass(frozen=True, kw_only=True)
class CatalogColumn:
    """A column as pg_attribute has it; `type` is the base type's internal name, `modifier` its typmod."""

    name: str
    shown_type: str
    type: str
    modifier: int
    is_enum: bool
    not_null: bool
    has_default: bool
    generated: bool
    identity_always: bool

    def info(self) -> ColumnInfo:
        """What fits into it."""
        limits: dict[str, Any] = {}
        if self.type in ("varchar", "bpchar") and self.modifier >= 4:
            limits["max_chars"] = self.modifier - 4
        if self.type == "numeric" and self.modifier >= 4:
            limits["precision"] = (self.modifier - 4) >> 16 & 0xFFFF
            limits["scale"] = ((self.modifier - 4 & 0x7FF) ^ 1024) - 1024
        if self.type in ("time", "timestamp", "timestamptz") and self.modifier >= 0:
            limits["scale"] = self.modifier
        return ColumnInfo(
            name=self.name,
            sql_type=self.shown_type,
            nullable=not self.not_null,
            has_default=self.has_default,
            generated=self.generated,
            integer_range=_INTEGERS.get(self.type),
            date_range=_DATE_RANGES.get(self.type),
            forbids=self._forbids(),
            accepts=self._accepts(),
            **limits,
        )

    def _forbids(self) -> str:
        if self.type == "bpchar":
            return "nul trailing_space"
        return "nul" if self.type in TEXTS or self.is_enum or self.is_written else ""

    def _accepts(self) -> tuple[str, ...] | None:
        if self.type in TEXTS:
            return None
        return ("text",) if self.is_enum else _ACCEPTS.get(self.type, ("text",))

    @property
    def is_written(self) -> bool:
        """Whether it takes text in the form in which the server shows its values: intervals, arrays, addresses, bytes ..."""
        return not (self.type in TEXTS or self.is_enum or self.type in _ACCEPTS)


@dataclass(frozen=True, kw_only=True)
class CatalogTable:
    """A table as the catalogue has it. `kind` is pg_class.relkind."""

    kind: str
    columns: tuple[CatalogColumn, ...]
    unique: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> CatalogColumn:
        return next(column for column in self.columns if column.name == name)

    def info(self) -> TableInfo:
        return TableInfo(columns=tuple(column.info() for column in self.columns), unique=self.unique)


def compared(column: CatalogColumn, sql: str) -> str:
    """An expression by which two values of a column are told apart exactly as the digest does."""
    if column.type in TEXTS:
        return f'{sql}::text collate "C"'
    return f"{sql}::text" if column.type == "json" or column.is_written else sql


def read_sql(column: CatalogColumn, kind: ColumnType, sql: str) -> tuple[str, pa.DataType]:
    """The expression that COPY sends for a column, and the Arrow type its CSV text is read as."""
    import pyarrow as pa

    if column.is_written:
        # as COPY shows it: a cast shows 10.0.0.1 as 10.0.0.1/32
        return sql, pa.string()
    if kind.kind in ("text", "json", "uuid"):
        return f"{sql}::text", pa.string()
    if kind.kind == "timestamptz" and column.type == "timestamptz":
        return f"({sql} at time zone 'UTC')", pa.timestamp("us")
    if kind.kind == "date" and column.type == "timestamp":
        return f"{sql}::date", pa.date32()
    return sql, kind.arrow()


Convert = Callable[["pa.Array"], "pa.Array"]


@dataclass(frozen=True, kw_only=True)
class Wire:
    """How a column's values go into binary COPY: converted to `type`, then encoded (`jsonb` with its version byte).
    `written` = only COPY in text can send them."""

    type: pa.DataType
    convert: Convert
    jsonb: bool = False
    written: bool = False


def wire_of(column: CatalogColumn, kind: ColumnType) -> Wire:
    """The wire format of one delivered column; the contract check has made sure that there is one."""
    import pyarrow as pa

    if column.type in TEXTS or column.is_enum or column.is_written:
        return Wire(type=pa.string(), convert=_to(pa.string()), written=column.is_written)
    if column.type == "uuid":
        return Wire(type=pa.binary(16), convert=uuid_bytes)
    if column.type == "numeric":
        kind_type = pa.decimal128(19, 0) if kind.kind == "integer" else kind.arrow()
        return Wire(type=kind_type, convert=_to(kind_type))
    simple = {
        "int2": pa.int16(),
        "int4": pa.int32(),
        "int8": pa.int64(),
        "bool": pa.bool_(),
        "float8": pa.float64(),
        "date": pa.date32(),
        "time": pa.time64("us"),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", "UTC"),
        "json": pa.string(),
        "jsonb": pa.string(),
    }[column.type]
    return Wire(type=simple, convert=_to(simple), jsonb=column.type == "jsonb")


def _to(wanted: pa.DataType) -> Convert:
    def convert(values: pa.Array) -> pa.Array:
        return values if values.type == wanted else values.cast(wanted)

    return convert


def uuid_bytes(values: pa.Array) -> pa.Array:
    """UUIDs as text → 16 bytes each."""
    import uuid

    import pyarrow as pa

    plain = [None if text is None else uuid.UUID(text).bytes for text in values.to_pylist()]
    return pa.array(plain, pa.binary(16))
