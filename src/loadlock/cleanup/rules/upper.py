"""upper: upper case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup.base import Example, RuleContext


class Upper:
    """Writes letters of every script in upper case."""

    name: ClassVar[str] = "upper"
    summary: ClassVar[str] = "Write letters in upper case."
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="de", after="DE"),
        Example(options=None, before="école", after="ÉCOLE"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        pass

    def __init__(self, options: Options) -> None:
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        return f"upper({value})"
