"""round: numbers with fewer decimals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from loadlock.cleanup._plain_numbers import DIGITS, cut, exact, has_digit, more
from loadlock.cleanup.base import Example, RuleContext, option

_MOST = 12


class Round:
    """Rounds a plain number (as `number` writes it) to a number of decimals, exactly, digit by digit. Numbers with no more
    decimals, and what is no plain number, stay as they are."""

    name: ClassVar[str] = "round"
    summary: ClassVar[str] = "Round numbers to a number of decimals."
    shorthand: ClassVar[str | None] = "decimals"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=2, before="12.345", after="12.35"),
        Example(options=2, before="-12.345", after="-12.35"),
        Example(options={"decimals": 2, "mode": "half_even"}, before="12.345", after="12.34"),
        Example(options={"decimals": 1, "mode": "down"}, before="-0.19", after="-0.1"),
        Example(options={"decimals": 0, "mode": "up"}, before="7.001", after="8"),
        Example(options=2, before="12.3", after="12.3"),
        Example(options=2, before="about 5", after="about 5"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        decimals: int = option("Decimals that are kept, 0 to 12.")
        mode: Literal["half_up", "half_even", "down", "up"] = option(
            "A half goes away from zero (half_up) or to the even digit (half_even); or all goes to zero or away from it.",
            default="half_up",
        )

    def __init__(self, options: Options) -> None:
        if not 0 <= options.decimals <= _MOST:
            raise ValueError(f"`decimals` must be 0 to {_MOST}")
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        count = self.options.decimals
        # one digit is left free: 99.9 becomes 100
        whole = DIGITS - count - 3
        pattern = f"[-+]?[0-9]{{0,{whole}}}\\.[0-9]{{{count + 1},}}"
        doubtful = f"regexp_full_match({value}, '{pattern}') and {has_digit(value)}"
        return f"case when {doubtful} then ({self._rounded(value)})::varchar else {value} end"

    def _rounded(self, value: str) -> str:
        count, mode = self.options.decimals, self.options.mode
        kind = f"decimal({DIGITS}, {count})"
        short = f"coalesce(try_cast({cut(value, count)} as {kind}), 0::{kind})"
        if mode == "down":
            return short
        if mode == "up":
            step = f"case when starts_with({value}, '-') then -1 else 1 end * {_unit(count)}"
            return f"case when {more(value, count)} then {short} + ({step})::{kind} else {short} end"
        nearest = f"round({exact(value, count + 1)}, {count})::{kind}"
        if mode == "half_up":
            return nearest
        return f"case when regexp_matches({value}, '{_even_half(count)}') then {short} else {nearest} end"


def _unit(decimals: int) -> str:
    """One in the last decimal."""
    return "1" if not decimals else "0." + "0" * (decimals - 1) + "1"


def _even_half(decimals: int) -> str:
    """Pattern: exactly a half behind an even digit (none is a zero)."""
    if not decimals:
        return "(?:^|[-+02468])\\.50*$"
    return f"\\.[0-9]{{{decimals - 1}}}[02468]50*$"
