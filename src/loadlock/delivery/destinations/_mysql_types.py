"""The types of MySQL and MariaDB: what we create, what an existing column can hold, how values are read back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import ColumnInfo, TableInfo
from loadlock.types import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

_CREATED = {
    "text": "longtext",
    "integer": "bigint",
    "float": "double",
    "boolean": "tinyint(1)",
    "date": "date",
    "time": "time(6)",
    "timestamp": "datetime(6)",
    "timestamptz": "datetime(6)",
    "json": "json",
    "uuid": "char(36)",
}
KEY_CHARS = 255
_INDEX_CHARS = 760
"""Characters of all text columns of an index: 3,072 bytes in InnoDB, four a character."""
TEXTS = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"})
BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
INTEGERS = frozenset(_BITS) | {"year"}
_ACCEPTS: dict[str, tuple[str, ...]] = {
    "decimal": ("integer", "decimal"),
    "double": ("float",),
    "float": ("float",),
    "bit": ("text", "integer", "boolean"),
    "date": ("date",),
    "time": ("time",),
    "datetime": ("timestamp", "timestamptz", "date"),
    "timestamp": ("timestamptz",),
    "year": ("integer",),
    "json": ("json",),
    "uuid": ("uuid",),
    "enum": ("text",),
    "set": ("text",),
    **dict.fromkeys(BYTES, ("text",)),
    **dict.fromkeys(_BITS, ("integer", "decimal")),
    "tinyint": ("integer", "decimal", "boolean"),
}
_DATE_RANGES = {
    "date": ("0001-01-01", "9999-12-31"),
    "datetime": ("0001-01-01", "9999-12-31"),
    "timestamp": ("1970-01-02", "2038-01-18"),
}


def created_type(kind: ColumnType, collation: str, *, key: bool, keys: int) -> str:
    """The type of a column that Loadlock creates. Text compares by its bytes, trailing spaces included."""
    if kind.kind == "decimal":
        return f"decimal({kind.precision},{kind.scale})"
    if kind.kind in ("text", "uuid"):
        text = "char(36)" if kind.kind == "uuid" else "longtext"
        if key and kind.kind == "text":
            text = f"varchar({min(KEY_CHARS, _INDEX_CHARS // max(keys, 1))})"
        return f"{text} character set utf8mb4 collate {collation}"
    return _CREATED[kind.kind]


@dataclass(frozen=True, kw_only=True)
class CatalogColumn:
    """A column as information_schema has it."""

    name: str
    type: str
    shown_type: str
    nullable: bool
    has_default: bool
    generated: bool
    max_chars: int | None
    max_bytes: int | None
    precision: int | None
    scale: int | None
    fraction: int | None
    charset: str | None

    def info(self) -> ColumnInfo:
        """What fits into it."""
        limits: dict[str, Any] = {}
        if self.type in ("char", "varchar"):
            limits["max_chars"] = self.max_chars
        elif self.type in ("tinytext", "text", "mediumtext"):
            limits["max_bytes"] = self.max_bytes
        elif self.type == "decimal":
            limits.update(precision=self.precision, scale=self.scale)
        elif self.fraction is not None:
            limits["scale"] = self.fraction
        return ColumnInfo(
            name=self.name,
            sql_type=self.shown_type,
            nullable=self.nullable,
            has_default=self.has_default,
            generated=self.generated,
            integer_range=self._range(),
            date_range=_DATE_RANGES.get(self.type),
            forbids=self._forbids(),
            accepts=_ACCEPTS.get(self.type, None if self.type in TEXTS else ()),
            **limits,
        )

    def _range(self) -> tuple[int, int] | None:
        if self.type == "year":
            return 1901, 2155
        if self.type == "bit":
            return 0, min(2 ** (self.precision or 1), 2**63) - 1
        bits = _BITS.get(self.type)
        if bits is None:
            return None
        return (0, 2**bits - 1) if "unsigned" in self.shown_type else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)

    def _forbids(self) -> str:
        found = ["nan"] if self.type in ("double", "float") else []
        if self.type == "char":
            found.append("trailing_space")
        if self.charset in ("utf8", "utf8mb3", "ucs2"):
            found.append("4byte")
        return " ".join(found)


@dataclass(frozen=True, kw_only=True)
class CatalogTable:
    """A table as information_schema has it."""

    kind: str
    """`BASE TABLE`, `VIEW` ..."""
    engine: str
    columns: tuple[CatalogColumn, ...]
    unique: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> CatalogColumn:
        return next(column for column in self.columns if column.name == name)

    def info(self) -> TableInfo:
        return TableInfo(columns=tuple(column.info() for column in self.columns), unique=self.unique)


def compared(column: CatalogColumn, sql: str) -> str:
    """An expression by which two values of a column are told apart by their bytes, whatever the collation."""
    return f"cast({sql} as binary)" if column.type in TEXTS else sql


def read_sql(column: CatalogColumn, kind: ColumnType, sql: str) -> tuple[str, pa.DataType]:
    """The expression of a column's CSV field, and the Arrow type it is read as."""
    import pyarrow as pa

    if column.type in TEXTS or column.type in ("json", "uuid"):
        text = sql if column.charset == "utf8mb4" else f"convert({sql} using utf8mb4)"
        text = f"{text} collate utf8mb4_bin"
        field = f"""ifnull(concat('"', replace({text}, '"', '""'), '"'), '')"""
        return field, pa.string() if kind.kind in ("text", "json", "uuid") else kind.arrow()
    if column.type in BYTES:
        return f"ifnull(concat('0x', lower(hex({sql}))), '')", pa.string()
    if column.type == "bit":
        digits = f"lpad(bin({sql} + 0), {column.precision}, '0')" if kind.kind == "text" else f"{sql} + 0"
        return f"ifnull({digits}, '')", kind.arrow()
    if column.type == "float":
        sql = f"({sql} + 0e0)"
    read_as = pa.timestamp("us") if kind.kind == "timestamptz" else kind.arrow()
    if kind.kind == "date" and column.type == "datetime":
        sql = f"date({sql})"
    return f"ifnull({sql}, '')", read_as
