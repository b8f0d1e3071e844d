"""in: the value must be one of a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup._lookup import file_rows, place
from loadlock.cleanup._sql import one_of
from loadlock.cleanup._typed import typed_literal
from loadlock.cleanup.base import Example, Finding, RuleContext, option
from loadlock.errors import UsageError

_SHOWN = 10


class In:
    """The value must be one of a list, or stand in a column of a CSV file: the one named in `column`, else the one named
    like the checked column, else the first."""

    name: ClassVar[str] = "in"
    summary: ClassVar[str] = "The value must be one of a list."
    shorthand: ClassVar[str | None] = "file"
    shorthand_list: ClassVar[str | None] = "values"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=["red", "green"], before="red", passes=True),
        Example(options=["red", "green"], before="Red", passes=False),
        Example(options={"values": ["red", "green"], "ignore_case": True}, before="Red", passes=True),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        values: tuple[str | int | float, ...] | None = option("The list.", default=None)
        file: str | None = option(
            "CSV (with a header) or Parquet file, its path from the pipeline's folder; or `URL#table` of a database.",
            default=None,
        )
        column: str | None = option("The file's column.", default=None)
        ignore_case: bool = option("Whether `Red` is `red` (text only).", default=False)

    def __init__(self, options: Options) -> None:
        if (options.file is None) == (options.values is None):
            raise ValueError("give either `values` or `file`")
        if options.values is not None and not options.values:
            raise ValueError("the list is empty; every value would be wrong")
        if options.column and options.file is None:
            raise ValueError("`column` names a column of a `file`")
        self.options = options

    def findings(self, value: str, text: str, context: RuleContext) -> list[Finding]:
        known = self._known(context)
        if self.options.ignore_case or context.type.kind in ("text", "json"):
            ignore_case = self.options.ignore_case
            found = one_of(text if ignore_case else value, tuple(map(str, known)), ignore_case=ignore_case)
        else:
            where = f"column {context.column}: the list of `in`"
            found = (
                f"{value} in ({', '.join(dict.fromkeys(typed_literal(item, context.type, where) for item in known))})"
            )
        return [Finding(code="not_in", sql=f"not ({found})", message=self._message(known))]

    def _known(self, context: RuleContext) -> tuple[str | int | float, ...]:
        if self.options.values is not None:
            return self.options.values
        path = self.options.file or ""
        rows = file_rows(context, path)
        name = self.options.column or (context.column if context.column in rows[0] else None)
        index = place(rows, name, 0, path)
        found = tuple(dict.fromkeys(row[index] for row in rows[1:] if len(row) > index and row[index] != ""))
        if not found:
            raise UsageError(f"column {context.column}: the lookup file {path} has no values", hint="Fill the list.")
        return found

    def _message(self, known: tuple[str | int | float, ...]) -> str:
        if self.options.file is not None:
            return f"{{value}} is not in the list {self.options.file}"
        shown = ", ".join(map(str, known[:_SHOWN])) + (" ..." if len(known) > _SHOWN else "")
        return f"{{value}} is none of {shown}"
