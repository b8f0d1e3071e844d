"""range: the value must lie between two bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup._typed import lower_bound, upper_bound
from loadlock.cleanup.base import Example, Finding, RuleContext, option
from loadlock.errors import UsageError

ORDERED = ("integer", "decimal", "float", "date", "time", "timestamp", "timestamptz")


class Range:
    """A number, date or time must lie between two bounds, which count as allowed unless said otherwise. Dates and times
    are written as ISO 8601."""

    name: ClassVar[str] = "range"
    summary: ClassVar[str] = "The value must lie between two bounds."
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options={"min": 1, "max": 10}, before="10", passes=True),
        Example(options={"min": 1, "max": 10}, before="11", passes=False),
        Example(options={"min": 0, "min_exclusive": True}, before="0", passes=False),
        Example(options={"min": 0.5}, before="1", passes=True),
    )
    example_type: ClassVar[str] = "integer"

    @dataclass(frozen=True, kw_only=True)
    class Options:
        min: str | int | float | None = option("The smallest value allowed.", default=None)
        max: str | int | float | None = option("The largest value allowed.", default=None)
        min_exclusive: bool = option("Whether `min` itself is not allowed.", default=False)
        max_exclusive: bool = option("Whether `max` itself is not allowed.", default=False)

    def __init__(self, options: Options) -> None:
        if options.min is None and options.max is None:
            raise ValueError("give `min`, `max` or both")
        self.options = options

    def findings(self, value: str, text: str, context: RuleContext) -> list[Finding]:
        kind, options = context.type, self.options
        if kind.kind not in ORDERED:
            raise UsageError(
                f"column {context.column}: `range` needs a number, date or time, the column is {kind}",
                hint="Declare the column's type, or check text by `length` or `matches`.",
            )
        place = f"column {context.column}: `range`"
        bounds = []
        if options.min is not None:
            bounds.append(lower_bound(options.min, kind, exclusive=options.min_exclusive, place=place))
        if options.max is not None:
            bounds.append(upper_bound(options.max, kind, exclusive=options.max_exclusive, place=place))
        bad = [_outside(value, bound) for bound in bounds if bound is not None]
        if kind.kind == "float":
            bad.append(f"isnan({value})")
        return [Finding(code="out_of_bounds", sql=" or ".join(bad), message=self._message())] if bad else []

    def _message(self) -> str:
        parts = []
        if self.options.min is not None:
            parts.append(f"{'more than' if self.options.min_exclusive else 'at least'} {self.options.min}")
        if self.options.max is not None:
            parts.append(f"{'less than' if self.options.max_exclusive else 'at most'} {self.options.max}")
        return f"{{value}} must be {' and '.join(parts)}"


def _outside(value: str, bound: tuple[str, str]) -> str:
    """A bound that no value of the type reaches makes every value bad."""
    operator, limit = bound
    return f"{value} is not null" if limit == "null" else f"not ({value} {operator} {limit})"
