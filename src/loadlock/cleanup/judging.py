"""Compiles what judges: required columns, keys, checks of columns, rows and the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from loadlock.cleanup.batch_sql import check_query
from loadlock.cleanup.columns import failure
from loadlock.cleanup.draft import Draft
from loadlock.cleanup.expressions import result_type
from loadlock.cleanup.plan import BatchCheck, DriftCheck, Finding, PythonCheck, UniqueCheck, WinnerRule
from loadlock.digest import quote
from loadlock.model import Severity
from loadlock.pipeline.model import CheckUse

DRIFT = "drift"
"""The check that compares the batch with the one before; it needs the ledger, so the workflow runs it."""


def compile_required(draft: Draft, keys: Sequence[Sequence[str]]) -> None:
    """Columns that must have a value: `required`, and keys of destinations."""
    in_key = {name for key in keys for name in key}
    for index, column in enumerate(draft.columns):
        if column.required:
            _must_have(draft, index, "required", "required", f"{column.name} is missing")
        elif column.name in in_key:
            _must_have(draft, index, "key", "key_missing", f"{column.name} is part of the key and is empty")


def _must_have(draft: Draft, index: int, name: str, code: str, message: str) -> None:
    """No value; a value that its type refused has its own problem. Empty text is missing where it is required."""
    column = draft.columns[index]
    final, text = draft.finals[index], draft.texts[index]
    condition = f"({final} is null and {text} is null)"
    if name == "required" and column.type.kind == "text":
        condition = f"({final} is null or {final} = '')"
    path = f"columns.{column.name}"
    draft.build.findings.append(
        Finding(
            path=path, source="check", name=name, column=column.name, code=code, message=message, condition=condition,
            value=text,
        ),
    )  # fmt: skip


def compile_column_checks(draft: Draft, index: int) -> None:
    """The checks written at a column, over its final value. `unique` is the batch's to judge."""
    column = draft.columns[index]
    for number, use in enumerate(column.checks):
        path = f"columns.{column.name}.checks[{number}]"
        if use.name == "sql":
            _sql_check(draft, path, use, index)
        elif use.name == "python":
            _python_check(draft, path, use, index)
        elif use.name == DRIFT:
            draft.mistake(path, "drift judges the batch", "Write it under `checks:` of the pipeline.")
        elif use.name != "unique":
            _component_check(draft, path, use, index)


def _component_check(draft: Draft, path: str, use: CheckUse, index: int) -> None:
    check = draft.component(path, "checks", use)
    if check is None:
        return
    context = replace(draft.context(index), columns=draft.column_sources())
    guard = _when(draft, path, use)
    found = draft.attempt(path, lambda: check.findings(draft.finals[index], draft.texts[index], context))
    for finding in found or ():
        draft.build.findings.append(
            Finding(
                path=path,
                source="check",
                name=use.name,
                column=context.column,
                code=finding.code,
                message=use.message or finding.message,
                condition=_guarded(guard, f"({finding.sql})"),
                severity=use.severity,
                value=draft.texts[index],
            ),
        )


def _when(draft: Draft, path: str, use: CheckUse) -> str | None:
    """Internal name of the check's `when:`; that it fails for a row is a problem of the row."""
    if use.when is None:
        return None
    expression = draft.expression(f"{path}.when", use.when, draft.row_names())
    if expression is None:
        return None
    condition = f"({expression})::boolean"
    if draft.attempt(f"{path}.when", lambda: result_type(condition, draft.types())) is None:
        return None
    name = draft.build.add(f"y{draft.number('row')}", f"try({condition})")
    draft.build.findings.append(
        Finding(
            path=path,
            source="check",
            name=use.name,
            column=None,
            code="sql_error",
            message=f"the condition of the check failed for this row: {use.when}",
            condition=failure(name, condition),
            severity=use.severity,
        )
    )
    return name


def _guarded(guard: str | None, condition: str) -> str:
    return condition if guard is None else f"case when {guard} then {condition} else false end"


def compile_row_check(draft: Draft, path: str, use: CheckUse) -> None:
    """A check over the row (`sql`, `python`)."""
    named = use.options.get("column")
    index = next((i for i, column in enumerate(draft.columns) if column.name == named), None)
    if use.name == "sql":
        _sql_check(draft, path, use, index)
    elif use.name == "python":
        _python_check(draft, path, use, index)
    else:
        draft.mistake(path, f"the check {use.name!r} needs a column", "Add `column:`, or write it at the column.")


