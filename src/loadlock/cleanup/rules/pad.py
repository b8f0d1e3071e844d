"""pad: fill a value up to a width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from loadlock.cleanup._sql import literal
from loadlock.cleanup.base import Example, RuleContext, option


class Pad:
    """Fills a value up to a number of characters. A longer value stays as it is; a `length` check finds it."""

    name: ClassVar[str] = "pad"
    summary: ClassVar[str] = "Fill a value up to a width."
    shorthand: ClassVar[str | None] = "width"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=5, before="ab", after="ab   "),
        Example(options={"width": 5, "side": "left", "fill": "."}, before="ab", after="...ab"),
        Example(options=2, before="abc", after="abc"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        width: int = option("Characters that the value has afterwards, at least.")
        fill: str = option("The character to fill with.", default=" ")
        side: Literal["left", "right"] = option("The side that is filled.", default="right")

    def __init__(self, options: Options) -> None:
        if not 1 <= options.width <= 10_000:
            raise ValueError("`width` must be 1 to 10000")
        if len(options.fill) != 1:
            raise ValueError("`fill` must be one character")
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        width, function = self.options.width, "lpad" if self.options.side == "left" else "rpad"
        filled = f"{function}({value}, {width}, {literal(self.options.fill)})"
        return f"case when length({value}) < {width} then {filled} else {value} end"
