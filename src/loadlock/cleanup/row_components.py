"""Compiles the components that work on the row: several columns in or out, columns left out, winners among equal rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from loadlock.cleanup.base import ColumnsRule, RowArrowRule, RowRule, RowSqlRule, WinnerRule
from loadlock.cleanup.columns import python_finding
from loadlock.cleanup.draft import Draft
from loadlock.cleanup.plan import Finding
from loadlock.cleanup.retyping import retyped
from loadlock.cleanup.steps import RowStep
from loadlock.pipeline.model import RuleUse


def compile_over_row(draft: Draft, path: str, column: str, use: RuleUse) -> None:
    """Add one rule over the row to the draft; `column` is the one written beside it, or ""."""
    rule = draft.component(path, "rules", use)
    if rule is not None:
        draft.attempt(path, lambda: _compile(draft, path, column, rule))


def _compile(draft: Draft, path: str, column: str, rule: Any) -> None:
    names = [entry.name for entry in draft.columns]
    if isinstance(rule, ColumnsRule):
        draft.left_out.update(set(names) - set(rule.kept(names)))
    elif isinstance(rule, WinnerRule):
        draft.winners.append((path, rule.winner()))
    else:
        assert isinstance(rule, RowRule)
        _row_rule(draft, path, column, rule)


def _row_rule(draft: Draft, path: str, column: str, rule: RowRule) -> None:
    touched = rule.touches(column)
    values = {name: draft.text_of(name) for name in touched.reads}
    places = {entry.name: index for index, entry in enumerate(draft.columns)}
    for name in touched.writes:
        if name not in places:
            raise ValueError(f"there is no column {name!r}; declare it under `columns:`")
    if isinstance(rule, RowSqlRule):
        made = _sql(draft, path, column, rule, values)
    else:
        assert isinstance(rule, RowArrowRule)
        made = _arrow(draft, path, column, rule, values)
    for name, text in made.items():
        retyped(draft, path, places[name], rule.name, text)


def _sql(draft: Draft, path: str, column: str, rule: RowSqlRule, values: dict[str, str]) -> dict[str, str]:
    context = draft.row_context(column)
    shown = next(iter(values.values()), None)
    for found in rule.row_findings(values, column, context):
        draft.build.findings.append(
            Finding(
                path=path,
                source="rule",
                name=rule.name,  # type: ignore[attr-defined]  # every rule has one
                column=column or next(iter(values), None),
                code=found.code,
                message=found.message,
                condition=f"({found.sql})",
                value=shown,
            )
        )
    texts = rule.row_sql(values, column, context)
    return {name: draft.build.add(f"z{draft.number('row')}", sql) for name, sql in texts.items()}


def _arrow(draft: Draft, path: str, column: str, rule: Any, values: dict[str, str]) -> dict[str, str]:
    touched = rule.touches(column)
    made = {name: f"z{draft.number('row')}" for name in touched.writes}
    error = f"e{draft.number('error')}"
    # a lookup that does not fit shows on no rows as on many
    rule.row_apply(_no_rows(values), column, draft.row_context(column))
    draft.build.flush(list(values.values()))
    step = RowStep(
        rule=rule,
        context=draft.row_context(column),
        column=column,
        before=tuple(values.items()),
        after=tuple(made.items()),
        error=error,
    )
    draft.build.step(step, *made.values(), error)
    shown = next(iter(values.values()), None)
    python_finding(draft, path, column or next(iter(values), None), error, shown, (rule.name, rule.code))
    return made


def _no_rows(names: Iterable[str]) -> Any:
    import pyarrow as pa

    return pa.table({name: pa.nulls(0, pa.string()) for name in names})