def _sql_check(draft: Draft, path: str, use: CheckUse, index: int | None) -> None:
    names = draft.row_names()
    if index is not None and "value" not in names:
        names["value"] = draft.finals[index]
    text = str(use.options.get("sql", ""))
    expression = draft.expression(path, text, names)
    if (
        expression is None
        or draft.attempt(path, lambda: result_type(f"({expression})::boolean", draft.types())) is None
    ):
        return
    name = draft.build.add(f"y{draft.number('row')}", f"try(({expression})::boolean)")
    guard = _when(draft, path, use)
    message = use.message or f"the check {text} failed"
    for code, condition, said in (
        ("sql_check", f"(not {name})", message),
        ("sql_error", failure(name, f"({expression})::boolean"), f"the SQL of the check failed for this row: {text}"),
    ):
        finding = Finding(
            path=path,
            source="check",
            name="sql",
            column=None if index is None else draft.columns[index].name,
            code=code,
            message=said,
            condition=_guarded(guard, condition),
            severity=use.severity,
            value=None if index is None else draft.texts[index],
        )
        draft.build.findings.append(finding)


def _python_check(draft: Draft, path: str, use: CheckUse, index: int | None) -> None:
    found = draft.function(path, use, undecorated="table" if index is None else "value")
    if found is None:
        return
    function, kind = found
    if use.when is not None:
        draft.mistake(path, "a Python check has no `when:`", "Put the condition into the function.")
        return
    if index is not None and draft.columns[index].name in draft.left_out:
        draft.mistake(path, "a Python check can't judge a column that is not delivered", "Deliver it, or use SQL.")
        return
    if (kind == "table") != (index is None):
        draft.mistake(
            path,
            f"{function.name} judges a {kind}" + (", and no column is named" if index is None else ""),
            "Add `column:`, or decorate the function for the table.",
        )
        return
    finding = Finding(
        path=path,
        source="check",
        name="python",
        column=None if index is None else draft.columns[index].name,
        code="python_error",
        message=use.message or f"the check {function.name} failed",
        condition="false",
        severity=use.severity,
        value=None if index is None else draft.texts[index],
    )
    draft.python_checks.append(PythonCheck(function=function, kind=kind, finding=finding))


def keys_of(draft: Draft) -> tuple[tuple[str, ...], ...]:
    """The keys of destinations into which rows are merged by key; each must be unique in the batch."""
    known = {column.name for column in draft.columns} - draft.left_out
    keys = []
    for number, spec in enumerate(draft.pipeline.destinations):
        for name in draft.left_out & {*(spec.columns or ()), *spec.key}:
            draft.mistake(
                f"destinations[{number}]", f"a rule leaves {name!r} out", "Leave it out here too, or keep it."
            )
        if spec.mode is None or not spec.mode.by_key:
            continue
        for name in spec.key:
            if name not in known:
                draft.mistake(f"destinations[{number}].key", f"there is no column {name!r}", "Name declared columns.")
        if spec.mode.has_unique_key and spec.key and set(spec.key) <= known:
            keys.append(spec.key)
    return tuple(dict.fromkeys(keys))


def uniques_of(draft: Draft) -> tuple[UniqueCheck, ...]:
    """`unique: true`, the check `unique` of a column, and `unique` over several columns."""
    found = []
    for column in draft.columns:
        uses = [(n, use) for n, use in enumerate(column.checks) if use.name == "unique"]
        if column.name in draft.left_out and (uses or column.unique):
            draft.mistake(
                f"columns.{column.name}", "a column that is not delivered can't be unique", "Keep the column."
            )
        for number, use in uses:
            if use.options.get("columns"):
                path = f"columns.{column.name}.checks[{number}]"
                draft.mistake(path, "unique over several columns judges the row", "Write it under `checks:`.")
        if column.unique and not uses:
            found.append(_unique((column.name,), f"columns.{column.name}.unique", None))
        found += [
            _unique((column.name,), *clean_when(draft, f"columns.{column.name}.checks[{n}]", use)) for n, use in uses
        ]
    for number, use in enumerate(draft.pipeline.checks):
        if use.name == "unique":
            found += _unique_of_row(draft, f"checks[{number}]", use)
    return tuple(found)


