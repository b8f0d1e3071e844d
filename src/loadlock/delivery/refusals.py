"""Clean rows that a destination can't hold or refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadlock.errors import Refusal, RowsRefusedError
from loadlock.model import Problem

if TYPE_CHECKING:
    import pyarrow as pa


CLASH_HINT = (
    "A value of the batch stands in the table in a row of another key. With `unique: {against: target}` at that column (of"
    " several columns: under `checks:`) such rows become rejects, and the others are delivered."
)
_ORPHAN_HINT = (
    "A row of the batch refers to one that is not there. With `references: {table: ..., column: ...}` at that column such rows"
    " become rejects, and the others are delivered."
)
_ORPHANS = frozenset({"23503", "1216", "1452", "SQLITE_CONSTRAINT_FOREIGNKEY"})
_STILL_NEEDED = "still referenced"
"""As PostgreSQL says of a row that is to go and that rows of another table refer to, with the same code."""
_CLASHES = frozenset({"23505", "1062", "1169", "SQLITE_CONSTRAINT_UNIQUE"})
"""What servers call a value that stands twice in a unique index."""


@dataclass(frozen=True, kw_only=True)
class RefusedRow:
    """A clean row that the destination can't hold or refused; `values` are the delivered values as text."""

    file: int
    row: int
    sub: int
    problems: tuple[Problem, ...]
    values: dict[str, str | None]

    @property
    def problem(self) -> Problem:
        """The first problem."""
        return self.problems[0]


def text_of(value: pa.ChunkedArray) -> str | None:
    """The one value as text; by Arrow, since Python has no dates before year 1 or after 9999."""
    import pyarrow as pa

    found: str | None = value.cast(pa.string())[0].as_py()
    return found


def publish_hint(refusal: Refusal) -> str:
    """What to do when a publish was refused."""
    if refusal.code in _CLASHES:
        return CLASH_HINT
    if refusal.code in _ORPHANS and _STILL_NEEDED not in refusal.message:
        return _ORPHAN_HINT
    return "The rows contradict rows that are in the table; see the constraint named."


def problem_of(error: RowsRefusedError) -> Problem:
    refusal = error.refusal
    place = f" (constraint {refusal.constraint})" if refusal.constraint else ""
    code = f" [{refusal.code}]" if refusal.code else ""
    return Problem(code="refused", message=f"{refusal.message}{place}{code}", column=refusal.column)
