"""required: the value must be there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup._sql import BLANK
from loadlock.cleanup.base import Example, Finding, RuleContext


class Required:
    """The value must be there: not null, not missing, not empty and not only white space."""

    name: ClassVar[str] = "required"
    summary: ClassVar[str] = "The value must be there."
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="x", passes=True),
        Example(options=None, before=None, passes=False),
        Example(options=None, before="", passes=False),
        Example(options=None, before=" \t", passes=False),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        pass

    def __init__(self, options: Options) -> None:
        self.options = options

    def findings(self, value: str, text: str, context: RuleContext) -> list[Finding]:
        """Judged on the text: a value that its type refused is there, if wrong."""
        blank = f"{text} < '!' and regexp_full_match({text}, '{BLANK}*')"
        unicode_blank = f"{text} > '~' and regexp_full_match({text}, '{BLANK}+')"
        sql = f"{text} is null or ({blank}) or ({unicode_blank})"
        return [Finding(code="required", sql=sql, message="a value is required")]
