"""Compiles one column: its rules in order, then its type."""

from __future__ import annotations

from typing import Any

from loadlock.cleanup import formats, typing_sql
from loadlock.cleanup._sql import clean_ends
from loadlock.cleanup.base import ArrowRule, FindingRule, JudgingRule, RuleContext, ShapeRule, SqlRule, Surveyed
from loadlock.cleanup.components import shown_changes
from loadlock.cleanup.draft import Draft
from loadlock.cleanup.filling import Fill
from loadlock.cleanup.plan import Change, Finding, SurveyItem
from loadlock.cleanup.steps import ArrowStep, JsonStep, JudgingStep, PythonStep
from loadlock.cleanup.typing_sql import TypeSpec
from loadlock.pipeline.model import RuleUse

FILL_DOWN = "fill_down"
"""The rule that needs whole files: see `filling`."""


def compile_column(draft: Draft, index: int) -> None:
    """Add the column's rules and type to the draft; sets its final value."""
    value = draft.staged(index)
    first = len(draft.build.findings)
    for number, (path, use) in enumerate(draft.chains[index]):
        value = rule_step(draft, index, f"c{index}_{number}", value, path, use)
    _type_step(draft, index, value, tuple(range(first, len(draft.build.findings))))


def rule_step(draft: Draft, index: int, name: str, value: str, path: str, use: RuleUse) -> str:
    """One rule over a text; gives the internal name of the result (the input where the rule is a mistake)."""
    if use.name == FILL_DOWN:
        return _fill(draft, index, value, path, use)
    if use.name == "sql":
        after = _sql_rule(draft, index, name, value, path, use)
    elif use.name == "python":
        after = _python_rule(draft, index, name, value, path, use)
    else:
        after = _component_rule(draft, index, name, value, path, use)
    if after is None:
        return value
    draft.build.changes.append(
        Change(
            path=path,
            kind="rule",
            column=draft.columns[index].name,
            rule=use.name,
            before=value,
            after=after,
            condition=f"{after} is distinct from {value}",
            input=draft.staged(index),
            masked=draft.columns[index].mask,
            shown=shown_changes(use.name),
        )
    )
    return after


def _fill(draft: Draft, index: int, value: str, path: str, use: RuleUse) -> str:
    """Gaps are filled before the steps of the plan; here only what is counted, and where the text as it came lies."""
    rule = draft.component(path, "rules", use)
    if rule is None:
        return value
    if value != draft.staged(index):
        draft.mistake(path, "fill_down works on the values as staged", "Make it the first of the column's own rules.")
        return value
    column, before = draft.columns[index], draft.build.given(f"g{index}")
    draft.fills.append(Fill(column=column.name, name=value, before=before, empty=rule.options.empty))
    draft.build.changes.append(
        Change(
            path=path,
            kind="rule",
            column=column.name,
            rule=use.name,
            before=before,
            after=value,
            condition=f"{value} is distinct from {before}",
            input=before,
            masked=column.mask,
        )
    )
    return value


def _sql_rule(draft: Draft, index: int, name: str, value: str, path: str, use: RuleUse) -> str | None:
    """SQL in a column's own rules: `value` (or the column's name) is its text so far, other columns as staged."""
    names = draft.source_names() | {c.name: draft.staged(i) for i, c in enumerate(draft.columns)}
    names |= {"value": value, draft.columns[index].name: value}
    expression = draft.expression(path, use.options.get("sql", ""), names)
    if expression is None:
        return None
    return tried(draft, name, f"({expression})::varchar", path, draft.columns[index].name, value)


def tried(draft: Draft, name: str, expression: str, path: str, column: str | None, value: str | None) -> str:
    """A user's expression as a column that is null where it fails; failing is a problem of the row."""
    draft.build.add(name, f"try({expression})")
    failed = failure(name, expression)
    draft.build.findings.append(
        Finding(
            path=path,
            source="rule",
            name="sql",
            column=column,
            code="sql_error",
            message="the SQL failed for this row",
            condition=failed,
            value=value,
        )
    )
    return name


def failure(name: str, expression: str) -> str:
    """Condition: a tried expression is null because it failed, not because it gave null."""
    # CASE, because AND would work out the expression twice for every row
    return f"case when {name} is null then try([{expression}]) is null else false end"


def _python_rule(draft: Draft, index: int, name: str, value: str, path: str, use: RuleUse) -> str | None:
    found = draft.function(path, use)
    if found is None:
        return None
    function, kind = found
    if kind == "table":
        draft.mistake(path, f"{function.name} works on the whole table", "Write it under `rules:` without a column.")
        return None
    error = f"e{draft.number('error')}"
    draft.build.flush([value])
    step = PythonStep(function=function, kind=kind, before=value, after=name, error=error)
    draft.build.step(step, name, error)
    python_finding(draft, path, draft.columns[index].name, error, value)
    return name