def _unique(columns: tuple[str, ...], path: str, use: CheckUse | None) -> UniqueCheck:
    severity = Severity.REJECT if use is None else use.severity
    message, when = (None, None) if use is None else (use.message, use.when)
    return UniqueCheck(columns=columns, severity=severity, message=message, path=path, when=when)


def _unique_of_row(draft: Draft, path: str, use: CheckUse) -> list[UniqueCheck]:
    known = [column.name for column in draft.columns if column.name not in draft.left_out]
    columns: Any = use.options.get("columns") or ()
    columns = (columns,) if isinstance(columns, str) else tuple(columns)
    for name in columns:
        if name not in known:
            draft.mistake(path, f"there is no column {name!r}", f"Columns: {', '.join(known[:12])}.")
    if not columns:
        draft.mistake(path, "unique names no column", "Write `unique: [order_id, line]`.")
    return [_unique(columns, *clean_when(draft, path, use))] if columns and set(columns) <= set(known) else []


def clean_when(draft: Draft, path: str, use: CheckUse) -> tuple[str, CheckUse]:
    """The path and the use, its `when:` checked as an expression over the clean rows."""
    if use.when is None:
        return path, use
    delivered = [column for column in draft.columns if column.name not in draft.left_out]
    expression = draft.expression(f"{path}.when", use.when, {column.name: column.name for column in delivered})
    if expression is not None:
        types = [(quote(column.name), column.type.duckdb) for column in delivered]
        draft.attempt(f"{path}.when", lambda: result_type(f"({expression})::boolean", types))
    return path, replace(use, when=None if expression is None else f"({expression})::boolean")


def winners_of(draft: Draft) -> tuple[WinnerRule, ...]:
    """Rules that keep one of several equal rows; they see what is delivered."""
    known = [column.name for column in draft.columns if column.name not in draft.left_out]
    found = []
    for path, winner in draft.winners:
        wrong = [name for name in (*winner.by, winner.order) if name is not None and name not in known]
        for name in wrong:
            draft.mistake(path, f"there is no column {name!r} among the delivered ones", "Name one that is delivered.")
        if not wrong:
            found.append(
                WinnerRule(
                    columns=winner.by or tuple(known),
                    keep=winner.keep,
                    order=winner.order,
                    nulls_equal=not winner.by,
                    message=winner.why,
                    path=path,
                )
            )
    return tuple(found)


def drifts_of(draft: Draft) -> tuple[DriftCheck, ...]:
    """Comparisons with the batch before."""
    known = {column.name for column in draft.columns} - draft.left_out
    found = []
    for number, use in enumerate(draft.pipeline.checks):
        if use.name != DRIFT:
            continue
        path = f"checks[{number}]"
        check = draft.component(path, "checks", use)
        if check is None:
            continue
        options: dict[str, Any] = vars(check.options)
        for name in options["columns"]:
            if name not in known:
                draft.mistake(path, f"there is no column {name!r}", "Name a column that is delivered.")
        if use.when is not None:
            draft.mistake(path, "a check over the batch has no `when:`", "Leave it out.")
        found.append(DriftCheck(**options, severity=use.severity, message=use.message, path=path))
    return tuple(found)


def batch_checks_of(draft: Draft) -> tuple[BatchCheck, ...]:
    """Checks over all clean rows, their SQL tried on an empty `rows`."""
    uses = [(f"checks[{number}]", use) for number, use in enumerate(draft.pipeline.checks) if use.name == "batch"]
    checks = (_batch_check(draft, path, use) for path, use in uses)
    return tuple(check for check in checks if check is not None)


def _batch_check(draft: Draft, path: str, use: CheckUse) -> BatchCheck | None:
    if use.when is not None:
        draft.mistake(path, "a check over the batch has no `when:`", "Put the condition into its `where`.")
    text = str(use.options.get("batch", ""))
    columns = [(entry.name, entry.type.duckdb) for entry in draft.columns if entry.name not in draft.left_out]
    sql = draft.attempt(path, lambda: check_query(text, columns, draft.run_time))
    if sql is None:
        return None
    message = use.message or f"the batch check {text} failed"
    return BatchCheck(path=path, sql=sql, severity=use.severity, message=message)
