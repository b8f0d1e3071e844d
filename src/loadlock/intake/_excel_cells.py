"""Cells of workbooks: numbers and Excel's dates as exact text."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Protocol

_EPOCH_1900 = dt.date(1899, 12, 30).toordinal()
_EPOCH_1904 = dt.date(1904, 1, 1).toordinal()
_LAST_ORDINAL = dt.date.max.toordinal()
_DAY_MS = 86_400_000
_LEAP_BUG = 60
"""1900-02-29 in the 1900 system, a day that never was."""
_PLAIN = re.compile(r"0|-?[1-9]\d{0,14}")


class Kind(StrEnum):
    """What a cell holds."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    """A date, time, or both, or a duration."""
    BOOLEAN = "boolean"
    ERROR = "error"
    NO_VALUE = "no_value"
    """A formula whose value is not stored."""


class Cell(NamedTuple):
    """A filled cell."""

    text: str
    kind: Kind


class SheetRow(NamedTuple):
    """A row of a sheet: its 1-based number there, and its filled cells by 0-based column."""

    number: int
    cells: dict[int, Cell]
    hidden: bool


@dataclass(kw_only=True)
class SheetFacts:
    """What is known of a sheet once its rows were read."""

    name: str
    others: list[str] = field(default_factory=list)
    """Names of the workbook's other sheets."""
    hidden_sheets: list[str] = field(default_factory=list)
    hidden_columns: int = 0
    merged: int = 0
    epoch_1904: bool = False
    fault: str = ""
    """Why the sheet ended early, where it did."""


class Sheet(Protocol):
    """The chosen sheet of an open workbook."""

    facts: SheetFacts

    def rows(self) -> Iterator[SheetRow]:
        """Its rows in order; rows without any filled cell may be missing."""
        ...


def number_text(text: str, digits: int = 17) -> str:
    """A stored number in plain digits: the shortest that is the same double, or rounded to so many significant digits."""
    if _PLAIN.fullmatch(text) and (digits >= 15 or len(text) <= digits):
        return text
    try:
        value = float(text)
    except ValueError:
        return text
    if digits < 17:
        value = float(f"{value:.{digits}g}")
    return float_text(value)


def float_text(value: float) -> str:
    """A double in plain digits, without exponent and without `.0`."""
    shortest = repr(value)
    if "e" in shortest:
        shortest = format(Decimal(shortest), "f")
    return shortest.removesuffix(".0") if shortest != "-0.0" else "0"


def date_text(text: str, form: str, *, epoch_1904: bool) -> str | None:
    """A stored number as the date that its cell shows; None where the number is no date.

    `form`: `date`, `time`, `datetime` or `duration`. To the millisecond, as Excel counts.
    """
    try:
        serial = float(text)
        milliseconds = round(serial * _DAY_MS)
    except (ValueError, OverflowError):
        return None
    if form == "duration":
        return _clock(milliseconds)
    if serial < 0:
        return None
    days, rest = divmod(milliseconds, _DAY_MS)
    if form == "time" and not days:
        return _clock(rest)
    date = _date(days, epoch_1904=epoch_1904)
    if date is None:
        return None
    return date if form == "date" and not rest else f"{date}T{_clock(rest)}"


def _date(days: int, *, epoch_1904: bool) -> str | None:
    if epoch_1904:
        ordinal = _EPOCH_1904 + days
    elif days in (0, _LEAP_BUG):
        # Excel shows them so, and no calendar has them
        return "1900-01-00" if not days else "1900-02-29"
    else:
        ordinal = _EPOCH_1900 + days + (days < _LEAP_BUG)
    return dt.date.fromordinal(ordinal).isoformat() if ordinal <= _LAST_ORDINAL else None


def _clock(milliseconds: int) -> str:
    sign, milliseconds = ("-", -milliseconds) if milliseconds < 0 else ("", milliseconds)
    seconds, fraction = divmod(milliseconds, 1000)
    text = f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:03}".rstrip("0") if fraction else text


_BUILT_IN = {
    **dict.fromkeys((14, 15, 16, 17, 27, 28, 29, 30, 31, 36, 50, 51, 52, 53, 54, 57, 58), "date"),
    **dict.fromkeys((18, 19, 20, 21, 32, 33, 34, 35, 45, 47, 55, 56), "time"),
    22: "datetime",
    46: "duration",
}
_NO_LETTERS = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
_ELAPSED = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)


def date_form(number: int, code: str | None) -> str | None:
    """What a number format shows: `date`, `time`, `datetime`, `duration`; None for no date."""
    if code is None:
        return _BUILT_IN.get(number)
    letters = _NO_LETTERS.sub("", code.split(";")[0]).lower()
    if "general" in letters or "e+" in letters:
        return None
    if _ELAPSED.search(letters):
        return "duration"
    letters = re.sub(r"am/pm|a/p", "h", letters)
    clock = "h" in letters or "s" in letters
    day = "y" in letters or "d" in letters or ("m" in letters and not clock)
    return ("datetime" if clock else "date") if day else ("time" if clock else None)
