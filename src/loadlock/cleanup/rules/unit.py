"""unit: measures in another unit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from typing import ClassVar, Literal

from loadlock.cleanup._each import INVALID, EachValue, UnfitError, shown
from loadlock.cleanup.base import Example, RuleContext, option
from loadlock.cleanup.rules._units import names, plain, unit

_MEASURE = re.compile(r"\s*([-+]?[0-9]{1,40}(?:[.,][0-9]{1,40})?)\s*([^\W\d_].*?|[°µ].*?)?\s*", re.DOTALL)


class Unit(EachValue):
    """Reads a measure with its unit (`5 ft`, `12.5kg`) and writes it as a plain number in another unit, converted exactly and
    rounded at the end. `given` is the unit of numbers without one; without it those are unfit."""

    name: ClassVar[str] = "unit"
    summary: ClassVar[str] = "Convert measures to one unit."
    shorthand: ClassVar[str | None] = "to"
    code: ClassVar[str] = "not_code"
    idempotent: ClassVar[bool] = False  # the number written is read in the unit `given`
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options="m", before="5 ft", after="1.524"),
        Example(options="kg", before="2lbs", after="0.907185"),
        Example(options={"to": "°C", "given": "°F", "decimals": 1}, before="98.6", after="37"),
        Example(options={"to": "kg", "decimal": ","}, before="1,5 t", after="1500"),
        Example(options="kg", before="2 m", after="2 m"),
        Example(options={"to": "kg", "invalid": "null"}, before="heavy", after=None),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        to: str = option("The unit of the result.")
        given: str | None = option("The unit of numbers that stand alone.", default=None)
        decimals: int = option("Decimals of the result, at most.", default=6)
        decimal: Literal[".", ","] = option("The decimal mark of the values.", default=".")
        invalid: Literal["reject", "keep", "null"] = option(INVALID, default="reject")

    def __init__(self, options: Options) -> None:
        for name in (options.to, options.given):
            if name is not None and unit(name) is None:
                close = get_close_matches(name, names(), n=1)
                raise ValueError(
                    f"unknown unit {name!r}; " + (f"did you mean {close[0]}?" if close else "write it as kg or m")
                )
        if options.given is not None and (unit(options.given) or " ")[0] != (unit(options.to) or " ")[0]:
            raise ValueError(f"{options.given} can't be converted to {options.to}")
        if not 0 <= options.decimals <= 30:
            raise ValueError("`decimals` must be 0 to 30")
        self.options = options
        self.invalid = options.invalid

    def one(self, text: str, context: RuleContext, *others: str | None) -> str:
        """Through the first unit of the kind, with fractions."""
        found = _MEASURE.fullmatch(text) if len(text) < 200 else None
        other = "." if self.options.decimal == "," else ","
        if found is None or other in found[1]:
            raise UnfitError(f"{shown(text)} is no number with a unit")
        name = found[2] or self.options.given
        if name is None:
            raise UnfitError(f"{shown(text)} has no unit, and none is given for it")
        source, target = unit(name), unit(self.options.to)
        assert target is not None
        if source is None or source[0] != target[0]:
            raise UnfitError(f"{shown(text)} is in no unit of {target[0]}")
        number = Fraction(found[1].replace(",", "."))
        return plain((number * source[1] + source[2] - target[2]) / target[1], self.options.decimals)
