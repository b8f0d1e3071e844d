"""drop: leave out columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup.base import RowExample, Touched, option


class Drop:
    """Leaves columns out of what is delivered. They can still be read by other rules and by checks of the row,
    wherever those stand, but not by what judges the delivered rows: `unique`, `batch` checks, Python checks and keys."""

    name: ClassVar[str] = "drop"
    summary: ClassVar[str] = "Leave columns out."
    shorthand: ClassVar[str | None] = "columns"
    examples: ClassVar[tuple[RowExample, ...]] = (
        RowExample(options=["notes"], before={"name": "Ann", "notes": "x"}, after={"name": "Ann"}),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        columns: tuple[str, ...] = option("The columns.")

    def __init__(self, options: Options) -> None:
        if not options.columns:
            raise ValueError("`columns` is empty; name at least one")
        self.options = options

    def touches(self, column: str) -> Touched:
        """The named columns must be there."""
        if column:
            raise ValueError("write the columns behind `drop:`, not beside it")
        return Touched(reads=self.options.columns)

    def kept(self, names: Sequence[str]) -> list[str]:
        """Those that stay; raises ValueError for names that are no columns."""
        for name in self.options.columns:
            if name not in names:
                raise ValueError(f"there is no column {name!r}; name declared columns")
        stay = [name for name in names if name not in self.options.columns]
        if not stay:
            raise ValueError("no column would be left; keep at least one")
        return stay
