"""trim: take white space, or given characters, off the ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from loadlock.cleanup._sql import BLANK, clean_ends, literal
from loadlock.cleanup.base import Example, RuleContext, option


class Trim:
    """Takes white space off the ends of a value: every white space of Unicode (a no-break space too), and the
    invisible zero-width space, word joiner and byte-order mark. With `characters` it takes off these instead."""

    name: ClassVar[str] = "trim"
    summary: ClassVar[str] = "Take white space (or given characters) off the ends."
    shorthand: ClassVar[str | None] = "side"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="  Bob\t", after="Bob"),
        Example(options=None, before="\u00a0Bob\u200b\ufeff", after="Bob"),
        Example(options=None, before="   ", after=""),
        Example(options="left", before=" Bob ", after="Bob "),
        Example(options={"characters": "*."}, before="*.x*.", after="x"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        side: Literal["both", "left", "right"] = option("Which end: both, left or right.", default="both")
        characters: str | None = option("Characters to take off instead of white space.", default=None)

    def __init__(self, options: Options) -> None:
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        """A cheap look at both ends first: most values need nothing."""
        side, characters = self.options.side, self.options.characters
        if characters is not None:
            function = {"both": "trim", "left": "ltrim", "right": "rtrim"}[side]
            return f"{function}({value}, {literal(characters)})"
        ends = {"left": [f"^{BLANK}+"], "right": [f"{BLANK}+$"], "both": [f"^{BLANK}+", f"{BLANK}+$"]}[side]
        return (
            f"case when {clean_ends(value)} then {value} else regexp_replace({value}, '{'|'.join(ends)}', '', 'g') end"
        )
