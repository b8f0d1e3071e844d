"""references: the value must stand in another table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup._lookup import column_values, file_rows, holds_value, label, place
from loadlock.cleanup._sql import one_of
from loadlock.cleanup.base import Example, Finding, RuleContext, option
from loadlock.errors import UsageError

_JOINT = "\x1f"


class References:
    """The value must stand in a column of another table: a CSV or Parquet file, or a table of a database (the parent of a
    foreign key, say). With `also` several columns together must be one row of it. The table is read when the pipeline is
    loaded."""

    name: ClassVar[str] = "references"
    summary: ClassVar[str] = "The value must stand in another table."
    shorthand: ClassVar[str | None] = "file"
    example_lookups: ClassVar[Mapping[str, tuple[tuple[str, ...], ...]]] = {
        "customers.csv": (("id", "country"), ("7", "IT"), ("8", "NO")),
    }
    example_columns: ClassVar[Mapping[str, str]] = {"land": "'IT'"}
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options={"file": "customers.csv", "column": "id"}, before="7", passes=True),
        Example(options={"file": "customers.csv", "column": "id"}, before="9", passes=False),
        Example(
            options={"file": "customers.csv", "column": "id", "also": {"land": "country"}}, before="7", passes=True
        ),
        Example(
            options={"file": "customers.csv", "column": "id", "also": {"land": "country"}}, before="8", passes=False
        ),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        file: str = option(
            "CSV (with a header) or Parquet file, its path from the pipeline's folder; or `URL#table` of a database."
        )
        column: str | None = option(
            "The table's column; the one named like the checked column, else the first.", default=None
        )
        also: Mapping[str, str] | None = option("Further columns that must be equal, `row: table`.", default=None)

    def __init__(self, options: Options) -> None:
        self.options = options

    def findings(self, value: str, text: str, context: RuleContext) -> list[Finding]:
        """Several columns are compared as one text; a row in which one of them is empty refers to nothing."""
        path = self.options.file
        message = f"{{value}} is not in {label(path)}"
        if not self.options.also:
            known = column_values(context, path, self.options.column)
            found = holds_value(value, known, context) if known else "false"
            return [Finding(code="not_found", sql=f"{value}::varchar <> '' and not ({found})", message=message)]
        keys = self._keys(context)
        columns = [value, *(self._column(name, context) for name in self.options.also)]
        own = [f"nullif({column}::varchar, '')" for column in columns]
        joined = f" || chr({ord(_JOINT)}) || ".join(own)
        found = one_of(f"({joined})", keys) if keys else "false"
        shown = f"{message} together with {', '.join(self.options.also)}"
        return [Finding(code="not_found", sql=f"({joined}) is not null and not ({found})", message=shown)]

    def _keys(self, context: RuleContext) -> tuple[str, ...]:
        rows = file_rows(context, self.options.file)
        names = [self.options.column or (context.column if context.column in rows[0] else None)]
        places = [place(rows, name, 0, self.options.file) for name in (*names, *(self.options.also or {}).values())]
        return tuple(dict.fromkeys(_JOINT.join(row[index] for index in places) for row in rows[1:]))

    def _column(self, name: str, context: RuleContext) -> str:
        if name not in context.columns:
            raise UsageError(f"column {context.column}: there is no column {name!r}", hint="Name a declared column.")
        return context.columns[name].sql
