"""postcode: postcodes as their country writes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from loadlock.cleanup._each import INVALID, EachValue, UnfitError, shown
from loadlock.cleanup.base import Example, RuleContext, option
from loadlock.cleanup.rules._postcodes import FORMS, WIDTHS, written


class Postcode(EachValue):
    """Writes postcodes as their country does (`sw1a1aa` becomes `SW1A 1AA`); a country's prefix (`D-10115`) goes. Only the
    form is judged, not whether there is such a place. Known are the countries of Europe and 20 others; a row of another
    country keeps its value."""

    name: ClassVar[str] = "postcode"
    summary: ClassVar[str] = "Write postcodes as their country does."
    shorthand: ClassVar[str | None] = "country"
    code: ClassVar[str] = "not_postcode"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options="GB", before="sw1a1aa", after="SW1A 1AA"),
        Example(options="DE", before="D-10115", after="10115"),
        Example(options="US", before="123456789", after="12345-6789"),
        Example(options={"country": "DE", "zero_fill": True}, before="1067", after="01067"),
        Example(options="DE", before="1067", after="1067"),
        Example(options={"country": "NL", "invalid": "null"}, before="12", after=None),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        country: str | None = option("The country: its code of two letters.", default=None)
        country_column: str | None = option("Column with that code; `country` is for rows without one.", default=None)
        zero_fill: bool = option("Whether zeros that a spreadsheet took off are put back.", default=False)
        invalid: Literal["reject", "keep", "null"] = option(INVALID, default="reject")

    def __init__(self, options: Options) -> None:
        if options.country is None and options.country_column is None:
            raise ValueError("give `country` or `country_column`")
        if options.country is not None and options.country not in FORMS:
            raise ValueError(
                f"the postcodes of {options.country!r} are not known; known are {', '.join(sorted(FORMS))}"
            )
        self.options = options
        self.invalid = options.invalid

    def beside(self) -> tuple[str, ...]:
        """The column with the country."""
        return (self.options.country_column,) if self.options.country_column else ()

    def one(self, text: str, context: RuleContext, *others: str | None) -> str:
        """By the country of the row."""
        country = (others[0].strip().upper() if others and others[0] else "") or self.options.country
        if country is None:
            raise UnfitError(f"{shown(text)} can't be judged: the row names no country")
        if country not in FORMS:
            return text
        digits = text.strip()
        if self.options.zero_fill and country in WIDTHS and digits.isascii() and digits.isdigit():
            text = digits.zfill(WIDTHS[country])
        found = written(text, country)
        if found is None:
            raise UnfitError(f"{shown(text)} is no postcode of {country}")
        return found
