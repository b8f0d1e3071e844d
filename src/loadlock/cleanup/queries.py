"""The kernel's three queries over a part: all rows once; bad rows with their findings; rows that show rules at work."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from loadlock.cleanup.plan import Plan
from loadlock.cleanup.steps import query
from loadlock.digest import row_hash_sql, schema_seed
from loadlock.errors import LoadlockError, Mistake, PipelineError
from loadlock.model import Severity

BITS = 60
"""Conditions packed into one ubigint column."""
LOW, HIGH, BAD, SKIP = "h_low", "h_high", "bad", "skip"


def of(plan: Plan, *, bad: Sequence[str], given: Callable[[str], bool]) -> dict[str, str]:
    """The texts of the plan's queries. `given` tells the columns that need not be handed out: the part has them."""
    return {
        "main": _main(plan, bad, given),
        "rejects": _rejects(plan),
        "examples": _examples(plan),
    }


def words(conditions: Sequence[str], prefix: str) -> list[str]:
    """Conditions as bits of ubigint columns `<prefix>0`, `<prefix>1` ...; null counts as false."""
    made = []
    for start in range(0, len(conditions), BITS):
        bits = [
            f"(coalesce({condition}, false)::ubigint << {bit})"
            for bit, condition in enumerate(conditions[start : start + BITS])
        ]
        made.append(f"({' | '.join(bits)}) as {prefix}{start // BITS}")
    return made


def counted(plan: Plan) -> list[int]:
    """Indexes of the findings that don't reject; they are counted over all rows."""
    return [index for index, finding in enumerate(plan.findings) if finding.severity != Severity.REJECT]


def _main(plan: Plan, bad: Sequence[str], given: Callable[[str], bool]) -> str:
    finals = [name for name in dict.fromkeys(plan.finals) if not given(name)]
    skip = "".join(f" when not coalesce({condition}, false) then {n}" for n, (_, condition) in enumerate(plan.skips))
    judged = (
        f"(select *, coalesce({' or '.join(bad) or 'false'}, false) as {BAD},"
        f" {f'(case{skip} end)' if skip else 'null'}::integer as {SKIP} from {plan.program.layers})"
    )
    hashed = f"(select *, case when not {BAD} and {SKIP} is null then {_hash(plan)} end as h from {judged})"
    listed = [
        *finals,
        BAD,
        SKIP,
        f"(h >> 64)::ubigint as {HIGH}",
        f"(h & 18446744073709551615::uhugeint)::ubigint as {LOW}",
        *words([change.condition for change in plan.changes], "g"),
        *words([plan.findings[index].condition for index in counted(plan)], "f"),
    ]
    return f"select {', '.join(listed)} from {hashed}"


def _hash(plan: Plan) -> str:
    if all(name.startswith("_") for name, _ in plan.columns):
        return f"md5_number('{schema_seed(plan.columns)}p')"
    return row_hash_sql(plan.columns, values=plan.digest_values)


def _rejects(plan: Plan) -> str:
    shown = dict.fromkeys(finding.value for finding in plan.findings if finding.value is not None)
    errors = dict.fromkeys(finding.error for finding in plan.findings if finding.error is not None)
    listed = [*words([finding.condition for finding in plan.findings], "f")]
    listed += [f"{name}::varchar as {name}" for name in (*shown, *errors)]
    return f"select {', '.join(listed) or '0 as nothing'} from {plan.program.layers}"


def _examples(plan: Plan) -> str:
    shown = dict.fromkeys(name for change in plan.changes for name in (change.before, change.after))
    listed = ", ".join(f"{name}::varchar as {name}" for name in shown)
    return f"select {listed or '0 as nothing'} from {plan.program.layers}"


def try_out(plan: Plan) -> None:
    """Run the plan's queries over a part without rows; raises PipelineError where DuckDB refuses one."""
    import duckdb
    import pyarrow as pa

    part = pa.table({entry.name: pa.array([], pa.string()) for entry in plan.inputs} or {"nothing": pa.array([])})
    try:
        for step in plan.program.steps:
            part = step.run(part)
        for text in plan.queries.values():
            query(text, part)
    except (duckdb.Error, LoadlockError) as error:
        first = str(error).strip().splitlines()[0]
        mistake = Mistake(message=f"the pipeline can't be compiled: {first}", remedy="Look at its rules and checks.")
        raise PipelineError([mistake]) from error
