"""unique: no value twice in a batch, or in the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from loadlock.cleanup.base import Example, Finding, RuleContext, option


class Unique:
    """No value may stand twice in a batch; nulls don't count. The first row (by file and row number) is kept, unless the
    pipeline's `keep` says otherwise. Judged over the whole batch, after all rows were cleaned.

    With `against: target` the value may not stand in the table of the destination either, in a row that this batch does not
    write itself (a row of the same key is the one that an upsert updates, and no rival). The table's column is read once,
    before anything is delivered; rows of it that a `replace` or `mirror` takes away don't count. Several columns together
    are written under `checks:` of the pipeline: `unique: {columns: [customer, ordered_on], against: target}`."""

    name: ClassVar[str] = "unique"
    summary: ClassVar[str] = "No value twice in a batch, nor in the target where that is asked for."
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="A-1", passes=True),
        Example(options={"against": "target"}, before="A-1", passes=True),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        against: Literal["batch", "target"] = option("Where no equal value may stand.", default="batch")
        columns: tuple[str, ...] = option("Columns that must be unique together (under `checks:` only).", default=())

    def __init__(self, options: Options) -> None:
        self.options = options

    def findings(self, value: str, text: str, context: RuleContext) -> list[Finding]:
        """None: one value alone can't be judged."""
        return []
