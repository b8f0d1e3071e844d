"""The kernel's two queries over a part: all rows once; and the texts of rows that are bad or show a rule at work."""

from __future__ import annotations

from dataclasses import replace

from loadlock.cleanup.building import Building
from loadlock.cleanup.distinct import BITS, Local, localized, words
from loadlock.cleanup.plan import Plan
from loadlock.cleanup.prepared import hand_over, query
from loadlock.cleanup.steps import SqlStep
from loadlock.digest import (
    doubtful,
    groups_of,
    names_of_texts,
    row_hash_of_texts_sql,
    row_hash_sql,
    row_texts_sql,
    schema_seed,
)
from loadlock.errors import LoadlockError, Mistake, PipelineError
from loadlock.model import Severity

HASH, BAD, SKIP = "h", "bad", "skip"


def of(plan: Plan, build: Building) -> Plan:
    """The plan with its queries, and with the steps that take work out of them."""
    found = [finding.condition for finding in plan.findings]
    changed = [change.condition for change in plan.changes]
    wide = groups_of(plan.columns) > 0
    doubts = [] if wide else doubtful(plan.columns, values=plan.digest_values)
    local = localized(build, [*plan.finals, *plan.digest_values], [*found, *changed, *doubts])
    local = _with_texts(plan, local) if wide else local
    left = list(dict.fromkeys(sql for sql in (*found, *changed) if sql not in local.places))
    places = local.places | {sql: (f"f{number // BITS}", number % BITS) for number, sql in enumerate(left)}
    plan = replace(
        plan,
        steps=(*plan.steps, *local.steps),
        found_in=tuple(places[sql] for sql in found),
        changed_in=tuple(places[sql] for sql in changed),
    )
    return replace(plan, queries={"main": _main(plan, local, words(left, "f")), "texts": _texts(plan, build)})


def survey(plan: Plan, build: Building) -> Plan:
    """The plan with its survey: one row that says how often each condition of the open items holds (`n0`, `n1` ...)."""
    conditions = [condition for item in plan.open_items for _, condition in item.counts]
    local = localized(build, [], conditions)
    replaced = [local.condition(condition) for condition in conditions]
    listed = [f"count(*) filter (where {condition}) as n{n}" for n, condition in enumerate(replaced)]
    sql = f"select {', '.join(listed) or 'null::varchar as nothing'} from {local.build.relation(replaced)}"
    return replace(plan, survey_steps=(*plan.survey_steps, *local.steps), queries={**plan.queries, "survey": sql})


def _main(plan: Plan, local: Local, left: list[tuple[str, str]]) -> str:
    """All rows: final values, whether they are bad or skipped, their hash, and what is counted.

    `left`: packed columns with the conditions that no step has marked in the part.
    """
    build = local.build
    finals = [name for name in dict.fromkeys(plan.finals) if not build.is_given(name)]
    marked = [name for name, _ in left]
    skip = "".join(f" when not coalesce({condition}, false) then {n}" for n, (_, condition) in enumerate(plan.skips))
    skipped = f"(case{skip} end)::integer" if skip else "null::integer"
    row_hash = _hash(plan, local)
    bad = _is_bad(plan)
    relation = build.relation([*finals, skip, row_hash, bad, *(sql for _, sql in left)])
    made = ", ".join([f"{sql} as {name}" for name, sql in left] + [f"{skipped} as {SKIP}"])
    judged = f"(select *, {bad} as {BAD} from (select *, {made} from {relation}))"
    # bad rows are hashed too: leaving them out takes longer
    return f"select {', '.join([*finals, BAD, SKIP, *marked])}, {row_hash} as {HASH} from {judged}"


def _is_bad(plan: Plan) -> str:
    """SQL over the packed findings: one that rejects holds."""
    masks: dict[str, int] = {}
    for finding, (word, bit) in zip(plan.findings, plan.found_in, strict=True):
        if finding.severity == Severity.REJECT:
            masks[word] = masks.get(word, 0) | 1 << bit
    return " or ".join(f"({word} & {mask}::ubigint) <> 0" for word, mask in masks.items()) or "false"


def _with_texts(plan: Plan, local: Local) -> Local:
    """Rows of very many columns: the texts that are hashed are joined by steps, group by group."""
    lists = row_texts_sql(plan.columns, values=plan.digest_values)
    steps = [SqlStep(sql=f"select {texts} from {local.build.relation([texts])}") for texts in lists]
    given = names_of_texts(len(lists))
    return replace(local, steps=(*local.steps, *steps), build=local.build.with_given(given))


def _hash(plan: Plan, local: Local) -> str:
    if groups := groups_of(plan.columns):
        return row_hash_of_texts_sql(plan.columns, groups)
    if all(name.startswith("_") for name, _ in plan.columns):
        return f"md5_number('{schema_seed(plan.columns)}p')"
    return row_hash_sql(plan.columns, values=plan.digest_values, condition=local.condition)


def _texts(plan: Plan, build: Building) -> str:
    """Some rows: the values that findings show, and those before and after each rule, as text."""
    shown = [name for finding in plan.findings for name in (finding.value, finding.error) if name is not None]
    shown += [check.finding.value for check in plan.python_checks if check.finding.value is not None]
    shown += [name for change in plan.changes if change.kind == "rule" for name in (change.before, change.after)]
    listed = [f"{name}::varchar as {name}" for name in dict.fromkeys(shown)]
    return f"select {', '.join(listed) or 'null::varchar as nothing'} from {build.relation(listed)}"


def try_out(plan: Plan) -> None:
    """Run the plan's queries over a part without rows; raises PipelineError where DuckDB refuses one."""
    import duckdb
    import pyarrow as pa

    names = [entry.name for entry in plan.inputs] + [fill.before for fill in plan.fills]
    part = pa.table({name: pa.nulls(0, pa.string()) for name in names} or {"nothing": pa.nulls(0)})
    try:
        for step in plan.steps:
            part = step.run(part)
        query(plan.queries["main"], part)
        query(plan.queries["texts"], part)
        hand_over()
    except (duckdb.Error, LoadlockError) as error:
        first = str(error).strip().splitlines()[0]
        mistake = Mistake(message=f"the pipeline can't be compiled: {first}", remedy="Look at its rules and checks.")
        raise PipelineError([mistake]) from error
