"""mirror: the text backwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup.base import Example, RuleContext, option


class Mirror:
    """Writes the text backwards, a mark behind it."""

    name: ClassVar[str] = "mirror"
    summary: ClassVar[str] = "Write the text backwards."
    shorthand: ClassVar[str | None] = "mark"
    idempotent: ClassVar[bool] = False
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="abc", after="cba"),
        Example(options="!", before="abc", after="cba!"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        mark: str = option("What to put behind it.", default="")

    def __init__(self, options: Options) -> None:
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        mark = self.options.mark.replace("'", "''")
        return f"reverse({value}) || '{mark}'"
