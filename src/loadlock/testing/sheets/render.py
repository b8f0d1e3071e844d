"""How a cell's value is shown: numbers, dates and money by their number format (locale en_US)."""

from __future__ import annotations

import datetime
import math
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from loadlock.testing.sheets.entry import EPOCH
from loadlock.testing.sheets.errors import Json, unknown
from loadlock.testing.sheets.formula_value import ERRORS
from loadlock.testing.sheets.grid import Cell

DEFAULT_PATTERNS = {
    "NUMBER": "#,##0.00",
    "PERCENT": "0.00%",
    "CURRENCY": "$#,##0.00",
    "DATE": "m/d/yyyy",
    "TIME": "h:mm:ss am/pm",
    "DATE_TIME": "m/d/yyyy h:mm:ss",
    "SCIENTIFIC": "0.00E+00",
}
_DATE_KINDS = ("DATE", "TIME", "DATE_TIME")
_DATE_TOKEN = re.compile(r"yyyy|yy|mmmm|mmm|mm|m|dddd|ddd|dd|d|hh|h|ss|s|\.0+|am/pm|a/p|\"[^\"]*\"|\\.|[-/:., T]", re.I)
_NUMBER_PATTERN = re.compile(r"(?P<whole>[#0?,]*)(?P<fraction>\.[#0?]*)?(?P<power>E\+0+)?")
_LITERAL = re.compile(r'"([^"]*)"|\\(.)|\[[^\]]*\]|_.|\*.')


def number_format(attributes: Json) -> Json | None:
    found: Json | None = attributes.get("userEnteredFormat", {}).get("numberFormat")
    return found


def is_date(attributes: Json) -> bool:
    """Whether a number in the cell is a date, time or both."""
    return (number_format(attributes) or {}).get("type") in _DATE_KINDS


def shown(cell: Cell, attributes: Json) -> str:
    """The text that a person sees. `cell` is a value, not a formula. Raises 501 for number formats not known here."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, dict):
        return ERRORS[cell["e"]]
    chosen = number_format(attributes)
    if chosen is None or chosen.get("type") in (None, "TEXT", "NUMBER_FORMAT_TYPE_UNSPECIFIED"):
        return general(cell)
    pattern = chosen.get("pattern") or DEFAULT_PATTERNS[chosen["type"]]
    if chosen["type"] in _DATE_KINDS:
        return _date(cell, pattern)
    return _number(cell, pattern)


def general(value: float) -> str:
    """A number without a format: up to ten digits after the point's place, an exponent where it is long."""
    if isinstance(value, int) and abs(value) < 10**15:
        return str(value)
    if value and not 1e-9 <= abs(value) < 1e15:
        mantissa, _, power = f"{value:.5E}".partition("E")
        return f"{mantissa.rstrip('0').rstrip('.')}E{power[0]}{power[1:].lstrip('0').rjust(2, '0')}"
    text = f"{value:.10g}"
    if "e" in text:
        text = f"{Decimal(text):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _date(value: float, pattern: str) -> str:
    moment = EPOCH + datetime.timedelta(days=value)
    moment = (moment + datetime.timedelta(microseconds=500)).replace(microsecond=moment.microsecond // 1000 * 1000)
    parts, at, after_hour = [], 0, False
    half = re.search(r"am/pm|a/p", pattern, re.I) is not None
    while at < len(pattern):
        match = _DATE_TOKEN.match(pattern, at)
        if match is None:
            raise unknown(f"the date pattern {pattern!r}")
        token = match[0]
        minutes = token.lower() in ("m", "mm") and (after_hour or re.match(r":ss?", pattern[match.end() :], re.I))
        parts.append(_date_part(moment, token, minutes=bool(minutes), half=half))
        if token[0] in "yYmMdDhHsSaA":
            after_hour = token.lower() in ("h", "hh")
        at = match.end()
    return "".join(parts)


def _date_part(moment: datetime.datetime, token: str, *, minutes: bool, half: bool) -> str:
    lower = token.lower()
    if token[0] in '"\\':
        return token[1:-1] if token[0] == '"' else token[1]
    if minutes:
        return f"{moment.minute:02d}" if len(token) == 2 else str(moment.minute)
    hour = (moment.hour % 12 or 12) if half else moment.hour
    parts: dict[str, Any] = {
        "yyyy": f"{moment.year:04d}",
        "yy": f"{moment.year % 100:02d}",
        "mmmm": f"{moment:%B}",
        "mmm": f"{moment:%b}",
        "mm": f"{moment.month:02d}",
        "m": moment.month,
        "dddd": f"{moment:%A}",
        "ddd": f"{moment:%a}",
        "dd": f"{moment.day:02d}",
        "d": moment.day,
        "hh": f"{hour:02d}",
        "h": hour,
        "ss": f"{moment.second:02d}",
        "s": moment.second,
        "am/pm": "AM" if moment.hour < 12 else "PM",
        "a/p": "A" if moment.hour < 12 else "P",
    }
    if lower.startswith(".0"):
        return f".{moment.microsecond:06d}"[: len(lower)]
    return str(parts.get(lower, token))


def _number(value: float, pattern: str) -> str:
    sections = pattern.split(";")
    if value < 0 and len(sections) > 1:
        return _section(-value, sections[1])
    if value == 0 and len(sections) > 2:
        return _section(value, sections[2])
    return _section(value, sections[0])


def _section(value: float, pattern: str) -> str:
    bare = _LITERAL.sub("", pattern)
    if not re.fullmatch(r"[^#0?]*[#0?,]+(\.[#0?]*)?(E\+0+)?[^#0?]*", bare) or re.search(r"[A-DF-Za-z@]", bare):
        raise unknown(f"the number pattern {pattern!r}")
    first = next(match for match in _NUMBER_PATTERN.finditer(pattern) if match["whole"])
    before, after = (_literals(pattern[: first.start()]), _literals(pattern[first.end() :]))
    scaled = Decimal(repr(value)) * (100 if "%" in before + after else 1)
    digits = _power(scaled, first) if first["power"] else _digits(scaled, first)
    sign, digits = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    return f"{sign}{before}{digits}{after}"


def _literals(text: str) -> str:
    return _LITERAL.sub(lambda match: match[1] or match[2] or "", text)


def _digits(value: Decimal, match: re.Match[str]) -> str:
    whole, fraction = match["whole"], (match["fraction"] or "")[1:]
    rounded = value.quantize(Decimal(1).scaleb(-len(fraction)), rounding=ROUND_HALF_UP)
    text = f"{abs(rounded):{',' if ',' in whole else ''}f}"
    units, _, decimals = text.partition(".")
    keep = fraction.rfind("0") + 1
    while len(decimals) > keep and decimals.endswith("0"):
        decimals = decimals[:-1]
    units = units.rjust(whole.count("0"), "0")
    if not whole.count("0") and units == "0":
        units = ""
    sign = "-" if rounded < 0 else ""
    return sign + units + ("." + decimals if decimals else "")


def _power(value: Decimal, match: re.Match[str]) -> str:
    exponent = 0 if not value else math.floor(math.log10(abs(float(value))))
    places = len((match["fraction"] or ".")[1:])
    mantissa = f"{float(value) / 10**exponent:.{places}f}"
    width = match["power"].count("0")
    return f"{mantissa}E{'-' if exponent < 0 else '+'}{abs(exponent):0{width}d}"
