"""time_zone: times of a zone as times of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup._sql import check_format, literal
from loadlock.cleanup._zones import check_zone, in_zone
from loadlock.cleanup.base import Example, Finding, RuleContext, option

_MOMENT = "(?:0*[1-9][0-9]*)-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\\.[0-9]{1,6})?)?"
_OFFSET = " ?(?:Z|[+-](?:0[0-9]|1[0-8])(?::?[0-5][0-9])?)"


class TimeZone:
    """Writes times of one zone as times of another, with their offset (ISO 8601). `from` is the zone of times that have no
    offset of their own; without it those are a problem. So is a time that the clocks of the zone skipped or showed twice:
    nobody can tell which moment is meant. What is no time stays as it is, for the column's type to judge."""

    name: ClassVar[str] = "time_zone"
    summary: ClassVar[str] = "Write times of a zone as times of another."
    shorthand: ClassVar[str | None] = "zone"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options="Europe/Berlin", before="2024-07-01 12:00", after="2024-07-01T10:00:00Z"),
        Example(options="Europe/Berlin", before="2024-01-01T12:00:00", after="2024-01-01T11:00:00Z"),
        Example(options="Europe/Berlin", before="2024-07-01T12:00:00+05:30", after="2024-07-01T06:30:00Z"),
        Example(
            options={"zone": "Europe/Berlin", "to": "America/New_York"},
            before="2024-07-01 12:00",
            after="2024-07-01T06:00:00-04:00",
        ),
        Example(options="Europe/Berlin", before="2024-10-27 02:30", after="2024-10-27 02:30"),
        Example(
            options={"zone": "Europe/Berlin", "formats": ["%d.%m.%Y %H:%M"]},
            before="01.07.2024 12:00",
            after="2024-07-01T10:00:00Z",
        ),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        zone: str | None = option("IANA zone of times without an offset, as `Europe/Berlin`.", default=None)
        to: str = option("The zone that they are written in.", default="UTC")
        formats: tuple[str, ...] = option("strptime formats of such times beside ISO 8601.", default=())

    def __init__(self, options: Options) -> None:
        for name in (options.zone, options.to):
            if name is not None:
                check_zone(name)
        for form in options.formats:
            if "%z" in form.lower():
                raise ValueError(f"the format {form!r} has a zone; leave it to the type timestamptz")
            check_format(form)
        if options.formats and options.zone is None:
            raise ValueError("`formats` need the `zone` of such times")
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        """`moment` is the time in UTC, without zone; lambdas, so that it is worked out once."""
        written = f"list_transform([{self._moment(value)}], lambda instant: {self._written()})[1]"
        return f"coalesce({written}, {value})"

    def findings(self, value: str, context: RuleContext) -> list[Finding]:
        """Times without offset that are no moment in the zone."""
        naive = f"({self._naive(value)}) is not null"
        if self.options.zone is None:
            message = "{value} has no offset, and the pipeline declares no zone for it"
            return [Finding(code="ambiguous_time", sql=naive, message=message)]
        sql = f"case when {naive} then ({self._moment(value)}) is null else false end"
        message = f"{{value}} is no time that the clocks of {self.options.zone} show exactly once"
        return [Finding(code="ambiguous_time", sql=sql, message=message)]

    def _naive(self, value: str) -> str:
        """The time without offset, or null."""
        iso = f"case when regexp_full_match({value}, '{_MOMENT}') then try_cast({value} as timestamp) end"
        others = [f"try_strptime({value}, {literal(form)})" for form in self.options.formats]
        return f"coalesce({', '.join([iso, *others])}, null)"

    def _moment(self, value: str) -> str:
        zoned = f"timezone('UTC', try_cast({value} as timestamptz))"
        naive = "null" if self.options.zone is None else in_zone(self._naive(value), self.options.zone)
        return f"case when regexp_full_match({value}, '{_MOMENT}{_OFFSET}') then {zoned} else {naive} end"

    def _written(self) -> str:
        """ISO 8601 of `instant` in the other zone; in UTC where the zone's offset then had seconds."""
        utc = "(replace(instant::varchar, ' ', 'T') || 'Z')"
        if self.options.to == "UTC":
            return utc
        local = f"timezone({literal(self.options.to)}, timezone('UTC', instant))"
        seconds = f"date_diff('second', instant, {local})"
        offset = (
            f"concat(case when {seconds} < 0 then '-' else '+' end, lpad((abs({seconds}) // 3600)::varchar, 2, '0'), ':',"
            f" lpad((abs({seconds}) // 60 % 60)::varchar, 2, '0'))"
        )
        text = f"replace({local}::varchar, ' ', 'T') || {offset}"
        return f"case when {seconds} % 60 = 0 then {text} else {utc} end"
