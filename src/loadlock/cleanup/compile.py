"""A pipeline, compiled for the columns at hand, becomes the plan that the kernel runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime
from typing import Any

from loadlock.cleanup import queries
from loadlock.cleanup.building import Building
from loadlock.cleanup.columns import compile_column
from loadlock.cleanup.components import beside, is_over_row, touched
from loadlock.cleanup.draft import Draft
from loadlock.cleanup.judging import (
    DRIFT,
    batch_checks_of,
    compile_column_checks,
    compile_required,
    compile_row_check,
    drifts_of,
    keys_of,
    uniques_of,
    winners_of,
)
from loadlock.cleanup.plan import Finding, Input, Plan
from loadlock.cleanup.rows import compile_row_rule
from loadlock.cleanup.target_checks import target_checks_of
from loadlock.errors import Mistake, PipelineError
from loadlock.model import Severity
from loadlock.pipeline.model import Column, Pipeline, RuleUse
from loadlock.rows import IDENTITY, PROVENANCE

_IN_CHAIN = ("sql", "filter")
"""Rules over the row that can't join a column's own rules."""


def compile_plan(
    pipeline: Pipeline,
    names: Sequence[str] | None = None,
    *,
    decisions: Mapping[str, Any] | None = None,
    run_time: datetime,
) -> Plan:
    """The plan of a pipeline.

    `names` are the columns of the files in order of first appearance; needed where the pipeline declares none (then
    every column is text). `decisions` are those of an earlier `survey.decide`; `run_time` is what run_time() gives.
    Raises PipelineError with all mistakes.
    """
    mistakes: list[Mistake] = []
    touches = [touched(use.name, use.options, column) for column, use in pipeline.rules]
    columns = _columns(pipeline, names, mistakes, [name for one in touches for name in one.writes])
    draft = _draft(pipeline, columns, names, decisions or {}, run_time)
    draft.mistakes = mistakes
    late = _chains(draft)
    for index in range(len(columns)):
        compile_column(draft, index)
    for path, column, use in late:
        compile_row_rule(draft, path, column, use)
    return _finished(draft, names)


def _columns(
    pipeline: Pipeline, names: Sequence[str] | None, mistakes: list[Mistake], made: Sequence[str]
) -> list[Column]:
    """The declared columns, or those of the files and, behind them, those that rules make."""
    if pipeline.columns is None:
        found = _undeclared(names or (), mistakes)
        known = {column.name for column in found}
        return found + [Column(name=name) for name in dict.fromkeys(made) if name not in known]
    seen: dict[str, str] = {}
    for column in pipeline.columns:
        _check_name(column.name, seen, mistakes)
    return list(pipeline.columns)


def _check_name(name: str, seen: dict[str, str], mistakes: list[Mistake]) -> None:
    path = f"columns.{name}"
    if name in (*IDENTITY, *PROVENANCE):
        mistakes.append(
            Mistake(path=path, message=f"{name} is a name of Loadlock's own", remedy=f"Use `from: {name}`, other name.")
        )
    if name.casefold() in seen:
        other = seen[name.casefold()]
        mistakes.append(
            Mistake(path=path, message=f"the columns {other!r} and {name!r} differ only in case", remedy="Rename one.")
        )
    seen[name.casefold()] = name


def _undeclared(names: Sequence[str], mistakes: list[Mistake]) -> list[Column]:
    """A text column for each name. Names that differ only in case get a number: databases can't tell them apart."""
    columns: list[Column] = []
    taken = {name.casefold() for name in (*IDENTITY, *PROVENANCE)}
    for name in names:
        chosen, number = name, 1
        while chosen.casefold() in taken:
            number += 1
            chosen = f"{name}_{number}"
        taken.add(chosen.casefold())
        columns.append(Column(name=chosen, source=(name,)))
    return columns


def _draft(
    pipeline: Pipeline,
    columns: Sequence[Column],
    names: Sequence[str] | None,
    decisions: Mapping[str, Any],
    run_time: datetime,
) -> Draft:
    inputs = _inputs(pipeline, columns, names)
    return Draft(
        pipeline=pipeline,
        columns=columns,
        decisions=decisions,
        run_time=run_time,
        inputs=inputs,
        build=Building([entry.name for entry in inputs]),
    )


def _inputs(pipeline: Pipeline, columns: Sequence[Column], names: Sequence[str] | None) -> list[Input]:
    """The declared columns' sources; then, where the files' names are known, those that SQL may name beside them."""
    declared = pipeline.columns is not None
    touches = [touched(use.name, use.options, column) for column, use in pipeline.rules]
    filled = {column for column, use in pipeline.rules if use.name == "python" or not is_over_row(use.name)}
    filled |= {name for one in touches for name in one.writes}
    inputs = [
        Input(
            name=f"s{index}",
            column=column.name,
            candidates=column.source or (column.name,),
            tolerant=declared,
            optional=not declared or column.name in filled or ("" in filled and not column.source),
        )
        for index, column in enumerate(columns)
    ]
    known = {name for entry in inputs for name in entry.candidates}
    written = "\n".join(_sql_texts(pipeline)).casefold() if declared else ""
    read = {name for one in touches for name in one.reads} | _beside(pipeline)
    others = [name for name in names or () if name not in known and (name in read or name.casefold() in written)]
    return inputs + [
        Input(name=f"o{index}", column=name, candidates=(name,), tolerant=False, optional=True)
        for index, name in enumerate(others)
    ]


