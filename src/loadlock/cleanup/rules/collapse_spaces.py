"""collapse_spaces: each run of white space becomes one space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup._sql import SPACES, ZERO_WIDTH
from loadlock.cleanup.base import Example, RuleContext


class CollapseSpaces:
    """Makes one plain space of each run of white space (line breaks, tabs and no-break spaces too), also at the ends."""

    name: ClassVar[str] = "collapse_spaces"
    summary: ClassVar[str] = "Make one plain space of each run of white space."
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="New   York", after="New York"),
        Example(options=None, before="New\r\n\tYork", after="New York"),
        Example(options=None, before="New\u00a0York", after="New York"),
        Example(options=None, before="New York", after="New York"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        pass

    def __init__(self, options: Options) -> None:
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        """The pattern runs only where a cheap test finds two spaces, a line break, a tab or a non-ASCII character."""
        # a zero-width space goes with the white space beside it; alone it is left, some scripts part words by it
        run = f"[{ZERO_WIDTH}]*[{SPACES}][{SPACES}{ZERO_WIDTH}]*"
        doubtful = " or ".join(
            [
                f"contains({value}, '  ')",
                f"contains({value}, chr(10))",
                f"contains({value}, chr(9))",
                f"strlen({value}) <> length({value})",
                f"regexp_matches({value}, '[\\x{{0b}}-\\x{{0d}}\\x{{1c}}-\\x{{1f}}]')",
            ]
        )
        return f"case when {doubtful} then regexp_replace({value}, '{run}', ' ', 'g') else {value} end"
