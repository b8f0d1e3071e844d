"""language: languages by their codes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal

from loadlock.cleanup._each import INVALID, EachValue, UnfitError, module, need, shown
from loadlock.cleanup._folded import folded
from loadlock.cleanup.base import Example, RuleContext, option

_ATTRIBUTES = {"alpha2": "alpha_2", "alpha3": "alpha_3", "name": "name"}


class Language(EachValue):
    """Writes languages by their ISO 639 codes (library pycountry), from a code of two or three letters or the English name."""

    name: ClassVar[str] = "language"
    summary: ClassVar[str] = "Write languages by their codes."
    shorthand: ClassVar[str | None] = "to"
    code: ClassVar[str] = "not_code"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="German", after="de"),
        Example(options=None, before="ger", after="de"),
        Example(options="alpha3", before="FR", after="fra"),
        Example(options="name", before="pt", after="Portuguese"),
        Example(options=None, before="Klingonese", after="Klingonese"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        to: Literal["alpha2", "alpha3", "name"] = option("How they are written.", default="alpha2")
        invalid: Literal["reject", "keep", "null"] = option(INVALID, default="reject")

    def __init__(self, options: Options) -> None:
        need("pycountry", self.name)
        self.options = options
        self.invalid = options.invalid

    def one(self, text: str, context: RuleContext, *others: str | None) -> str:
        """Many languages have no code of two letters; those are unfit for it."""
        language = _by_name().get(folded(text))
        if language is None:
            raise UnfitError(f"{shown(text)} is the name or code of no language")
        written = getattr(language, _ATTRIBUTES[self.options.to], None)
        if written is None:
            raise UnfitError(f"the language {shown(text)} has no code of two letters")
        return str(written)


@cache
def _by_name() -> dict[str, Any]:
    found: dict[str, Any] = {}
    listed = list(module("pycountry").languages)
    for attribute in ("alpha_2", "alpha_3", "bibliographic", "common_name", "name"):
        for language in listed:
            name = getattr(language, attribute, None)
            if name:
                found.setdefault(folded(name), language)
    return found