def _beside(pipeline: Pipeline) -> set[str]:
    """Columns that rules over one column look at beside it."""
    uses = [use for _, use in pipeline.rules] + [use for column in pipeline.columns or () for use in column.rules]
    return {name for use in uses for name in beside(use.name, use.options)}


def _sql_texts(pipeline: Pipeline) -> Iterator[str]:
    """All SQL over rows that stands in the pipeline."""
    uses = [use for _, use in pipeline.rules] + [use for c in pipeline.columns or () for use in c.rules]
    for use in (*uses, *_all_checks(pipeline)):
        if isinstance(sql := use.options.get("sql"), str):
            yield sql


def _all_checks(pipeline: Pipeline) -> list[Any]:
    return [*pipeline.checks, *(check for column in pipeline.columns or () for check in column.checks)]


def _chains(draft: Draft) -> list[tuple[str, str, RuleUse]]:
    """Each column's rules: its own, then named rules over the row that no SQL or table rule comes before.

    Gives the rules over the row that are left, in order.
    """
    draft.chains = [
        [(f"columns.{column.name}.rules[{number}]", use) for number, use in enumerate(column.rules)]
        for column in draft.columns
    ]
    place = {column.name: index for index, column in enumerate(draft.columns)}
    late: list[tuple[str, str, RuleUse]] = []
    for number, (column_name, use) in enumerate(draft.pipeline.rules):
        path = f"rules[{number}]"
        behind = any(column_name in changed for changed in _changed(late, place))
        alone = not is_over_row(use.name) and not beside(use.name, use.options)
        if use.name in _IN_CHAIN or column_name not in place or behind or not alone:
            late.append((path, column_name, use))
        else:
            draft.chains[place[column_name]].append((path, use))
    return late


def _changed(late: Sequence[tuple[str, str, RuleUse]], every: Collection[str]) -> Iterator[Collection[str]]:
    """The columns that each of some rules over the row changes."""
    for _, column, use in late:
        over_row = is_over_row(use.name)
        yield touched(use.name, use.options, column).writes if over_row else (column,) if column else every


def _finished(draft: Draft, names: Sequence[str] | None) -> Plan:
    """Checks, keys and queries; the plan, or PipelineError."""
    keys = keys_of(draft)
    compile_required(draft, keys)
    for index in range(len(draft.columns)):
        compile_column_checks(draft, index)
    for number, use in enumerate(draft.pipeline.checks):
        if use.name not in ("batch", "unique", DRIFT):
            compile_row_check(draft, f"checks[{number}]", use)
    uniques, batch_checks, winners = uniques_of(draft), batch_checks_of(draft), winners_of(draft)
    drifts, target_checks = drifts_of(draft), target_checks_of(draft)
    stays = [index for index, column in enumerate(draft.columns) if column.name not in draft.left_out]
    if draft.mistakes:
        raise PipelineError(draft.mistakes)
    survey = _survey(draft, names)
    masked = frozenset(column.name for column in draft.columns if column.mask)
    plan = Plan(
        pipeline=draft.pipeline,
        names=None if names is None else tuple(names),
        run_time=draft.run_time,
        decisions=dict(draft.decisions),
        columns=tuple((draft.columns[index].name, draft.columns[index].type) for index in stays),
        inputs=tuple(draft.inputs),
        fills=tuple(draft.fills),
        steps=tuple(draft.build.steps),
        finals=tuple(draft.finals[index] for index in stays),
        digest_values=tuple(draft.digests[index] for index in stays),
        findings=tuple(_hiding(finding, masked) for finding in draft.build.findings),
        changes=tuple(draft.build.changes),
        skips=tuple(draft.skips),
        python_checks=tuple(replace(check, finding=_hiding(check.finding, masked)) for check in draft.python_checks),
        survey_items=tuple(survey.surveys if survey else ()),
        survey_steps=tuple(survey.build.steps if survey else ()),
        batch_checks=batch_checks,
        drifts=drifts,
        uniques=uniques,
        target_checks=target_checks,
        keys=keys,
        winners=winners,
        required=_required(draft, keys),
        keep_unique=draft.pipeline.keep_unique,
        keep_duplicates=draft.pipeline.keep_duplicates,
    )
    plan = queries.of(plan, draft.build)
    if survey:
        plan = queries.survey(plan, survey.build)
    if not draft.decisions:
        # what was decided since chooses among what was tried out already
        queries.try_out(plan)
    return plan


def _required(draft: Draft, keys: Sequence[Sequence[str]]) -> frozenset[str]:
    checked = {
        column.name
        for column in draft.columns
        for check in column.checks
        if check.name == "required" and check.severity == Severity.REJECT and check.when is None
    }
    declared = {column.name for column in draft.columns if column.required}
    return frozenset(declared | checked | {name for key in keys for name in key}) - draft.left_out


def _survey(draft: Draft, names: Sequence[str] | None) -> Draft | None:
    """A draft of only the columns that have something to decide; None if there are none."""
    asked = {item.column for item in draft.surveys}
    if not asked:
        return None
    again = _draft(draft.pipeline, draft.columns, names, draft.decisions, draft.run_time)
    again.chains = draft.chains
    for index, column in enumerate(draft.columns):
        if column.name in asked:
            compile_column(again, index)
        else:
            for listed in (again.finals, again.texts, again.digests):
                listed.append(again.staged(index))
    return again


def _hiding(finding: Finding, masked: Set[str]) -> Finding:
    """The finding, told to hide its values where its column is masked."""
    return replace(finding, masked=finding.column in masked)
