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
    loaded.

    `table` names a table beside the destination's, in the same database: it may have any number of rows, and is looked into
    before anything is delivered. What it doesn't hold is rejected by the stage delivery. A table may refer to itself: then
    rows of the batch count too."""

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
        file: str | None = option(
            "CSV (with a header) or Parquet file, its path from the pipeline's folder; or `URL#table` of a database.",
            default=None,
        )
        table: str | None = option("In place of `file`: a table of the destination's database.", default=None)
        column: str | None = option(
            "The table's column; the one named like the checked column, else the first.", default=None
        )
        also: Mapping[str, str] | None = option("Further columns that must be equal, `row: table`.", default=None)

    def __init__(self, options: Options) -> None:
        if (options.file is None) == (options.table is None):
            raise ValueError("give `file` or `table`")
        self.options = options

    def findings(self, value: str, text: str, context: RuleContext) -> list[Finding]:
        """Several columns are compared as one text; a row in which one of them is empty refers to nothing."""
        path = self.options.file
        if path is None:  # the whole batch is looked up at once
            return []
        message = f"{{value}} is not in {label(path)}"
        if not self.options.also:
            known = column_values(context, path, self.options.column)
            found = holds_value(value, known, context) if known else "false"
            return [Finding(code="not_found", sql=f"{value}::varchar <> '' and not ({found})", message=message)]
        keys = self._keys(path, context)
        columns = [value, *(self._column(name, context) for name in self.options.also)]
        own = [f"nullif({column}::varchar, '')" for column in columns]
        joined = f" || chr({ord(_JOINT)}) || ".join(own)
        found = one_of(f"({joined})", keys) if keys else "false"
        shown = f"{message} together with {', '.join(self.options.also)}"
        return [Finding(code="not_found", sql=f"({joined}) is not null and not ({found})", message=shown)]

    def _keys(self, path: str, context: RuleContext) -> tuple[str, ...]:
        rows = file_rows(context, path)
        names = [self.options.column or (context.column if context.column in rows[0] else None)]
        places = [place(rows, name, 0, path) for name in (*names, *(self.options.also or {}).values())]
        return tuple(dict.fromkeys(_JOINT.join(row[index] for index in places) for row in rows[1:]))

    def _column(self, name: str, context: RuleContext) -> str:
        if name not in context.columns:
            raise UsageError(f"column {context.column}: there is no column {name!r}", hint="Name a declared column.")
        return context.columns[name].sql
