"""boolean: words for yes and no become true and false."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup._sql import literals, lowered, trimmed
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
        """The usual spellings first, as they stand; then in lower case and trimmed."""
        trimmed_words = self._words(f"lower({trimmed(value)})", value, lowered)
        return self._words(value, trimmed_words, _spellings)

    def _words(self, word: str, otherwise: str, listed: Callable[[tuple[str, ...]], str]) -> str:
        true, false = listed(self.options.true), listed(self.options.false)
        return f"case when {word} in ({true}) then 'true' when {word} in ({false}) then 'false' else {otherwise} end"


def _spellings(words: tuple[str, ...]) -> str:
    spelled = [form for word in words for form in (word, word.lower(), word.upper(), word.capitalize())]
    return literals(tuple(dict.fromkeys(spelled)))
