"""lower: lower case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup.base import Example, RuleContext


class Lower:
    """Writes letters of every script in lower case."""

    name: ClassVar[str] = "lower"
    summary: ClassVar[str] = "Write letters in lower case."
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="Bob@Example.COM", after="bob@example.com"),
        Example(options=None, before="ÉCOLE", after="école"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        pass

    def __init__(self, options: Options) -> None:
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        return f"lower({value})"
