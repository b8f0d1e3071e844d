"""iban: account numbers with the right check digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from loadlock.cleanup._each import INVALID, EachValue, need
from loadlock.cleanup.base import Example, RuleContext, option
from loadlock.cleanup.rules._stdnum import formatted, validated


class Iban(EachValue):
    """Writes IBANs without blanks, in capitals; length, form and check digits must be right for their country (library
    python-stdnum). Whether the account exists is not asked."""

    name: ClassVar[str] = "iban"
    summary: ClassVar[str] = "Write account numbers (IBAN) in one way and verify their check digits."
    shorthand: ClassVar[str | None] = "format"
    code: ClassVar[str] = "not_identifier"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="de89 3704 0044 0532 0130 00", after="DE89370400440532013000"),
        Example(options="grouped", before="GB82WEST12345698765432", after="GB82 WEST 1234 5698 7654 32"),
        Example(options=None, before="DE88370400440532013000", after="DE88370400440532013000"),
        Example(options={"invalid": "null"}, before="DE88370400440532013000", after=None),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        format: Literal["compact", "grouped"] = option("Without blanks, or in groups of four.", default="compact")
        invalid: Literal["reject", "keep", "null"] = option(INVALID, default="reject")

    def __init__(self, options: Options) -> None:
        need("stdnum", self.name)
        self.options = options
        self.invalid = options.invalid

    def one(self, text: str, context: RuleContext, *others: str | None) -> str:
        """Verified, then written."""
        number = validated("iban", text, "IBAN")
        return formatted("iban", number) if self.options.format == "grouped" else number
