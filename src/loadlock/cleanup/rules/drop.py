"""drop: leave out columns."""

from __future__ import annotations

from typing import ClassVar

from loadlock.cleanup.base import RowExample
from loadlock.cleanup.rules._column_choice import ColumnChoice


class Drop(ColumnChoice):
    """Leaves columns out of what is delivered. They can still be read by other rules and by checks of the row,
    wherever those stand, but not by what judges the delivered rows: `unique`, `batch` checks, Python checks and keys."""

    name: ClassVar[str] = "drop"
    stays: ClassVar[bool] = False
    summary: ClassVar[str] = "Leave columns out."
    shorthand: ClassVar[str | None] = "columns"
    examples: ClassVar[tuple[RowExample, ...]] = (
        RowExample(options=["notes"], before={"name": "Ann", "notes": "x"}, after={"name": "Ann"}),
    )
