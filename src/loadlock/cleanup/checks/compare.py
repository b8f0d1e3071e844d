"""compare: the value against another column's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from loadlock.cleanup.base import Example, Finding, RuleContext, option
from loadlock.errors import UsageError

_WORDS = {"<": "less than", "<=": "at most", ">": "more than", ">=": "at least", "=": "equal to", "<>": "other than"}
_NUMBERS = ("integer", "decimal", "float")
_DAYS = ("date", "timestamp")


class Compare:
    """The value must compare with the value of another column as said: an end not before its start, a net amount at most the
    gross one. Where one of the two is missing there is nothing to compare."""

    name: ClassVar[str] = "compare"
    summary: ClassVar[str] = "The value must compare with another column's as said."
    example_columns: ClassVar[Mapping[str, str]] = {"start": "'2024-03-01'"}
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options={"by": ">=", "column": "start"}, before="2024-03-01", passes=True),
        Example(options={"by": ">=", "column": "start"}, before="2024-02-29", passes=False),
        Example(options={"by": "<>", "column": "start"}, before="2024-03-01", passes=False),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        column: str = option("The other column.")
        by: Literal["<", "<=", ">", ">=", "=", "<>"] = option("How: `<`, `<=`, `>`, `>=`, `=` or `<>`.")

    def __init__(self, options: Options) -> None:
        self.options = options

    def findings(self, value: str, text: str, context: RuleContext) -> list[Finding]:
        """Types must be of one kind: numbers, days and times, or the same."""
        other = context.columns.get(self.options.column)
        if other is None:
            known = ", ".join(list(context.columns)[:12])
            raise UsageError(
                f"column {context.column}: there is no column {self.options.column!r} to compare with",
                hint=f"Columns: {known}." if known else "Declare it.",
            )
        kinds = {context.type.kind, other.type.kind}
        if len(kinds) > 1 and not any(kinds <= set(alike) for alike in (_NUMBERS, _DAYS)):
            raise UsageError(
                f"column {context.column}: {context.type} can't be compared with {self.options.column}, which is {other.type}",
                hint="Give both columns types of one kind.",
            )
        message = f"{{value}} must be {_WORDS[self.options.by]} {self.options.column}"
        return [Finding(code="comparison", sql=f"not ({value} {self.options.by} {other.sql})", message=message)]
