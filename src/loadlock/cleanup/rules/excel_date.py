"""excel_date: the numbers that spreadsheets keep for dates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from loadlock.cleanup.base import Example, Finding, RuleContext, option

_SERIAL = "[0-9]{1,7}(?:\\.[0-9]+)?"
_LAST = 2_958_465
"""The serial number of 9999-12-31."""


class ExcelDate:
    """Reads the number that a spreadsheet keeps for a date (45292 is 2024-01-01; a fraction is the time of day, to the
    millisecond) and writes it as ISO 8601. What is no such number stays as it is, for the column's type to judge.

    Excel's day 60 is 1900-02-29, which never was: a problem.
    """

    name: ClassVar[str] = "excel_date"
    summary: ClassVar[str] = "Read the numbers that spreadsheets keep for dates."
    shorthand: ClassVar[str | None] = "system"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="45292", after="2024-01-01"),
        Example(options=None, before="45292.75", after="2024-01-01 18:00:00"),
        Example(options=None, before="59", after="1900-02-28"),
        Example(options="1904", before="43830", after="2024-01-01"),
        Example(options=None, before="2024-01-01", after="2024-01-01"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        system: Literal["1900", "1904"] = option(
            "The day that counting begins with; 1904 in old files of the Macintosh.", default="1900"
        )

    def __init__(self, options: Options) -> None:
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        """By milliseconds since the first day; a whole number is a date."""
        milliseconds = f"round(try_cast({value} as decimal(20, 12)) * 86400000)::bigint"
        moment = f"({self._first_day(value)} + to_milliseconds({milliseconds}))"
        text = f"case when contains({value}, '.') then rtrim({moment}::varchar) else {moment}::date::varchar end"
        return f"case when {self._serial(value)} and {self._known(value)} then {text} else {value} end"

    def findings(self, value: str, context: RuleContext) -> list[Finding]:
        """Numbers that stand for no day."""
        sql = f"case when {self._serial(value)} then not ({self._known(value)}) else false end"
        return [Finding(code="not_date", sql=sql, message="{value} is no day of the spreadsheet's calendar")]

    def _serial(self, value: str) -> str:
        return f"regexp_full_match({value}, '{_SERIAL}')"

    def _day(self, value: str) -> str:
        return f"try_cast(split_part({value}, '.', 1) as integer)"

    def _known(self, value: str) -> str:
        if self.options.system == "1904":
            return f"{self._day(value)} < {_LAST - 1462}"
        return f"{self._day(value)} between 1 and {_LAST} and {self._day(value)} <> 60"

    def _first_day(self, value: str) -> str:
        if self.options.system == "1904":
            return "timestamp '1904-01-01'"
        return f"case when {self._day(value)} < 60 then timestamp '1899-12-31' else timestamp '1899-12-30' end"
