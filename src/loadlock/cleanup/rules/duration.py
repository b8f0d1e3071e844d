"""duration: lengths of time as a number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Literal

from loadlock.cleanup._each import INVALID, EachValue, UnfitError, shown
from loadlock.cleanup.base import Example, RuleContext, option
from loadlock.cleanup.rules._units import plain

_SECONDS = {"ms": Fraction(1, 1000), "s": Fraction(1), "min": Fraction(60), "h": Fraction(3600), "d": Fraction(86_400)}
_WORDS = {
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), _SECONDS["ms"]),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), _SECONDS["s"]),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), _SECONDS["min"]),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), _SECONDS["h"]),
    **dict.fromkeys(("d", "day", "days"), _SECONDS["d"]),
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks"), _SECONDS["d"] * 7),
}
_NUMBER = r"[0-9]{1,15}(?:[.,][0-9]{1,15})?"
_PIECE = re.compile(rf"({_NUMBER})\s*([a-z]+)\.?(?:\s*,\s*|\s+and\s+|\s*)")
_PIECES = re.compile(rf"(?:{_NUMBER}\s*[a-z]+\.?(?:\s*,\s*|\s+and\s+|\s*))*")
_CLOCK = re.compile(r"([0-9]{1,9}):([0-5]?[0-9])(?::([0-5]?[0-9](?:[.,][0-9]{1,15})?))?")
_ISO = re.compile(rf"P(?:({_NUMBER})W)?(?:({_NUMBER})D)?(?:T(?=.)(?:({_NUMBER})H)?(?:({_NUMBER})M)?(?:({_NUMBER})S)?)?")
_ISO_SECONDS = (604_800, 86_400, 3600, 60, 1)


class Duration(EachValue):
    """Reads lengths of time (`1h 30m`, `90 min`, `2 days, 3 hours`, `01:30:00`, ISO 8601 `PT1H30M`) and writes them as a number
    of seconds (or another unit), or as ISO 8601. Months and years have no fixed length and are unfit. So is `1:30`, until
    `clock` says whether it means hours and minutes, and a number alone, until `given` names its unit."""

    name: ClassVar[str] = "duration"
    summary: ClassVar[str] = "Read lengths of time into a number of seconds, minutes or hours."
    shorthand: ClassVar[str | None] = "to"
    code: ClassVar[str] = "not_duration"
    idempotent: ClassVar[bool] = False  # the number written is read in the unit `given`
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="1h 30m", after="5400"),
        Example(options=None, before="PT1H30M", after="5400"),
        Example(options="min", before="01:30:30", after="90.5"),
        Example(options="h", before="2 days, 3 hours", after="51"),
        Example(options={"clock": "h:m"}, before="1:30", after="5400"),
        Example(options={"given": "min"}, before="1.5", after="90"),
        Example(options="iso", before="90 min", after="PT1H30M"),
        Example(options=None, before="a while", after="a while"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        to: Literal["s", "ms", "min", "h", "d", "iso"] = option("The unit of the result, or `iso`.", default="s")
        given: Literal["s", "ms", "min", "h", "d"] | None = option(
            "The unit of numbers that stand alone.", default=None
        )
        clock: Literal["h:m", "m:s"] | None = option("What `1:30` means.", default=None)
        decimals: int = option("Decimals of the result, at most.", default=6)
        invalid: Literal["reject", "keep", "null"] = option(INVALID, default="reject")

    def __init__(self, options: Options) -> None:
        if not 0 <= options.decimals <= 30:
            raise ValueError("`decimals` must be 0 to 30")
        self.options = options
        self.invalid = options.invalid

    def one(self, text: str, context: RuleContext, *others: str | None) -> str:
        """A sign stands for the whole."""
        bare = text.strip()
        sign = -1 if bare.startswith("-") else 1
        seconds = self._seconds(bare.lstrip("+-").strip()) if len(bare) < 200 and bare[1:2] not in ("+", "-") else None
        if seconds is None:
            raise UnfitError(f"{shown(text)} is no duration of fixed length")
        if self.options.to == "iso":
            return _iso(sign * seconds, self.options.decimals)
        return plain(sign * seconds / _SECONDS[self.options.to], self.options.decimals)

    def _seconds(self, text: str) -> Fraction | None:
        if re.fullmatch(_NUMBER, text):
            return None if self.options.given is None else _number(text) * _SECONDS[self.options.given]
        found = _ISO.fullmatch(text.upper())
        if found is not None and any(found.groups()):
            pairs = zip(found.groups(), _ISO_SECONDS, strict=True)
            return sum((_number(part) * factor for part, factor in pairs if part), Fraction(0))
        return self._words(text.lower())

    def _words(self, text: str) -> Fraction | None:
        """Numbers with units, then perhaps a time as on a clock."""
        words = _PIECES.match(text)
        end = words.end() if words else 0
        pieces = _PIECE.findall(text[:end])
        if any(word not in _WORDS for _, word in pieces):
            return None
        total = sum((_number(number) * _WORDS[word] for number, word in pieces), Fraction(0))
        if not text[end:]:
            return total if pieces else None
        clock = _CLOCK.fullmatch(text[end:])
        return None if clock is None else self._clock(clock, total)

    def _clock(self, clock: re.Match[str], days: Fraction) -> Fraction | None:
        first, second, third = clock.groups()
        if third is not None:
            return days + int(first) * 3600 + int(second) * 60 + _number(third)
        if self.options.clock is None:
            return None
        big, small = (3600, 60) if self.options.clock == "h:m" else (60, 1)
        return days + int(first) * big + int(second) * small


def _number(text: str) -> Fraction:
    return Fraction(text.replace(",", "."))


def _iso(seconds: Fraction, decimals: int) -> str:
    """As ISO 8601, in days, hours, minutes and seconds."""
    whole, sign = abs(seconds), "-" if seconds < 0 else ""
    days, whole = divmod(whole, 86_400)
    hours, whole = divmod(whole, 3600)
    minutes, rest = divmod(whole, 60)
    last = plain(rest, decimals)
    times = "".join(f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M")) if number)
    times += f"{last}S" if last != "0" else ""
    text = (f"{days}D" if days else "") + (f"T{times}" if times else "")
    return f"{sign}P{text}" if text else "PT0S"
