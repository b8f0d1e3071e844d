"""extract: the part of a value that a pattern finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from loadlock.cleanup._sql import check_pattern, literal
from loadlock.cleanup.base import Example, Finding, RuleContext, option


class Extract:
    """Keeps the part of the value that a regular expression (RE2) finds first: its first group, or, where the pattern
    has none, all that it matches."""

    name: ClassVar[str] = "extract"
    summary: ClassVar[str] = "Keep the part of a value that a pattern finds."
    shorthand: ClassVar[str | None] = "pattern"
    idempotent: ClassVar[bool] = False  # `a(.)` finds another part in what it found
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options="[0-9]+", before="Invoice no. 4711 of May", after="4711"),
        Example(options="no\\. ([0-9]+)", before="Invoice no. 4711 of May", after="4711"),
        Example(options={"pattern": "([a-z]+)-([0-9]+)", "group": 2}, before="ab-12", after="12"),
        Example(options={"pattern": "[0-9]+", "missing": "null"}, before="none", after=None),
        Example(options={"pattern": "[0-9]+", "missing": "keep"}, before="none", after="none"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        pattern: str = option("The pattern (RE2).")
        group: int | None = option("Which group; left out: the first, or all where there is none.", default=None)
        missing: Literal["reject", "keep", "null"] = option(
            "What becomes of a value in which nothing is found.", default="reject"
        )
        ignore_case: bool = option("Whether `a` matches `A`.", default=False)

    def __init__(self, options: Options) -> None:
        check_pattern(options.pattern)
        self.options = options
        self._group = _first_group(options.pattern) if options.group is None else options.group
        if not 0 <= self._group <= 9:
            raise ValueError("`group` must be 0 to 9")
        check_pattern(options.pattern, f"\\{self._group}")

    def sql(self, value: str, context: RuleContext) -> str:
        pattern, flags = literal(self.options.pattern), self._flags()
        otherwise = "null" if self.options.missing == "null" else value
        found = f"regexp_extract({value}, {pattern}, {self._group}, '{flags}')"
        return f"case when regexp_matches({value}, {pattern}, '{flags}') then {found} else {otherwise} end"

    def findings(self, value: str, context: RuleContext) -> list[Finding]:
        """With `missing: reject`, values without a match."""
        if self.options.missing != "reject":
            return []
        sql = f"{value} <> '' and not regexp_matches({value}, {literal(self.options.pattern)}, '{self._flags()}')"
        return [Finding(code="no_match", sql=sql, message="nothing in {value} matches the pattern")]

    def _flags(self) -> str:
        return "i" if self.options.ignore_case else "c"


def _first_group(pattern: str) -> int:
    try:
        check_pattern(pattern, "\\1")
    except ValueError:
        return 0
    return 1
