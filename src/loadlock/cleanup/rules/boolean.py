"""boolean: words for yes and no become true and false."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup._sql import BLANK, escaped, literal
from loadlock.cleanup.base import Example, RuleContext, option

TRUE = ("true", "t", "yes", "y", "1", "on")
FALSE = ("false", "f", "no", "n", "0", "off")


class Boolean:
    """Turns words for yes and no into `true` and `false`; case and white space at the ends don't matter. Any other value
    is left as it is, so that the column's type reports it."""

    name: ClassVar[str] = "boolean"
    summary: ClassVar[str] = "Turn words for yes and no into true and false."
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="Yes", after="true"),
        Example(options=None, before=" 0 ", after="false"),
        Example(options=None, before="maybe", after="maybe"),
        Example(options={"true": ["ja"], "false": ["nein"]}, before="Ja", after="true"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        true: tuple[str, ...] = option("Words for true; they replace the default ones.", default=TRUE)
        false: tuple[str, ...] = option("Words for false; they replace the default ones.", default=FALSE)

    def __init__(self, options: Options) -> None:
        both = {word.lower() for word in options.true} & {word.lower() for word in options.false}
        if both:
            raise ValueError(f"{', '.join(sorted(both))!r} stands for both true and false")
        if not options.true or not options.false:
            raise ValueError("name at least one word for true and one for false")
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        """The usual spellings first, as they stand; then in any case and padded."""
        true, false = self.options.true, self.options.false
        cases = [
            f"when {_spelled(value, true)} then 'true'",
            f"when {_spelled(value, false)} then 'false'",
            f"when {_padded(value, true)} then 'true'",
            f"when {_padded(value, false)} then 'false'",
        ]
        return f"case {' '.join(cases)} else {value} end"


def _spelled(value: str, words: tuple[str, ...]) -> str:
    """A chain of comparisons: `in` would become a join, which judges all rows before the first `when`."""
    forms = dict.fromkeys(form for word in words for form in (word, word.lower(), word.upper(), word.capitalize()))
    return "(" + " or ".join(f"{value} = {literal(form)}" for form in forms) + ")"


def _padded(value: str, words: tuple[str, ...]) -> str:
    pattern = f"{BLANK}*(?i:{'|'.join(map(escaped, words))}){BLANK}*"
    return f"regexp_full_match({value}, {literal(pattern)})"
