"""replace: other text for a piece of text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup._sql import literal
from loadlock.cleanup.base import Example, RuleContext, option


class Replace:
    """Replaces every occurrence of a text inside the value; several, one after the other in the order written."""

    name: ClassVar[str] = "replace"
    summary: ClassVar[str] = "Replace a piece of text by another."
    shorthand: ClassVar[str | None] = "old"
    idempotent: ClassVar[bool] = False  # `a` by `aa` grows each time
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options={"old": "-", "new": "/"}, before="01-02-2024", after="01/02/2024"),
        Example(options=" ", before="12 34", after="1234"),
        Example(options={"values": {"St.": "Street", "Rd.": "Road"}}, before="5 Elm St.", after="5 Elm Street"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        old: str | None = option("The text to look for (case matters).", default=None)
        new: str = option("What to put in its place; nothing by default.", default="")
        values: Mapping[str, str] | None = option("Several at once: `old: new`, in this order.", default=None)

    def __init__(self, options: Options) -> None:
        if (options.old is None) == (options.values is None):
            raise ValueError("give either `old` (and `new`) or `values`")
        if options.old == "" or "" in (options.values or {}):
            raise ValueError("the text to look for is empty; use `default` with `empty: true` to fill empty values")
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        pairs = self.options.values or {self.options.old or "": self.options.new}
        for old, new in pairs.items():
            value = f"replace({value}, {literal(old)}, {literal(new)})"
        return value
