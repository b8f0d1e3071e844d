"""null_if: words that mean "nothing" become null."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup._sql import one_of
from loadlock.cleanup.base import Example, RuleContext, option

WORDS = ("", "N/A", "NA", "n/a", "#N/A", "null", "NULL", "none", "None", "-", "--", "?")


class NullIf:
    """Makes null of a value that is one of the words as a whole. White space is not taken off first: use `trim` before."""

    name: ClassVar[str] = "null_if"
    summary: ClassVar[str] = "Make null of words that mean nothing."
    shorthand: ClassVar[str | None] = "words"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="N/A", after=None),
        Example(options=None, before="", after=None),
        Example(options=None, before="NAN", after="NAN"),
        Example(options=["unknown"], before="N/A", after="N/A"),
        Example(options={"words": ["unknown"], "ignore_case": True}, before="UNKNOWN", after=None),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        words: tuple[str, ...] = option("The words; they replace the default ones.", default=WORDS)
        ignore_case: bool = option("Whether `n/a` stands for `N/A` too.", default=False)

    def __init__(self, options: Options) -> None:
        if not options.words:
            raise ValueError("`words` is empty; name at least one word")
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        found = one_of(value, self.options.words, ignore_case=self.options.ignore_case)
        return f"case when {found} then null else {value} end"
