"""regex: replace what a pattern matches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup._sql import check_pattern, literal
from loadlock.cleanup.base import Example, RuleContext, option


class Regex:
    """Replaces what a regular expression (RE2) matches. `\\1` in the replacement is the pattern's first group."""

    name: ClassVar[str] = "regex"
    summary: ClassVar[str] = "Replace what a regular expression matches."
    shorthand: ClassVar[str | None] = "pattern"
    idempotent: ClassVar[bool] = False  # `^` by `x` grows each time
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options={"pattern": "[^0-9]+"}, before="+49 (30) 123-4", after="49301234"),
        Example(options={"pattern": "^(\\w+), (\\w+)$", "replacement": "\\2 \\1"}, before="Doe, Ann", after="Ann Doe"),
        Example(options={"pattern": " *oz\\.?$", "ignore_case": True}, before="12.0 OZ.", after="12.0"),
        Example(options={"pattern": "0", "every": False}, before="007", after="07"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        pattern: str = option("The pattern (RE2); `.` matches line breaks only after `(?s)`.")
        replacement: str = option("What to put in its place; nothing by default.", default="")
        every: bool = option("Every match, or only the first.", default=True)
        ignore_case: bool = option("Whether `a` matches `A`.", default=False)

    def __init__(self, options: Options) -> None:
        check_pattern(options.pattern, options.replacement)
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        flags = ("g" if self.options.every else "") + ("i" if self.options.ignore_case else "c")
        pattern, replacement = literal(self.options.pattern), literal(self.options.replacement)
        return f"regexp_replace({value}, {pattern}, {replacement}, '{flags}')"
