"""deduplicate: one of several equal rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from loadlock.cleanup.base import RowExample, Touched, Winner, option


class Deduplicate:
    """Keeps one of the rows of the batch that are equal in the columns `by` (in all delivered columns where none is named),
    the stated winner. The others are superseded: counted in the balance, and no rejects.

    Judged over the clean rows of the whole batch, so it does not matter how files are cut or in which order they are worked
    on. A row without a value in one of the columns `by` equals no other; where all columns count, two nulls are equal.
    """

    name: ClassVar[str] = "deduplicate"
    summary: ClassVar[str] = "Keep one of several equal rows of the batch: the stated winner."
    shorthand: ClassVar[str | None] = "by"
    examples: ClassVar[tuple[RowExample, ...]] = (
        RowExample(options=["email"], before={"email": "ann@example.com"}, after={"email": "ann@example.com"}),
        RowExample(
            options={"by": ["customer"], "keep": "greatest", "order": "changed_on"},
            before={"customer": "7", "changed_on": "2024-01-31"},
            after={"customer": "7", "changed_on": "2024-01-31"},
        ),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        by: tuple[str, ...] = option("The columns in which rows are equal; left out: all.", default=())
        keep: Literal["first", "last", "least", "greatest"] = option(
            "The winner: the first or last by file and row, or the one with the least or greatest value of `order`.",
            default="first",
        )
        order: str | None = option(
            "The column that decides with `least` and `greatest`; nulls come last.", default=None
        )

    def __init__(self, options: Options) -> None:
        if (options.order is None) == (options.keep in ("least", "greatest")):
            raise ValueError("`order` goes with `keep: least` and `keep: greatest`; write both or neither")
        self.options = options

    def touches(self, column: str) -> Touched:
        """Reads what decides; writes nothing."""
        if column:
            raise ValueError("deduplicate works on whole rows; write its columns in `by`")
        order = (self.options.order,) if self.options.order else ()
        return Touched(reads=(*self.options.by, *order))

    def winner(self) -> Winner:
        """What is kept."""
        columns = ", ".join(self.options.by) or "all columns"
        decided = (
            f"the {self.options.keep} {self.options.order}" if self.options.order else f"the {self.options.keep} row"
        )
        return Winner(
            by=self.options.by,
            keep=self.options.keep,
            order=self.options.order,
            why=f"another row is equal in {columns}; {decided} is kept",
        )
