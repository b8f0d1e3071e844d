"""default: a value where there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup._sql import literal
from loadlock.cleanup.base import Example, RuleContext, option


class Default:
    """Fills in a value where there is none (null or missing), with `empty` also where the text is empty."""

    name: ClassVar[str] = "default"
    summary: ClassVar[str] = "Fill in a value where there is none."
    shorthand: ClassVar[str | None] = "value"
    fills_nulls: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options="unknown", before=None, after="unknown"),
        Example(options="unknown", before="", after=""),
        Example(options={"value": "unknown", "empty": True}, before="", after="unknown"),
        Example(options=0, before=None, after="0"),
        Example(options="unknown", before="red", after="red"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        value: str = option("The value to fill in.")
        empty: bool = option("Whether empty text is filled too.", default=False)

    def __init__(self, options: Options) -> None:
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        given = f"nullif({value}, '')" if self.options.empty else value
        return f"coalesce({given}, {literal(self.options.value)})"
