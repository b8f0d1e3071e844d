"""coalesce: the first column that has a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup.base import Finding, RowExample, RuleContext, Touched, option


class Coalesce:
    """Puts into `column:` the first value there is among some columns. Empty text counts as no value. Name the column itself
    first to fill only its gaps."""

    name: ClassVar[str] = "coalesce"
    summary: ClassVar[str] = "Take the first of several columns that has a value."
    shorthand: ClassVar[str | None] = "columns"
    examples: ClassVar[tuple[RowExample, ...]] = (
        RowExample(
            options=["mobile", "phone"],
            column="contact",
            before={"mobile": "", "phone": "030 123"},
            after={"contact": "030 123"},
        ),
        RowExample(
            options=["mobile", "phone"],
            column="contact",
            before={"mobile": None, "phone": None},
            after={"contact": None},
        ),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        columns: tuple[str, ...] = option("The columns, in order.")

    def __init__(self, options: Options) -> None:
        if not options.columns:
            raise ValueError("`columns` is empty; name at least one")
        self.options = options

    def touches(self, column: str) -> Touched:
        """From the columns into one."""
        if not column:
            raise ValueError("coalesce names no column for the result; add `column:`")
        return Touched(reads=tuple(dict.fromkeys(self.options.columns)), writes=(column,))

    def row_sql(self, values: Mapping[str, str], column: str, context: RuleContext) -> dict[str, str]:
        """The first that is neither null nor empty."""
        return {
            column: f"coalesce({', '.join(f'nullif({values[name]}, {chr(39) * 2})' for name in self.options.columns)})"
        }

    def row_findings(self, values: Mapping[str, str], column: str, context: RuleContext) -> list[Finding]:
        """None."""
        return []
