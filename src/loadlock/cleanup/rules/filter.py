"""filter: leave out rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup.base import RowExample, Touched, option


class Filter:
    """Keeps the rows for which an SQL condition over the row is true. The others are skipped by this rule: they are counted
    (`skipped` in the balance) and are no rejects. False, null and an error of the condition all mean: skip. A row with a
    problem is a reject all the same."""

    name: ClassVar[str] = "filter"
    summary: ClassVar[str] = "Keep the rows for which a condition holds; the others are skipped and counted."
    shorthand: ClassVar[str | None] = "sql"
    examples: ClassVar[tuple[RowExample, ...]] = (
        RowExample(options="status <> 'test'", before={"status": "test"}, after=None),
        RowExample(options="status <> 'test'", before={"status": "paid"}, after={"status": "paid"}),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        sql: str = option("The condition (DuckDB SQL) that rows must fulfil to stay.")

    def __init__(self, options: Options) -> None:
        self.options = options

    def touches(self, column: str) -> Touched:
        """Nothing: the condition is resolved as all SQL over the row is."""
        if column:
            raise ValueError("filter works on whole rows; leave `column:` out")
        return Touched()
