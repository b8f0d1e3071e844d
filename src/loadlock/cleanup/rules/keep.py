"""keep: deliver only columns."""

from __future__ import annotations

from typing import ClassVar

from loadlock.cleanup.base import RowExample
from loadlock.cleanup.rules._column_choice import ColumnChoice


class Keep(ColumnChoice):
    """Delivers only the named columns. The others can still be read by other rules and by checks of the row,
    wherever those stand, but not by what judges the delivered rows: `unique`, `batch` checks, Python checks and keys."""

    name: ClassVar[str] = "keep"
    stays: ClassVar[bool] = True
    summary: ClassVar[str] = "Deliver only these columns."
    shorthand: ClassVar[str | None] = "columns"
    examples: ClassVar[tuple[RowExample, ...]] = (
        RowExample(options=["name"], before={"name": "Ann", "notes": "x"}, after={"name": "Ann"}),
    )
