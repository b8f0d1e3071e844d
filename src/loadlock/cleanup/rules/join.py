"""join: several columns into one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup._sql import literal
from loadlock.cleanup.base import Finding, RowExample, RuleContext, Touched, option


class Join:
    """Joins the values of several columns into `column:`, in order. Empty ones are left out; where all are empty, the result
    is null."""

    name: ClassVar[str] = "join"
    summary: ClassVar[str] = "Join several columns into one."
    shorthand: ClassVar[str | None] = "columns"
    examples: ClassVar[tuple[RowExample, ...]] = (
        RowExample(
            options=["first_name", "last_name"],
            column="name",
            before={"first_name": "Ann", "last_name": "Lee"},
            after={"name": "Ann Lee"},
        ),
        RowExample(
            options={"columns": ["street", "city"], "by": ", "},
            column="address",
            before={"street": None, "city": "Rome"},
            after={"address": "Rome"},
        ),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        columns: tuple[str, ...] = option("The columns, in order.")
        by: str = option("What stands between the values.", default=" ")

    def __init__(self, options: Options) -> None:
        if len(options.columns) < 2:
            raise ValueError("`columns` must name two columns or more")
        self.options = options

    def touches(self, column: str) -> Touched:
        """From the columns into one."""
        if not column:
            raise ValueError("join names no column for the result; add `column:`")
        return Touched(reads=tuple(dict.fromkeys(self.options.columns)), writes=(column,))

    def row_sql(self, values: Mapping[str, str], column: str, context: RuleContext) -> dict[str, str]:
        """Nulls are left out by the function itself."""
        parts = ", ".join(f"nullif({values[name]}, '')" for name in self.options.columns)
        return {column: f"nullif(concat_ws({literal(self.options.by)}, {parts}), '')"}

    def row_findings(self, values: Mapping[str, str], column: str, context: RuleContext) -> list[Finding]:
        """None."""
        return []