def python_finding(
    draft: Draft,
    path: str,
    column: str | None,
    error: str,
    value: str | None,
    what: tuple[str, str] = ("python", "python_error"),
) -> None:
    """What a rule outside SQL found, or that a user's function raised, is a problem of the row. `what`: rule and code."""
    draft.build.findings.append(
        Finding(
            path=path,
            source="rule",
            name=what[0],
            column=column,
            code=what[1],
            message="",
            condition=f"({error} is not null)",
            value=value,
            error=error,
            # what an earlier rule refused is refused once
            unless=() if what[0] == "python" else draft.found_by_rules(column),
        )
    )


def _component_rule(draft: Draft, index: int, name: str, value: str, path: str, use: RuleUse) -> str | None:
    rule = draft.component(path, "rules", use)
    if rule is None:
        return None
    if not isinstance(rule, SqlRule | ArrowRule):
        draft.mistake(path, f"{use.name} works on the whole row", "Write it under `rules:` of the pipeline.")
        return None
    key = f"{path}:{draft.columns[index].name}"
    context = draft.context(index, draft.decisions.get(key))
    return draft.attempt(path, lambda: _apply(draft, name, value, path, (rule, key, context)))


def _apply(draft: Draft, name: str, value: str, path: str, what: tuple[Any, str, Any]) -> str:
    rule, key, context = what
    shaped = isinstance(rule, ShapeRule) and rule.by_shape()

    def condition(number: str, sql: str) -> str:
        return draft.build.add_by_shape(f"{name}{number}", sql, value, flag=True) if shaped else f"({sql})"

    if isinstance(rule, Surveyed) and (asked := rule.survey(value, context)):
        counts = tuple((item, condition(f"s{number}", sql)) for number, (item, sql) in enumerate(asked.items()))
        draft.surveys.append(SurveyItem(key=key, column=context.column, counts=counts, rule=rule, context=context))
    if isinstance(rule, FindingRule):
        for number, found in enumerate(rule.findings(value, context)):
            draft.build.findings.append(
                Finding(
                    path=path,
                    source="rule",
                    name=rule.name,  # type: ignore[attr-defined]  # every rule has one
                    column=context.column,
                    code=found.code,
                    message=found.message,
                    condition=condition(f"f{number}", found.sql),
                    value=value,
                )
            )
    if isinstance(rule, SqlRule):
        sql = rule.sql(value, context)
        return draft.build.add_by_shape(name, sql, value) if shaped else draft.build.add(name, sql)
    assert isinstance(rule, ArrowRule)
    if isinstance(rule, JudgingRule):
        return _judging_step(draft, name, value, path, (rule, context))
    draft.build.flush([value])
    draft.build.step(ArrowStep(rule=rule, context=context, before=value, after=name), name)
    return name


def _judging_step(draft: Draft, name: str, value: str, path: str, what: tuple[Any, RuleContext]) -> str:
    rule, context = what
    others = tuple(draft.text_of(other) for other in rule.beside())
    error = f"e{draft.number('error')}"
    draft.build.flush([value, *others])
    step = JudgingStep(rule=rule, context=context, before=value, others=others, after=name, error=error)
    draft.build.step(step, name, error)
    python_finding(draft, path, context.column, error, value, (rule.name, rule.code))
    return name


def _type_step(draft: Draft, index: int, value: str, own: tuple[int, ...]) -> None:
    column = draft.columns[index]
    spec = type_spec(draft, index)
    if column.type.kind == "text" or spec is None:
        _set(draft, index, value, value, value)
        return
    if column.type.kind == "json":
        text = draft.build.add(
            f"x{index}", f"case when {clean_ends(value)} then {value} else {typing_sql.trimmed(value)} end"
        )
        final, canonical = json_value(draft, text)
        _set(draft, index, final, text, canonical)
    else:
        text, final = _read(draft, index, value, spec)
        _set(draft, index, final, text, final)
    _count_trimming(draft, index, value, text)
    type_findings(draft, index, spec, (text, final), own)
    _survey_formats(draft, index, spec, text)


def _set(draft: Draft, index: int, final: str, text: str, digest: str) -> None:
    assert len(draft.finals) == index
    draft.finals.append(final)
    draft.texts.append(text)
    draft.digests.append(digest)


