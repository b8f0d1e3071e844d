"""drift: the batch must be like the one before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup.base import Example, Finding, RuleContext, option


class Drift:
    """The batch must not differ too much from the one that this pipeline delivered before: in its number of clean rows, in
    how many values of each column are missing (null or empty text), and in how the values of each column are spread (a country
    that is gone, amounts ten times as high). Stands under `checks:` of the pipeline, and fails the run
    unless `severity` says otherwise. The first batch has nothing to be compared with, and passes.

    `values: 20` lets 20 percent of a column's values lie elsewhere than before: for text the share of each of the 200 most
    frequent values is compared, for numbers, dates and times the share in each twentieth of the batch before. Columns in which
    every value is another (ids) differ wholly from batch to batch: name the columns that are to be compared."""

    name: ClassVar[str] = "drift"
    summary: ClassVar[str] = (
        "The batch must be like the one delivered before it: rows, share of missing values, spread of values."
    )
    examples: ClassVar[tuple[Example, ...]] = (Example(options={"rows": 50, "missing": 10}, before="x", passes=True),)

    @dataclass(frozen=True, kw_only=True)
    class Options:
        rows: float | None = option("By how many percent the number of rows may differ.", default=None)
        missing: float | None = option(
            "By how many percentage points a column's share of missing values may differ.", default=None
        )
        values: float | None = option(
            "What percentage of a column's values may lie elsewhere than before.", default=None
        )
        columns: tuple[str, ...] = option("The columns that `missing` and `values` look at; left out: all.", default=())

    def __init__(self, options: Options) -> None:
        if options.rows is None and options.missing is None and options.values is None:
            raise ValueError("give `rows`, `missing`, `values` or several of them")
        if (options.rows or 0) < 0 or not 0 <= (options.missing or 0) <= 100 or not 0 <= (options.values or 0) <= 100:
            raise ValueError("`rows` must be 0 or more, `missing` and `values` 0 to 100")
        if options.columns and options.missing is None and options.values is None:
            raise ValueError("`columns` needs `missing` or `values`")
        self.options = options

    def findings(self, value: str, text: str, context: RuleContext) -> list[Finding]:
        """None: one value can't be judged."""
        return []
