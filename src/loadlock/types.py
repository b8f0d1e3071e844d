"""The column types of a pipeline, and how DuckDB, Arrow and the digest see them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

KINDS = ("text", "integer", "decimal", "float", "boolean", "date", "time", "timestamp", "timestamptz", "json", "uuid")
MAX_PRECISION = 38

_DUCKDB = {
    "text": "varchar",
    "integer": "bigint",
    "float": "double",
    "boolean": "boolean",
    "date": "date",
    "time": "time",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "json": "varchar",
    "uuid": "varchar",
}
_DECIMAL = re.compile(r"(?:decimal|numeric)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")
_ALIASES = {
    "string": "text", "varchar": "text", "str": "text", "int": "integer", "bigint": "integer", "double": "float",
    "bool": "boolean", "datetime": "timestamp", "timestamp with time zone": "timestamptz", "numeric": "decimal",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ColumnType:
    """A declared type. `precision` and `scale` are for decimals only (1..38, 0..precision)."""

    kind: str
    precision: int | None = None
    scale: int | None = None

    @classmethod
    def parse(cls, text: str) -> ColumnType:
        """`text`, `integer`, `decimal(12,2)` ...; raises ValueError with the choices otherwise."""
        word = " ".join(text.strip().lower().split())
        if match := _DECIMAL.fullmatch(word):
            precision, scale = int(match[1]), int(match[2] or 0)
            if not 1 <= precision <= MAX_PRECISION or scale > precision:
                raise ValueError(f"decimal({precision},{scale}): precision is 1 to {MAX_PRECISION}, scale at most that")
            return cls(kind="decimal", precision=precision, scale=scale)
        word = _ALIASES.get(word, word)
        if word == "decimal":
            raise ValueError("a decimal needs precision and scale, as decimal(12,2)")
        if word not in KINDS:
            raise ValueError(f"unknown type {text!r}; one of {', '.join(KINDS)}, decimal as decimal(12,2)")
        return cls(kind=word)

    def __str__(self) -> str:
        return f"decimal({self.precision},{self.scale})" if self.kind == "decimal" else self.kind

    @property
    def duckdb(self) -> str:
        """The DuckDB type of clean values (json and uuid are kept as checked text)."""
        return str(self) if self.kind == "decimal" else _DUCKDB[self.kind]

    def arrow(self) -> pa.DataType:
        """The Arrow type of clean values. Timestamps are microseconds, `timestamptz` in UTC."""
        import pyarrow as pa

        if self.kind == "decimal":
            return pa.decimal128(self.precision, self.scale)
        return {
            "text": pa.string(),
            "integer": pa.int64(),
            "float": pa.float64(),
            "boolean": pa.bool_(),
            "date": pa.date32(),
            "time": pa.time64("us"),
            "timestamp": pa.timestamp("us"),
            "timestamptz": pa.timestamp("us", "UTC"),
            "json": pa.string(),
            "uuid": pa.string(),
        }[self.kind]


TEXT = ColumnType(kind="text")
