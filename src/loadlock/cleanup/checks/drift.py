"""drift: the batch must be like the one before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup.base import Example, Finding, RuleContext, option


class Drift:
    """The batch must not differ too much from the one that this pipeline delivered before: in its number of clean rows, and in
    how many values of each column are missing (null or empty text). Stands under `checks:` of the pipeline, and fails the run
    unless `severity` says otherwise. The first batch has nothing to be compared with, and passes."""

    name: ClassVar[str] = "drift"
    summary: ClassVar[str] = "The batch must be like the one delivered before it: rows, share of missing values."
    examples: ClassVar[tuple[Example, ...]] = (Example(options={"rows": 50, "missing": 10}, before="x", passes=True),)

    @dataclass(frozen=True, kw_only=True)
    class Options:
        rows: float | None = option("By how many percent the number of rows may differ.", default=None)
        missing: float | None = option(
            "By how many percentage points a column's share of missing values may differ.", default=None
        )
        columns: tuple[str, ...] = option("The columns that `missing` looks at; left out: all.", default=())

    def __init__(self, options: Options) -> None:
        if options.rows is None and options.missing is None:
            raise ValueError("give `rows`, `missing` or both")
        if (options.rows or 0) < 0 or not 0 <= (options.missing or 0) <= 100:
            raise ValueError("`rows` must be 0 or more, `missing` 0 to 100")
        if options.columns and options.missing is None:
            raise ValueError("`columns` needs `missing`")
        self.options = options

    def findings(self, value: str, text: str, context: RuleContext) -> list[Finding]:
        """None: one value can't be judged."""
        return []
