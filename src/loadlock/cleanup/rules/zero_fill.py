"""zero_fill: give codes of digits their leading zeros back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup.base import Example, RuleContext, option


class ZeroFill:
    """Puts zeros in front of a value of digits until it has the width: what a spreadsheet took off. Values with other
    characters stay as they are."""

    name: ClassVar[str] = "zero_fill"
    summary: ClassVar[str] = "Give codes of digits their leading zeros back."
    shorthand: ClassVar[str | None] = "width"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=5, before="1067", after="01067"),
        Example(options=5, before="123456", after="123456"),
        Example(options=5, before="A12", after="A12"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        width: int = option("Digits that the value has afterwards, at least.")

    def __init__(self, options: Options) -> None:
        if not 1 <= options.width <= 1_000:
            raise ValueError("`width` must be 1 to 1000")
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        width = self.options.width
        short = f"strlen({value}) < {width} and regexp_full_match({value}, '[0-9]+')"
        return f"case when {short} then lpad({value}, {width}, '0') else {value} end"
