"""epoch: times written as seconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from loadlock.cleanup.base import Example, Finding, RuleContext, option

_DIGITS = {"s": 12, "ms": 15, "us": 18, "ns": 21}
_MICROSECONDS = {"s": "1000000", "ms": "1000", "us": "1", "ns": "0.001"}
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""Microseconds of the years 1 to 9999."""


class Epoch:
    """Reads seconds (or milliseconds ...) since 1970-01-01 in UTC and writes them as ISO 8601: with a `Z` behind it, but for
    columns of the types date and timestamp, where it is the date or time in UTC. What is no number stays as it is."""

    name: ClassVar[str] = "epoch"
    summary: ClassVar[str] = "Read times written as seconds since 1970."
    shorthand: ClassVar[str | None] = "unit"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options="s", before="1700000000", after="2023-11-14T22:13:20Z"),
        Example(options="ms", before="1700000000123", after="2023-11-14T22:13:20.123Z"),
        Example(options="s", before="1700000000.5", after="2023-11-14T22:13:20.5Z"),
        Example(options="s", before="-1", after="1969-12-31T23:59:59Z"),
        Example(options="s", before="2023-11-14", after="2023-11-14"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        unit: Literal["s", "ms", "us", "ns"] = option("What is counted: seconds, milli-, micro- or nanoseconds.")

    def __init__(self, options: Options) -> None:
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        moment = f"make_timestamp({self._microseconds(value)})"
        match context.type.kind:
            case "timestamp":
                text = f"{moment}::varchar"
            case "date":
                text = f"{moment}::date::varchar"
            case _:
                text = f"concat(replace({moment}::varchar, ' ', 'T'), 'Z')"
        return f"case when {self._in_range(value)} then {text} else {value} end"

    def findings(self, value: str, context: RuleContext) -> list[Finding]:
        """Numbers beyond the year 9999: another unit is meant."""
        sql = f"regexp_full_match({value}, '-?[0-9]+(?:\\.[0-9]+)?') and not coalesce({self._in_range(value)}, false)"
        message = f"{{value}} is no time in {self.options.unit} since 1970 within the years 1 to 9999"
        return [Finding(code="not_timestamp", sql=sql, message=message)]

    def _microseconds(self, value: str) -> str:
        factor = _MICROSECONDS[self.options.unit]
        return f"try_cast(round(try_cast({value} as decimal(30, 6)) * {factor}) as bigint)"

    def _in_range(self, value: str) -> str:
        number = f"regexp_full_match({value}, '-?[0-9]{{1,{_DIGITS[self.options.unit]}}}(?:\\.[0-9]+)?')"
        return f"case when {number} then {self._microseconds(value)} between {_FIRST} and {_LAST} else false end"
