"""What `drop` and `keep` share: a list of columns behind the rule, and which of all stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup.base import Touched, option


class ColumnChoice:
    """A rule that says which columns are delivered."""

    name: ClassVar[str]
    stays: ClassVar[bool]
    """Whether the named columns are those that stay."""

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
            raise ValueError(f"write the columns behind `{self.name}:`, not beside it")
        return Touched(reads=self.options.columns)

    def kept(self, names: Sequence[str]) -> list[str]:
        """Those that stay; raises ValueError for names that are no columns."""
        for name in self.options.columns:
            if name not in names:
                raise ValueError(f"there is no column {name!r}; name declared columns")
        stay = [name for name in names if (name in self.options.columns) == self.stays]
        if not stay:
            raise ValueError("no column would be left; keep at least one")
        return stay
