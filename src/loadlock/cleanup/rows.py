"""Compiles rules over the row: SQL, Python over the whole table, filters; and named rules that come after those."""

from __future__ import annotations

from loadlock.cleanup.columns import python_finding, rule_step, tried
from loadlock.cleanup.components import is_over_row
from loadlock.cleanup.draft import Draft
from loadlock.cleanup.expressions import result_type
from loadlock.cleanup.python_rules import PythonFunction
from loadlock.cleanup.retyping import replaced, retyped
from loadlock.cleanup.row_components import compile_over_row
from loadlock.cleanup.steps import TableStep
from loadlock.pipeline.model import RuleUse

FILTER = "filter"
"""A rule over the row that keeps the rows for which its SQL is true; the others are skipped, and counted."""


def compile_row_rule(draft: Draft, path: str, column: str, use: RuleUse) -> None:
    """Add one pipeline-wide rule to the draft, over the columns' typed values."""
    if use.name == FILTER:
        condition = draft.expression(path, use.options.get("sql", ""), draft.row_names())
        if condition is not None and _kind(draft, path, condition) is not None:
            draft.skips.append((f"{path}: {use.options['sql']}", f"try({condition})"))
        return
    index = next((i for i, entry in enumerate(draft.columns) if entry.name == column), None)
    if is_over_row(use.name):
        compile_over_row(draft, path, column, use)
    elif use.name == "python" and not column:
        _table_rule(draft, path, use)
    elif index is None:
        draft.mistake(path, f"there is no column {column!r}", "Name a declared column with `column:`.")
    elif use.name == "sql":
        _sql_rule(draft, path, index, use)
    else:
        _text_rule(draft, path, index, use)


def _kind(draft: Draft, path: str, expression: str) -> str | None:
    return draft.attempt(path, lambda: result_type(expression, draft.types()))


def _sql_rule(draft: Draft, path: str, index: int, use: RuleUse) -> None:
    column = draft.columns[index]
    expression = draft.expression(path, use.options.get("sql", ""), draft.row_names())
    kind = None if expression is None else _kind(draft, path, expression)
    if expression is None or kind is None:
        return
    number = draft.number("row")
    result = tried(draft, f"y{number}", expression, path, column.name, draft.texts[index])
    if kind.lower() == column.type.duckdb and column.type.kind not in ("json", "uuid", "float"):
        text = draft.build.add(f"z{number}", f"{result}::varchar")
        replaced(draft, path, index, "sql", (text, result, result))
        return
    if kind.startswith("TIMESTAMP") and column.type.kind == "date":
        result = (
            f"case when {result} = date_trunc('day', {result}) then {result}::date::varchar else {result}::varchar end"
        )
    text = draft.build.add(f"z{number}", f"({result})::varchar")
    retyped(draft, path, index, "sql", text)


def _text_rule(draft: Draft, path: str, index: int, use: RuleUse) -> None:
    """A named rule (or a function over values) behind rules over the row: works on the value as text, typed again."""
    number = draft.number("row")
    before = draft.build.add(f"y{number}", f"{draft.finals[index]}::varchar")
    after = rule_step(draft, index, f"z{number}", before, path, use)
    if after != before:
        draft.build.changes.pop()  # counted below, on the typed values
        retyped(draft, path, index, use.name, after)


def _table_rule(draft: Draft, path: str, use: RuleUse) -> None:
    found = draft.function(path, use, undecorated="table")
    if found is None:
        return
    function, kind = found
    if kind != "table":
        draft.mistake(path, f"{function.name} names no column", "Add `column:`, or decorate it for the whole table.")
        return
    _add_table_step(draft, path, function)


def _add_table_step(draft: Draft, path: str, function: PythonFunction) -> None:
    number = draft.number("table")
    error = f"e{draft.number('error')}"
    names = [f"z{draft.number('row')}" for _ in draft.columns]
    draft.build.flush()
    columns = tuple(zip((column.name for column in draft.columns), draft.finals, names, strict=True))
    draft.build.step(TableStep(function=function, columns=columns, error=error), *names, error)
    python_finding(draft, path, None, error, None)
    for index, name in enumerate(names):
        retyped(draft, path, index, f"python {number}", name)
