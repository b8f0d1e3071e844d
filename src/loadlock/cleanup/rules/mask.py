"""mask: hide all but the ends of a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup._sql import literal
from loadlock.cleanup.base import Example, RuleContext, option


class Mask:
    """Puts a character in the place of each of the value's but the first and last ones that are kept. A value that is not
    longer than what would be kept is hidden as a whole. The column's `mask: true` is another thing: it hides values in
    previews, reports and logs, and delivers them as they are."""

    name: ClassVar[str] = "mask"
    summary: ClassVar[str] = "Hide all but the ends of a value."
    shorthand: ClassVar[str | None] = "last"
    idempotent: ClassVar[bool] = False  # with `length` it grows or shrinks
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="Ann Lee", after="*******"),
        Example(options=4, before="DE89370400440532013000", after="******************3000"),
        Example(options={"first": 1, "last": 1}, before="Ann", after="A*n"),
        Example(options={"first": 1, "last": 1}, before="Al", after="**"),
        Example(options={"last": 2, "marks": True}, before="030-123 45", after="***-*** 45"),
        Example(options={"length": 3}, before="secret", after="***"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        first: int = option("Characters kept at the beginning.", default=0)
        last: int = option("Characters kept at the end.", default=0)
        character: str = option("What stands in their place.", default="*")
        marks: bool = option("Whether blanks and punctuation stay.", default=False)
        length: int | None = option("How many stand there; left out: as many as are hidden.", default=None)

    def __init__(self, options: Options) -> None:
        if options.first < 0 or options.last < 0 or (options.length or 1) < 1 or (options.length or 0) > 1_000:
            raise ValueError("`first` and `last` must be 0 or more, `length` 1 to 1000")
        if len(options.character) != 1:
            raise ValueError("`character` must be one character")
        if options.marks and options.length is not None:
            raise ValueError("give `marks` or `length`, not both")
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        first, last = self.options.first, self.options.last
        if not first and not last:
            return self._hidden(value)
        middle = f"substring({value}, {first + 1}, length({value}) - {first + last})"
        kept_first = f"left({value}, {first})" if first else "''"
        kept_last = f"right({value}, {last})" if last else "''"
        ends = f"concat({kept_first}, {self._hidden(middle)}, {kept_last})"
        return f"case when length({value}) > {first + last} then {ends} else {self._hidden(value)} end"

    def _hidden(self, text: str) -> str:
        mark = literal(self.options.character)
        if self.options.marks:
            return f"regexp_replace({text}, '[\\pL\\pM\\pN]', {literal(_escaped(self.options.character))}, 'g')"
        if self.options.length is not None:
            return f"case when {text} <> '' then repeat({mark}, {self.options.length}) else {text} end"
        return f"repeat({mark}, length({text}))"


def _escaped(character: str) -> str:
    return "\\\\" if character == "\\" else character
