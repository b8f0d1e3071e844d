"""date: dates in given formats become ISO text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

from loadlock.cleanup._sql import check_format, literal
from loadlock.cleanup.base import Example, Finding, RuleContext, option

_TIME_PARTS = re.compile(r"%-?[HIMSfgnpXc]")
_ZONE_PARTS = re.compile(r"%[zZ]")
_YEAR_PARTS = re.compile(r"%[YGc]")


class Date:
    """Reads dates (with or without a time of day) in the given formats and writes them as ISO 8601.

    For columns of type text; the types date and timestamp take `formats:` themselves. A value that fits two formats
    with different dates is decided by what the rest of the column shows, else it is a problem. What fits no format is
    left as it is.
    """

    name: ClassVar[str] = "date"
    summary: ClassVar[str] = "Read dates in given formats and write them as ISO 8601."
    shorthand: ClassVar[str | None] = "formats"
    idempotent: ClassVar[bool] = False  # with the format %Y-%d-%m the ISO text would be read once more
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options="%d.%m.%Y", before="24.12.2023", after="2023-12-24"),
        Example(options=["%d/%m/%Y", "%m/%d/%Y"], before="12/24/2023", after="2023-12-24"),
        Example(options=["%d/%m/%Y %H:%M"], before="24/12/2023 18:30", after="2023-12-24 18:30:00"),
        Example(options="%d.%m.%Y", before="Christmas", after="Christmas"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        formats: tuple[str, ...] = option("strptime formats, as `%d.%m.%Y`.")

    def __init__(self, options: Options) -> None:
        if not options.formats:
            raise ValueError("`formats` is empty; name at least one, as `%d.%m.%Y`")
        for form in options.formats:
            if _ZONE_PARTS.search(form):
                raise ValueError(f"the format {form!r} has a time zone; use the type timestamptz with `formats`")
            check_format(form)
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        """The first format that fits, those that the column proves before the others."""
        read = [_text(value, form) for group in self._groups(context) for form in group]
        return f"coalesce({', '.join(read)}, {value})"

    def findings(self, value: str, context: RuleContext) -> list[Finding]:
        """Values that fit two formats with different dates, where the column proves both or neither."""
        proved, others = self._groups(context)
        clashes = [_clash(value, pair) for pair in combinations(proved, 2)]
        unread = "".join(f" and {_read(value, form)} is null" for form in proved)
        clashes += [_clash(value, pair) + unread for pair in combinations(others, 2)]
        if not clashes:
            return []
        message = "{value} fits two of the formats with different dates, and the column doesn't decide"
        return [Finding(code="ambiguous_date", sql=" or ".join(f"({clash})" for clash in clashes), message=message)]

    def survey(self, value: str, context: RuleContext) -> dict[str, str]:
        """Counts the values that fit one format only."""
        forms = self.options.formats
        if len(forms) < 2:
            return {}
        fits = [f"{_read(value, form)} is not null" for form in forms]
        return {
            str(index): " and ".join([fit, *(f"not ({other})" for other in fits if other != fit)])
            for index, fit in enumerate(fits)
        }

    def decide(self, counts: dict[str, int], context: RuleContext) -> tuple[Any, str]:
        """The formats that at least one value proves; None where no value does."""
        forms = self.options.formats
        proved = tuple(form for index, form in enumerate(forms) if counts.get(str(index), 0))
        if not proved:
            return None, "no value fits one format only"
        told = ", ".join(f"{counts[str(forms.index(form))]:,} fit only {form}" for form in proved)
        return proved, told

    def _groups(self, context: RuleContext) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The formats that the column proves, and the others."""
        proved = tuple(context.decision or ())
        return proved, tuple(form for form in self.options.formats if form not in proved)


def _clash(value: str, pair: tuple[str, str]) -> str:
    first, second = (_read(value, form) for form in pair)
    return f"coalesce({first} <> {second}, false)"


def _read(value: str, form: str) -> str:
    """The timestamp or null. `%Y` is satisfied by any number of digits; a year of fewer than four is no year."""
    read = f"try_strptime({value}, {literal(form)})"
    return f"nullif({read}, case when year({read}) < 1000 then {read} end)" if _YEAR_PARTS.search(form) else read


def _text(value: str, form: str) -> str:
    return f"({_read(value, form)})::{'timestamp' if _TIME_PARTS.search(form) else 'date'}::varchar"
