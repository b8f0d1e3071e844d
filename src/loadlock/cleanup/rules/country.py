"""country: countries by their codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from loadlock.cleanup._each import INVALID, EachValue, UnfitError, need, shown
from loadlock.cleanup.base import Example, RuleContext, option
from loadlock.cleanup.rules._countries import alpha2, attribute, translated

_ATTRIBUTES = {"alpha2": "alpha_2", "alpha3": "alpha_3", "numeric": "numeric", "name": "name"}


class Country(EachValue):
    """Writes countries in one way (ISO 3166-1, library pycountry): from their two- or three-letter code, their number or
    their English name, whatever the case and accents; in other languages by `languages`."""

    name: ClassVar[str] = "country"
    summary: ClassVar[str] = "Write countries by their codes."
    shorthand: ClassVar[str | None] = "to"
    code: ClassVar[str] = "not_code"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="Germany", after="DE"),
        Example(options=None, before=" u.s.a. ", after="US"),
        Example(options="alpha3", before="ch", after="CHE"),
        Example(options="name", before="GBR", after="United Kingdom"),
        Example(options={"languages": ["de"]}, before="Österreich", after="AT"),
        Example(options=None, before="Atlantis", after="Atlantis"),
        Example(options={"invalid": "null"}, before="Atlantis", after=None),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        to: Literal["alpha2", "alpha3", "numeric", "name"] = option("How they are written.", default="alpha2")
        languages: tuple[str, ...] = option("Languages of names beside English, as `de`.", default=())
        invalid: Literal["reject", "keep", "null"] = option(INVALID, default="reject")

    def __init__(self, options: Options) -> None:
        need("pycountry", self.name)
        for language in options.languages:
            translated(language)
        self.options = options
        self.invalid = options.invalid

    def one(self, text: str, context: RuleContext, *others: str | None) -> str:
        """By the folded name."""
        code = alpha2(text, self.options.languages)
        if code is None:
            raise UnfitError(f"{shown(text)} is the name or code of no country")
        return attribute(code, _ATTRIBUTES[self.options.to])