def json_value(draft: Draft, text: str) -> tuple[str, str]:
    """(value, canonical form) of a text that must be JSON."""
    number = draft.number("json")
    names = f"j{number}", f"k{number}"
    draft.build.flush([text])
    draft.build.step(JsonStep(before=text, value=names[0], canonical=names[1]), *names)
    return names


def _read(draft: Draft, index: int, value: str, spec: TypeSpec) -> tuple[str, str]:
    """(text, value): read as it stands; only what doesn't fit is trimmed and read again."""
    build = draft.build
    reading = typing_sql.reading(spec, value, f"t{index}")
    for name, expression in reading.helpers:
        build.add(name, expression)
    quick = build.add(f"q{index}", reading.value)
    text = build.add(f"x{index}", f"case when {quick} is not null then {value} else {typing_sql.trimmed(value)} end")
    again = f"case when {text} is distinct from {value} then {typing_sql.strict(spec, text)} end"
    return text, build.add(f"v{index}", f"case when {quick} is not null then {quick} else {again} end")


def _count_trimming(draft: Draft, index: int, value: str, text: str) -> None:
    column = draft.columns[index]
    for kind, condition in (
        ("trimmed", f"({text} is distinct from {value} and {text} is not null)"),
        ("emptied", f"({text} is null and {value} is not null)"),
    ):
        draft.build.changes.append(
            Change(
                path=f"columns.{column.name}.type",
                kind=kind,
                column=column.name,
                rule=kind,
                before=value,
                after=text,
                condition=condition,
                input=draft.staged(index),
                masked=column.mask,
            )
        )


def type_spec(draft: Draft, index: int) -> TypeSpec | None:
    """How the column's text is read, or None with a mistake."""
    column = draft.columns[index]
    path = f"columns.{column.name}.formats"
    kind = column.type.kind
    known = len(draft.mistakes)
    for number, text in enumerate(column.formats):
        if fault := formats.check(text):
            draft.mistake(f"{path}[{number}]", f"{text!r} is no format: {fault}", "Write strptime codes, as %d/%m/%Y.")
        elif kind == "timestamptz" and not formats.ZONED.search(text) and column.timezone is None:
            draft.mistake(f"{path}[{number}]", f"{text!r} has no zone", "Add %z, or `timezone:` for such times.")
        elif kind != "timestamptz" and formats.ZONED.search(text):
            draft.mistake(
                f"{path}[{number}]", f"{text!r} has a zone, the type {kind} has none", "Use type timestamptz."
            )
    if column.formats and kind not in ("date", "time", "timestamp", "timestamptz"):
        draft.mistake(path, f"a {kind} column takes no formats", "Leave them out, or make it a date.")
    if len(draft.mistakes) > known:
        return None
    decided = draft.decisions.get(f"{column.name}.formats", {})
    pairs = formats.collisions(column.formats)
    winners = {f"{first}-{second}": decided.get(f"{first}-{second}") for first, second in pairs}
    return TypeSpec(type=column.type, formats=column.formats, timezone=column.timezone, winners=winners)


def type_findings(draft: Draft, index: int, spec: TypeSpec, names: tuple[str, str], own: tuple[int, ...] = ()) -> None:
    """Problems of a text without typed value: one for each, the first that holds, and none where a rule had its say.

    `own`: what the column's rules found, by their places in the plan.
    """
    text, final = names
    column = draft.columns[index]
    unfit = f"({final} is null and {text} is not null)"
    before: list[str] = []
    for fault in typing_sql.faults(spec, text):
        holds = " and ".join([f"({fault.condition})", *(f"not {condition}" for condition in before)])
        draft.build.findings.append(
            Finding(
                path=f"columns.{column.name}.type",
                source="type",
                name="type",
                column=column.name,
                code=fault.code,
                message=fault.message,
                condition=f"case when {unfit} then {holds} else false end",
                value=text,
                unless=own,
            )
        )
        before.append(f"coalesce({fault.condition}, false)")


def _survey_formats(draft: Draft, index: int, spec: TypeSpec, text: str) -> None:
    if not spec.winners:
        return
    counts = []
    for pair in spec.winners:
        first, second = (f"({formats.parse(text, spec.formats[int(number)])})" for number in pair.split("-"))
        counts += [
            (f"{pair}:first", f"{first} is not null and {second} is null"),
            (f"{pair}:second", f"{second} is not null and {first} is null"),
            (f"{pair}:both", f"coalesce({first} <> {second}, false)"),
        ]
    name = draft.columns[index].name
    draft.surveys.append(SurveyItem(key=f"{name}.formats", column=name, counts=tuple(counts), formats=spec.formats))
