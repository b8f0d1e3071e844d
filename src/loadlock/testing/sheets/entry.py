"""What becomes of a value on its way into a cell: RAW keeps it, USER_ENTERED reads it as if typed (locale en_US)."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable

from loadlock.testing.sheets.errors import Json, bad
from loadlock.testing.sheets.formula_value import ERRORS
from loadlock.testing.sheets.grid import Cell

EPOCH = datetime.datetime(1899, 12, 30)
_ERROR_NAMES = {shown: name for name, shown in ERRORS.items()}
_NUMBER = re.compile(r"([-+]?)(\d+(?:,\d{3})*(?:\.\d*)?|\.\d+)(?:[eE]([-+]?\d{1,3}))?$")
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = r"(?P<name>" + "|".join(_MONTHS) + r")[a-z]*\.?"
_TIME = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:\.\d+)?))?(?:\s?(?P<half>am|pm))?"
_DATES = [
    (
        re.compile(rf"(?P<year>\d{{4}})[-/](?P<month>\d{{1,2}})[-/](?P<day>\d{{1,2}})(?:[T ]+{_TIME})?$", re.I),
        "yyyy-mm-dd",
    ),
    (
        re.compile(rf"(?P<month>\d{{1,2}})[-/](?P<day>\d{{1,2}})[-/](?P<year>\d{{4}}|\d{{2}})(?: +{_TIME})?$", re.I),
        "m/d/yyyy",
    ),
    (re.compile(r"(?P<month>\d{1,2})[-/](?P<day>\d{1,2})$"), "m/d"),
    (re.compile(rf"{_MONTH} (?P<day>\d{{1,2}})(?:,? (?P<year>\d{{4}}))?(?: +{_TIME})?$", re.I), "mmm d, yyyy"),
    (re.compile(rf"(?P<day>\d{{1,2}})[- ]{_MONTH}(?:[- ](?P<year>\d{{4}}|\d{{2}}))?$", re.I), "d-mmm-yyyy"),
]
_CLOCK = re.compile(f"{_TIME}$", re.I)
Entered = tuple[Cell, Json | None]
"""The cell and the number format that it brings along."""


def plain_number(value: float) -> float:
    """The double that the service keeps, as an integer where it is one."""
    if isinstance(value, int):
        return value if abs(value) <= 2**53 else plain_number(float(value))
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def raw(value: object, place: str, longest: int) -> Cell:
    """A value as it is. Raises 400 for what is no text, number or boolean, and for too long a text."""
    if isinstance(value, str):
        if len(value) > longest:
            raise bad(f"{place}Your input contains more than the maximum of {longest} characters in a single cell.")
        return value or None
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return plain_number(value)
    kind = "list_value" if isinstance(value, list) else "struct_value"
    raise bad(f"Invalid {place.strip(': ') or 'value'}: {kind}")


def typed(text: str, today: datetime.date) -> Entered:
    """What a person's typing of the text gives."""
    if text.startswith("=") and len(text) > 1:
        return {"f": text}, None
    if text.startswith("'"):
        return text[1:] or None, None
    bare = text.strip()
    if bare.upper() in ("TRUE", "FALSE"):
        return bare.upper() == "TRUE", None
    if bare.upper() in _ERROR_NAMES:
        return {"e": _ERROR_NAMES[bare.upper()]}, None
    if not bare or not any(letter.isdigit() for letter in bare):
        return text or None, None
    readers: tuple[Callable[[], Entered | None], ...] = (
        lambda: _as_number(bare),
        lambda: _as_percent(bare),
        lambda: _as_money(bare),
        lambda: _as_time(bare),
        lambda: _as_date(bare, today),
    )
    return next((found for reader in readers if (found := reader()) is not None), (text, None))


def _as_number(text: str) -> Entered | None:
    match = _NUMBER.match(text)
    if match is None:
        return None
    try:
        value = float(text.replace(",", ""))
    except OverflowError:
        return None
    if value in (float("inf"), float("-inf")):
        return None
    if match[3]:
        return plain_number(value), {"type": "SCIENTIFIC", "pattern": "0.00E+00"}
    if "," in text:
        return plain_number(value), {"type": "NUMBER", "pattern": "#,##0.00" if "." in text else "#,##0"}
    return plain_number(value), None


def _as_percent(text: str) -> Entered | None:
    if not text.endswith("%") or not _NUMBER.match(text[:-1]):
        return None
    value = float(text[:-1].replace(",", "")) / 100
    return plain_number(value), {"type": "PERCENT", "pattern": "0.00%" if "." in text else "0%"}


def _as_money(text: str) -> Entered | None:
    match = re.match(r"(-?)\$(-?)(.+)$", text)
    if match is None or match[3][0] in "+-" or not _NUMBER.match(match[3]):
        return None
    value = float(match[3].replace(",", "")) * (-1 if match[1] or match[2] else 1)
    return plain_number(value), {"type": "CURRENCY", "pattern": "$#,##0.00" if "." in text else "$#,##0"}


def _as_time(text: str) -> Entered | None:
    match = _CLOCK.match(text)
    part = match and _day_part(match.groupdict())
    if part is None:
        return None
    return plain_number(part), {"type": "TIME", "pattern": "h:mm:ss am/pm" if text.count(":") == 2 else "h:mm am/pm"}


def _as_date(text: str, today: datetime.date) -> Entered | None:
    for pattern, shown in _DATES:
        match = pattern.match(text)
        if match is None:
            continue
        parts = match.groupdict()
        day = _day(parts, today)
        part = _day_part(parts) if parts.get("hour") else 0.0
        if day is None or part is None:
            return None
        kind = {"type": "DATE_TIME", "pattern": f"{shown} h:mm:ss"} if part else {"type": "DATE", "pattern": shown}
        return plain_number(serial(datetime.datetime.combine(day, datetime.time())) + part), kind
    return None


def _day(parts: dict[str, str | None], today: datetime.date) -> datetime.date | None:
    name, year = parts.get("name"), parts.get("year")
    month = _MONTHS.index(name.lower()) + 1 if name else int(parts["month"] or 0)
    number = int(year) if year else today.year
    if year and len(year) == 2:
        number += 2000 if number < 30 else 1900
    try:
        return datetime.date(number, month, int(parts["day"] or 0))
    except ValueError:
        return None


def _day_part(parts: dict[str, str | None]) -> float | None:
    hour, minute = int(parts["hour"] or 0), int(parts["minute"] or 0)
    second, half = float(parts.get("second") or 0), (parts.get("half") or "").lower()
    if minute > 59 or second >= 60 or hour > (12 if half else 23) or (half and not hour):
        return None
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    return (hour * 3600 + minute * 60 + second) / 86400


def serial(moment: datetime.datetime) -> float:
    """Days since 1899-12-30."""
    return (moment - EPOCH) / datetime.timedelta(days=1)
