"""unique: no value twice in a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup.base import Example, Finding, RuleContext


class Unique:
    """No value may stand twice in a batch; nulls don't count. The first row (by file and row number) is kept, unless the
    pipeline's `keep` says otherwise. Judged over the whole batch, after all rows were cleaned."""

    name: ClassVar[str] = "unique"
    summary: ClassVar[str] = "No value twice in a batch."
    examples: ClassVar[tuple[Example, ...]] = (Example(options=None, before="A-1", passes=True),)

    @dataclass(frozen=True, kw_only=True)
    class Options:
        pass

    def __init__(self, options: Options) -> None:
        self.options = options

    def findings(self, value: str, text: str, context: RuleContext) -> list[Finding]:
        """None: one value alone can't be judged."""
        return []
