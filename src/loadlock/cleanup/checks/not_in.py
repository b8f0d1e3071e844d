"""not_in: the value must not be one of a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup._lookup import column_values, holds_value
from loadlock.cleanup._sql import one_of
from loadlock.cleanup.base import Example, Finding, RuleContext, option


class NotIn:
    """The value must not be one of a list, nor stand in a column of a lookup: a list of test accounts, say, or the keys that a
    table has already."""

    name: ClassVar[str] = "not_in"
    summary: ClassVar[str] = "The value must not be one of a list."
    shorthand: ClassVar[str | None] = "file"
    shorthand_list: ClassVar[str | None] = "values"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=["test", "dummy"], before="Ann", passes=True),
        Example(options=["test", "dummy"], before="test", passes=False),
        Example(options=["test", "dummy"], before="Test", passes=True),
        Example(options={"values": ["test"], "ignore_case": True}, before="Test", passes=False),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        values: tuple[str | int | float, ...] | None = option("The list.", default=None)
        file: str | None = option(
            "CSV (with a header) or Parquet file, its path from the pipeline's folder; or `URL#table` of a database.",
            default=None,
        )
        column: str | None = option(
            "The lookup's column; the one named like the checked column, else the first.", default=None
        )
        ignore_case: bool = option("Whether `Test` is `test` (text only).", default=False)

    def __init__(self, options: Options) -> None:
        if (options.file is None) == (options.values is None):
            raise ValueError("give either `values` or `file`")
        if options.values is not None and not options.values:
            raise ValueError("the list is empty; nothing would be refused")
        if options.column and options.file is None:
            raise ValueError("`column` names a column of a `file`")
        self.options = options

    def findings(self, value: str, text: str, context: RuleContext) -> list[Finding]:
        path = self.options.file
        known = (
            tuple(map(str, self.options.values or ()))
            if path is None
            else column_values(context, path, self.options.column)
        )
        if not known:
            return []
        folded = self.options.ignore_case
        found = one_of(text, known, ignore_case=True) if folded else holds_value(value, known, context)
        where = "one of those not allowed" if path is None else "in the list of those not allowed"
        return [Finding(code="forbidden", sql=found, message=f"{{value}} is {where}")]
