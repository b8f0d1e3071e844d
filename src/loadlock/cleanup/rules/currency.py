"""currency: currencies by their codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Literal

from loadlock.cleanup._each import INVALID, EachValue, UnfitError, module, need, shown
from loadlock.cleanup._folded import folded
from loadlock.cleanup.base import Example, RuleContext, option

_SIGNS = {
    "€": "EUR", "₹": "INR", "₽": "RUB", "₺": "TRY", "₴": "UAH", "₪": "ILS", "₫": "VND", "₦": "NGN", "₸": "KZT", "₾": "GEL",
    "₼": "AZN", "₲": "PYG", "₵": "GHS", "₡": "CRC", "₭": "LAK", "₮": "MNT", "zł": "PLN", "Kč": "CZK", "R$": "BRL",
    "US$": "USD", "A$": "AUD", "C$": "CAD", "HK$": "HKD", "NZ$": "NZD", "S$": "SGD",
}  # fmt: skip
_SHARED = ("$", "£", "¥", "kr", "₩", "₱", "﷼")


class Currency(EachValue):
    """Writes currencies by their ISO 4217 codes (library pycountry), from code, number, English name or sign. A sign that
    several currencies share (`$`, `£`, `¥`, `kr`) is a problem until `signs` says which one it is."""

    name: ClassVar[str] = "currency"
    summary: ClassVar[str] = "Write currencies by their codes."
    code: ClassVar[str] = "not_code"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="eur", after="EUR"),
        Example(options=None, before="€", after="EUR"),
        Example(options=None, before="Swiss Franc", after="CHF"),
        Example(options={"signs": {"$": "USD"}}, before="$", after="USD"),
        Example(options=None, before="$", after="$"),
        Example(options={"invalid": "null"}, before="shells", after=None),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        signs: Mapping[str, str] | None = option("Signs and words of your own, `$: USD`.", default=None)
        invalid: Literal["reject", "keep", "null"] = option(INVALID, default="reject")

    def __init__(self, options: Options) -> None:
        need("pycountry", self.name)
        for code in (options.signs or {}).values():
            if module("pycountry").currencies.get(alpha_3=code) is None:
                raise ValueError(f"there is no currency {code!r}; write a code as USD")
        self.options = options
        self.invalid = options.invalid

    def one(self, text: str, context: RuleContext, *others: str | None) -> str:
        """By the user's signs, then the usual ones, then codes and names."""
        word = text.strip()
        found = (self.options.signs or {}).get(word) or _SIGNS.get(word) or _by_name().get(folded(word))
        if found is None:
            why = "stands for several currencies: say which in `signs`" if word in _SHARED else "is no currency"
            raise UnfitError(f"{shown(text)} {why}")
        return found


@cache
def _by_name() -> dict[str, str]:
    found: dict[str, str] = {}
    for currency in module("pycountry").currencies:
        for name in (currency.alpha_3, currency.numeric, currency.name):
            found.setdefault(folded(name), currency.alpha_3)
    return found
