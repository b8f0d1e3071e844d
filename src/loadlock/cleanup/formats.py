"""Date formats as strict SQL: DuckDB's strptime is lenient (years of two digits for %Y, white space), a pattern is not."""

from __future__ import annotations

import re
from functools import cache
from itertools import combinations
from typing import Any

from loadlock.cleanup import sandbox
from loadlock.cleanup._sql import literal

_YEAR = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
"""Four digits, not 0000: DuckDB takes that for a year before Christ."""
_SHAPES = {
    "Y": _YEAR, "y": "[0-9]{2}", "m": "[0-9]{1,2}", "d": "[0-9]{1,2}", "H": "[0-9]{1,2}", "I": "[0-9]{1,2}",
    "M": "[0-9]{1,2}", "S": "[0-9]{1,2}", "f": "[0-9]{1,6}", "g": "[0-9]{1,3}", "n": "[0-9]{1,9}", "p": "[AaPp][Mm]",
    "b": "[A-Za-z]+", "B": "[A-Za-z]+", "a": "[A-Za-z]+", "A": "[A-Za-z]+", "j": "[0-9]{1,3}",
    "z": "(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)", "Z": "[A-Za-z_/+-]+", "%": "%",
}  # fmt: skip
_SPECIFIER = re.compile(r"%-?(.)", re.DOTALL)
ZONED = re.compile(r"%-?[zZ]")
_SAMPLES = (
    "select d from range(timestamp '2001-01-01 03:04:05', timestamp '2013-01-01', interval 17 days) t(d)"
    " union all select timestamp '2012-11-10 09:08:07'"
)


def shape(format_text: str) -> str:
    """An RE2 pattern that a value of this strptime format must match whole."""
    pieces, end = [], 0
    for match in _SPECIFIER.finditer(format_text):
        pieces += [re.escape(format_text[end : match.start()]), _SHAPES.get(match[1], ".+")]
        end = match.end()
    pieces.append(re.escape(format_text[end:]))
    return "".join(pieces)


def parse(value: str, format_text: str) -> str:
    """SQL: the value by this format (timestamp, or timestamptz where the format has a zone), null where it doesn't fit."""
    if format_text == "%Y-%m-%d":
        # the usual spelling, by the quicker cast; the pattern is for the rest (one-digit months)
        usual = f"strlen({value}) = 10 and try_cast({value} as date)::varchar = {value} and {value} >= '0001'"
        return f"case when {usual} then try_cast({value} as date)::timestamp else {_matched(value, format_text)} end"
    return _matched(value, format_text)


def _matched(value: str, format_text: str) -> str:
    guard = f"regexp_full_match({value}, {literal(shape(format_text))})"
    return f"case when {guard} then try_strptime({value}, {literal(format_text)}) end"


def check(format_text: str) -> str | None:
    """What is wrong with a format, or None."""
    import duckdb

    if "\0" in format_text:
        return "it holds a NUL character"
    try:
        sandbox.connection().execute(f"select try_strptime('', {literal(format_text)})").fetchall()
    except duckdb.Error as error:
        return str(error).splitlines()[0]
    return None


def collisions(formats: tuple[str, ...]) -> list[tuple[int, int]]:
    """Pairs of formats (by index) that one text can fit with different results."""
    pairs = list(combinations(range(len(formats)), 2))
    return [pair for pair in pairs if _collide(formats[pair[0]], formats[pair[1]])]


@cache
def _collide(first: str, second: str) -> bool:
    """Whether a sample written in one of the formats, padded or not, reads differently in the other."""
    tests = []
    for written in {first, second, _unpadded(first), _unpadded(second)}:
        text = f"strftime(d, {literal(written)})"
        tests.append(f"({_moment(parse(text, first))}) <> ({_moment(parse(text, second))})")
    query = f"select coalesce(bool_or({' or '.join(f'coalesce({test}, false)' for test in tests)}), false) from ({_SAMPLES})"
    return bool(_run(query))


def _moment(parsed: str) -> str:
    return f"({parsed})::timestamp"


def _unpadded(format_text: str) -> str:
    return re.sub(r"%([mdHIMS])", r"%-\1", format_text)


def _run(query: str) -> Any:
    return sandbox.connection().execute(query).fetchall()[0][0]


def ordered(count: int, winners: dict[str, int | None]) -> list[int]:
    """Indexes of the formats in the order to try: a pair's winner before its loser. Keys of `winners` are `i-j`."""
    wins = dict.fromkeys(range(count), 0)
    for winner in winners.values():
        if winner is not None:
            wins[winner] += 1
    return sorted(range(count), key=lambda index: (-wins[index], index))
