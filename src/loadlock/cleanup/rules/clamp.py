"""clamp: numbers beyond a bound become the bound."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import ClassVar

from loadlock.cleanup._plain_numbers import DIGITS, exact
from loadlock.cleanup._sql import literal
from loadlock.cleanup.base import Example, RuleContext, option

_DECIMALS = 12
_WHOLE = DIGITS - _DECIMALS - 1


class Clamp:
    """Puts the bound in the place of a plain number (as `number` writes it) that lies beyond it. What is no plain number
    stays as it is. To keep such rows out instead, use the check `range`."""

    name: ClassVar[str] = "clamp"
    summary: ClassVar[str] = "Put a bound in place of numbers beyond it."
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options={"min": 0, "max": 100}, before="-3", after="0"),
        Example(options={"min": 0, "max": 100}, before="100.0001", after="100"),
        Example(options={"min": 0, "max": 100}, before="42.5", after="42.5"),
        Example(options={"max": "99.95"}, before="1000000", after="99.95"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        min: str | int | float | None = option("The smallest number.", default=None)
        max: str | int | float | None = option("The largest number.", default=None)

    def __init__(self, options: Options) -> None:
        if options.min is None and options.max is None:
            raise ValueError("give `min`, `max` or both")
        self.options = options
        self._min, self._max = (None if one is None else _plain(one) for one in (options.min, options.max))
        if self._min is not None and self._max is not None and self._min > self._max:
            raise ValueError("`min` must be at most `max`")

    def sql(self, value: str, context: RuleContext) -> str:
        """Numbers too long to compare are beyond the bound on their side."""
        number, cases = exact(value, _DECIMALS), []
        for bound, sign, sided in ((self._min, "<", "-"), (self._max, ">", "[+]?")):
            if bound is not None:
                huge = f"{sided}0*[1-9][0-9]{{{_WHOLE},}}(?:\\.[0-9]*)?"
                beyond = f"{number} {sign} {bound:f}::decimal({DIGITS}, {_DECIMALS + 1})"
                cases.append(f"when regexp_full_match({value}, '{huge}') or {beyond} then {literal(f'{bound:f}')}")
        return f"case {' '.join(cases)} else {value} end"


def _plain(written: str | int | float) -> Decimal:
    try:
        number = Decimal(str(written))
    except InvalidOperation:
        raise ValueError(f"{written!r} is no number") from None
    if not number.is_finite() or abs(number) >= 10**_WHOLE or number != round(number, _DECIMALS):
        raise ValueError(f"a bound has at most {_WHOLE} digits and {_DECIMALS} decimals, not {written!r}")
    return number
