"""matches: the text must match a pattern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup._sql import check_pattern, literal
from loadlock.cleanup.base import Example, Finding, RuleContext, option


class Matches:
    """The text must match a regular expression (RE2) as a whole; with `part: true` a part of it is enough."""

    name: ClassVar[str] = "matches"
    summary: ClassVar[str] = "The text must match a pattern."
    shorthand: ClassVar[str | None] = "pattern"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options="[A-Z]{2}-\\d+", before="AB-12", passes=True),
        Example(options="[A-Z]{2}-\\d+", before="xAB-12", passes=False),
        Example(options={"pattern": "\\d", "part": True}, before="route 66", passes=True),
        Example(options={"pattern": "ab", "ignore_case": True}, before="AB", passes=True),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        pattern: str = option("The pattern (RE2).")
        part: bool = option("Whether a match inside the text is enough.", default=False)
        ignore_case: bool = option("Whether `a` matches `A`.", default=False)

    def __init__(self, options: Options) -> None:
        check_pattern(options.pattern)
        self.options = options

    def findings(self, value: str, text: str, context: RuleContext) -> list[Finding]:
        function = "regexp_matches" if self.options.part else "regexp_full_match"
        case = "i" if self.options.ignore_case else "c"
        sql = f"not {function}({text}, {literal(self.options.pattern)}, '{case}')"
        return [Finding(code="no_match", sql=sql, message="{value} does not match the pattern")]
