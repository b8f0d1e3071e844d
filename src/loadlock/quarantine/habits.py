"""What spreadsheets do to cells that nobody edited: zeros lost, dates rewritten, long numbers rounded, letters garbled."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation, localcontext
from functools import lru_cache

CELL_CHARACTERS = 32_767
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?")
_EXPONENT = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE][+-]?\d+")
_DATE = re.compile(r"(\d{1,4})[-/. ](\d{1,2}|[^\W\d_]{3,9})[-/. ,]*(\d{1,4})?(?:[T ]0{1,2}:00(?::00(?:\.0+)?)?)?")
_NAMED_FIRST = re.compile(r"([^\W\d_]{3,9})[-/. ]?(\d{1,4})(?:[-/. ,]+(\d{1,4}))?")
_MONTHS = {
    name: number
    for number, names in enumerate(
        ("jan", "feb", "mar mär mrz", "apr", "may mai", "jun", "jul", "aug", "sep", "oct okt", "nov", "dec dez"),
        start=1,
    )
    for name in names.split()
}
_BOOLEANS = {"true": True, "wahr": True, "vrai": True, "false": False, "falsch": False, "faux": False}
_ERRORS = re.compile(r"#(NAME|REF|VALUE|DIV/0|N/A|NUM|NULL)[!?]?|#{3,}|Err:\d+")
_SURE_DIGITS = 15
_LONGEST = 60
"""Characters of a text that may be a number or a date."""
_EPOCHS = (date(1899, 12, 30), date(1904, 1, 1))


@lru_cache(maxsize=10_000)
def habit(was: str | None, now: str | None) -> str | None:
    """How a spreadsheet may have made `now` of `was` by itself, in words; None where it does no such thing."""
    if not was or not now or was == now:
        return None
    return next((words for words, made in _HABITS if made(was, now)), None)


def _trimmed(was: str, now: str) -> bool:
    return now == was.strip()


def _cut(was: str, now: str) -> bool:
    return len(was) > len(now) >= 255 and was.startswith(now)


def _error(was: str, now: str) -> bool:
    return _ERRORS.fullmatch(now) is not None


def _boolean(was: str, now: str) -> bool:
    before, after = _BOOLEANS.get(was.strip().casefold()), _BOOLEANS.get(now.strip().casefold())
    return before is not None and before == after


def _zeros(was: str, now: str) -> bool:
    return _leads(was) and _equal(was, now)


def _exponent(was: str, now: str) -> bool:
    if _EXPONENT.fullmatch(now.strip()) is None:
        return False
    return _equal(was, now) or _rounded(was, now)


def _digits(was: str, now: str) -> bool:
    return sum(character.isdigit() for character in was) > _SURE_DIGITS and _rounded(was, now)


def _number(was: str, now: str) -> bool:
    return _equal(was, now)


def _date(was: str, now: str) -> bool:
    after = [*_dates(now), *_serial(now)]
    return any(
        (month, day) == (other_month, other_day) and (year is None or other is None or year == other)
        for year, month, day in _dates(was)
        for other, other_month, other_day in after
    )


def _letters(was: str, now: str) -> bool:
    if was.isascii():
        return False
    if len(was) == len(now):
        pairs = list(zip(was, now, strict=True))
        if all(a == b or (not a.isascii() and b in "?\ufffd") for a, b in pairs):
            return True
    for encoding in ("cp1252", "latin-1", "mac-roman"):
        with suppress(UnicodeError):
            if now.encode(encoding).decode() == was:
                return True
    return False


_HABITS: tuple[tuple[str, Callable[[str, str], bool]], ...] = (
    ("leading zeros lost", _zeros),
    ("made a number in scientific notation", _exponent),
    ("digits lost", _digits),
    ("number rewritten", _number),
    ("date rewritten", _date),
    ("boolean rewritten", _boolean),
    ("letters garbled", _letters),
    ("spaces lost", _trimmed),
    ("text cut off", _cut),
    ("an error of a formula", _error),
)


def _decimal(text: str) -> Decimal | None:
    text = text.strip()
    if len(text) > _LONGEST or _NUMBER.fullmatch(text) is None:
        return None
    with suppress(InvalidOperation):
        found = Decimal(text.replace(",", "."))
        return found if abs(found.adjusted()) < 400 else None
    return None


def _equal(was: str, now: str) -> bool:
    before, after = _decimal(was), _decimal(now)
    if before is None or before != after:
        return False
    # no spreadsheet puts a comma for a point, or zeros before a number
    return ("," in was) == ("," in now) and not (_leads(now) and not _leads(was))


def _leads(text: str) -> bool:
    return re.match(r"[+-]?0\d", text.strip()) is not None


def _rounded(was: str, now: str) -> bool:
    """Whether `now` is `was` to the digits that `now` shows (15 at most are kept)."""
    before, after = _decimal(was), _decimal(now)
    if before is None or after is None or not before:
        return False
    digits = "".join(map(str, after.normalize().as_tuple().digits))
    if len(digits) >= _SURE_DIGITS - 1 and before.adjusted() == after.adjusted():
        # digits behind the fifteenth become zeros
        whole = "".join(map(str, before.as_tuple().digits))[:_SURE_DIGITS]
        if whole.rstrip("0") == digits:
            return True
    shown = len(digits)
    with localcontext() as context:
        context.prec = max(1, min(shown, _SURE_DIGITS))
        return +before == +after


Day = tuple[int | None, int, int]
"""Year (None = not said), month, day."""


def _dates(text: str) -> Iterator[Day]:
    """The days that a text may mean, in whatever order it is written."""
    text = text.strip()
    if len(text) > _LONGEST:
        return
    if match := _DATE.fullmatch(text):
        yield from _read(*(piece or "" for piece in match.groups()))
    elif match := _NAMED_FIRST.fullmatch(text):
        first, second, third = (piece or "" for piece in match.groups())
        yield from _read(second, first, third)


def _read(first: str, second: str, third: str) -> Iterator[Day]:
    if not second.isdecimal():
        month = _MONTHS.get(second[:3].casefold())
        if month is not None:
            for day, year in ((first, third), (third, first)):
                yield from _day(year, month, day)
            # a month and a year alone are its first day to a spreadsheet
            yield from _day(first if not third else "", month, "1")
        return
    for year, month_text, day in ((first, second, third), (third, second, first), (third, first, second)):
        if month_text.isdecimal():
            yield from _day(year, int(month_text), day)


def _day(year: str, month: int, day: str) -> Iterator[Day]:
    if not day.isdecimal() or not 1 <= month <= 12 or not 1 <= int(day) <= 31 or len(day) > 2:
        return
    if not year:
        yield None, month, int(day)
    elif year.isdecimal() and len(year) in (2, 4):
        yield int(year) % 100, month, int(day)


def _serial(text: str) -> Iterator[Day]:
    """The day of a date's number."""
    if text.strip().isdecimal() and len(text.strip()) == 5:
        for epoch in _EPOCHS:
            found = epoch + timedelta(days=int(text))
            yield found.year % 100, found.month, found.day
