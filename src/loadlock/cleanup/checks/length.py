"""length: the text must have so many characters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup.base import Example, Finding, RuleContext, option


class Length:
    """The text must have at least `min` and at most `max` characters (Unicode code points)."""

    name: ClassVar[str] = "length"
    summary: ClassVar[str] = "The text must have so many characters."
    shorthand: ClassVar[str | None] = "max"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options={"min": 2, "max": 3}, before="été", passes=True),
        Example(options={"min": 2}, before="a", passes=False),
        Example(options=3, before="abcd", passes=False),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        min: int | None = option("Fewest characters.", default=None)
        max: int | None = option("Most characters.", default=None)

    def __init__(self, options: Options) -> None:
        if options.min is None and options.max is None:
            raise ValueError("give `min`, `max` or both")
        if (options.min or 0) < 0 or (options.max is not None and options.max < (options.min or 0)):
            raise ValueError("`min` must be 0 or more, and `max` at least `min`")
        self.options = options

    def findings(self, value: str, text: str, context: RuleContext) -> list[Finding]:
        """Bytes first: a text of few bytes can't have more characters than that."""
        bad, words = [], []
        if self.options.min:
            bad.append(f"length({text}) < {self.options.min}")
            words.append(f"at least {self.options.min}")
        if self.options.max is not None:
            bad.append(
                f"case when strlen({text}) > {self.options.max} then length({text}) > {self.options.max} else false end"
            )
            words.append(f"at most {self.options.max}")
        if not bad:
            return []
        message = f"{{value}} must have {' and '.join(words)} characters"
        return [Finding(code="bad_length", sql=" or ".join(bad), message=message)]
