"""isbn: book numbers with the right check digit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from loadlock.cleanup._each import INVALID, EachValue, UnfitError, module, need, shown
from loadlock.cleanup.base import Example, RuleContext, option
from loadlock.cleanup.rules._stdnum import formatted, validated


class Isbn(EachValue):
    """Writes ISBNs in one way, those of ten digits as those of thirteen; the check digit must be right (library
    python-stdnum)."""

    name: ClassVar[str] = "isbn"
    summary: ClassVar[str] = "Write book numbers (ISBN) in one way and verify their check digit."
    shorthand: ClassVar[str | None] = "to"
    code: ClassVar[str] = "not_identifier"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="0-306-40615-2", after="9780306406157"),
        Example(options={"hyphens": True}, before="9780306406157", after="978-0-306-40615-7"),
        Example(options="10", before="978-0-306-40615-7", after="0306406152"),
        Example(options=None, before="0-306-40615-3", after="0-306-40615-3"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        to: Literal["13", "10", "as_is"] = option("Digits they are written with.", default="13")
        hyphens: bool = option("Whether hyphens stand between the groups.", default=False)
        invalid: Literal["reject", "keep", "null"] = option(INVALID, default="reject")

    def __init__(self, options: Options) -> None:
        need("stdnum", self.name)
        self.options = options
        self.invalid = options.invalid

    def one(self, text: str, context: RuleContext, *others: str | None) -> str:
        """Numbers that begin with 979 have no form of ten digits."""
        number = validated("isbn", text, "ISBN")
        if self.options.to == "13":
            number = str(module("stdnum.isbn").to_isbn13(number))
        elif self.options.to == "10" and len(number) == 13:
            if not number.startswith("978"):
                raise UnfitError(f"{shown(text)} has no form of ten digits")
            number = str(module("stdnum.isbn").to_isbn10(number))
        return formatted("isbn", number) if self.options.hyphens else number.replace("-", "")
