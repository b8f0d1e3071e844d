"""vat: VAT numbers with the right check digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from loadlock.cleanup._each import INVALID, EachValue, UnfitError, module, need, shown
from loadlock.cleanup.base import Example, RuleContext, option
from loadlock.cleanup.rules._stdnum import validated

_PREFIXES = {"GR": "EL"}
"""Greece has a prefix of its own."""


class Vat(EachValue):
    """Writes VAT numbers without blanks and dots, the country's prefix in front; form and check digits must be right
    (library python-stdnum). Whether the number is registered is not asked."""

    name: ClassVar[str] = "vat"
    summary: ClassVar[str] = "Write VAT numbers in one way and verify their check digits."
    shorthand: ClassVar[str | None] = "country"
    code: ClassVar[str] = "not_identifier"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="de 136 695 976", after="DE136695976"),
        Example(options="NL", before="4495445B01", after="NL004495445B01"),
        Example(options=None, before="DE136695978", after="DE136695978"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        country: str | None = option("Country of numbers without a prefix: its code of two letters.", default=None)
        country_column: str | None = option("Column with that code; `country` is for rows without one.", default=None)
        invalid: Literal["reject", "keep", "null"] = option(INVALID, default="reject")

    def __init__(self, options: Options) -> None:
        need("stdnum", self.name)
        if options.country is not None and _module(options.country) is None:
            raise ValueError(f"the VAT numbers of {options.country!r} are not known; write a code as DE")
        self.options = options
        self.invalid = options.invalid

    def beside(self) -> tuple[str, ...]:
        """The column with the country."""
        return (self.options.country_column,) if self.options.country_column else ()

    def one(self, text: str, context: RuleContext, *others: str | None) -> str:
        """The prefix says the country, else the column, else the option."""
        start = text.strip()[:2].upper()
        given = (others[0].strip().upper() if others and others[0] else "") or self.options.country
        country = start if _module(start) is not None else given
        name = None if country is None else _module(country)
        if country is None or name is None:
            raise UnfitError(f"{shown(text)} names no country whose VAT numbers are known")
        number = validated(name, text, f"VAT number of {country}")
        prefix = _PREFIXES.get(country, country)
        return number if number.startswith(prefix) else prefix + number


def _module(country: str) -> str | None:
    """The name of python-stdnum's module for a country's VAT numbers."""
    code = {"EL": "GR", "XI": "GB"}.get(country.upper(), country.upper())
    if len(code) != 2 or not code.isascii() or not code.isalpha():
        return None
    found = module("stdnum.util").get_cc_module(code.lower(), "vat")
    return None if found is None else str(found.__name__).removeprefix("stdnum.")
