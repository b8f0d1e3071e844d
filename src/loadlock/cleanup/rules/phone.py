"""phone: phone numbers in the international form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from loadlock.cleanup._each import INVALID, EachValue, UnfitError, module, need, shown
from loadlock.cleanup.base import Example, RuleContext, option

_FORMATS = {"e164": "E164", "international": "INTERNATIONAL", "national": "NATIONAL"}
_LONGEST = 250
_COMPARED = 6


class Phone(EachValue):
    """Writes phone numbers in one way, E.164 if nothing else is said (library phonenumbers, its rules for each country).

    A number without `+` belongs to `country`, or to the country named in the row's column `country_column`. What is no valid
    number there, has an extension that the form can't hold, or holds a second number is unfit. Takes its time:
    about 15,000 different numbers a second.
    """

    name: ClassVar[str] = "phone"
    summary: ClassVar[str] = "Write phone numbers in the international form."
    shorthand: ClassVar[str | None] = "country"
    code: ClassVar[str] = "not_phone"
    idempotent: ClassVar[bool] = False  # the national form may be another number abroad
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options="DE", before="030 / 901820", after="+4930901820"),
        Example(options="DE", before="+44 (0)20 7946 0958", after="+442079460958"),
        Example(options={"country": "US", "format": "national"}, before="2125550123", after="(212) 555-0123"),
        Example(options=None, before="00 12", after="00 12"),
        Example(options={"country": "DE", "invalid": "null"}, before="ask Ann", after=None),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        country: str | None = option("Country of numbers without `+`: its code of two letters.", default=None)
        country_column: str | None = option("Column with that code; `country` is for rows without one.", default=None)
        format: Literal["e164", "international", "national"] = option("How they are written.", default="e164")
        extensions: Literal["refuse", "drop"] = option("What an extension (`ext. 12`) does in E.164.", default="refuse")
        invalid: Literal["reject", "keep", "null"] = option(INVALID, default="reject")

    def __init__(self, options: Options) -> None:
        need("phonenumbers", self.name)
        if options.country is not None and options.country not in module("phonenumbers").SUPPORTED_REGIONS:
            raise ValueError(f"there is no country {options.country!r}; write a code of two capitals as DE")
        self.options = options
        self.invalid = options.invalid

    def beside(self) -> tuple[str, ...]:
        """The column with the country."""
        return (self.options.country_column,) if self.options.country_column else ()

    def one(self, text: str, context: RuleContext, *others: str | None) -> str | None:
        """By the rules of the row's country."""
        numbers = module("phonenumbers")
        country = (others[0].strip().upper() if others and others[0] else "") or self.options.country
        number = _parsed(text, country)
        if number.extension and self.options.format == "e164" and self.options.extensions == "refuse":
            raise UnfitError(f"{shown(text)} has an extension, which E.164 can't hold")
        form = getattr(numbers.PhoneNumberFormat, _FORMATS[self.options.format])
        return str(numbers.format_number(number, form))


def _parsed(text: str, country: str | None) -> Any:
    numbers = module("phonenumbers")
    where = f"of {country}" if country else "with a country's code in front"
    if len(text) > _LONGEST:
        raise UnfitError(f"{shown(text)} is no phone number {where}")
    try:
        number = numbers.parse(text, country)
    except numbers.NumberParseException:
        raise UnfitError(f"{shown(text)} is no phone number {where}") from None
    if not numbers.is_valid_number(number):
        raise UnfitError(f"{shown(text)} is no valid phone number {where}")
    read = f"{number.national_number}{number.extension or ''}"[-_COMPARED:]
    # letters may stand for nothing (ext. 12), or for digits (1-800-FLOWERS)
    if not numbers.normalize_digits_only(text).endswith(read):
        spelled = numbers.convert_alpha_characters_in_number(text)
        if not numbers.normalize_digits_only(spelled).endswith(read):
            raise UnfitError(f"{shown(text)} holds more than one number")
    return number
