"""even: an even number of characters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup.base import Example, Finding, RuleContext


class Even:
    """The text must have an even number of characters."""

    name: ClassVar[str] = "even"
    summary: ClassVar[str] = "The text must have an even number of characters."
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="ab", passes=True),
        Example(options=None, before="abc", passes=False),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        pass

    def __init__(self, options: Options) -> None:
        self.options = options

    def findings(self, value: str, text: str, context: RuleContext) -> list[Finding]:
        message = "{value} has an odd number of characters"
        return [Finding(code="odd_length", sql=f"length({text}) % 2 = 1", message=message)]
