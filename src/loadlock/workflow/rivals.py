"""What only the whole batch can tell of replayed rows: they are judged beside the rows that it has delivered already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loadlock.cleanup.batch import NOT_UNIQUE, SUPERSEDED, BatchVerdict, judge_batch, losers_schema
from loadlock.digest import quote
from loadlock.ledger.base import PartRecord
from loadlock.model import PartKind, PartRef, Severity
from loadlock.rows import IDENTITY
from loadlock.workflow import cleaning
from loadlock.workflow.quarantine import Quarantine

if TYPE_CHECKING:
    import pyarrow as pa

_SAME = " and ".join(f"a.{name} = b.{name}" for name in IDENTITY)
_ORDER = f"({', '.join(f'a.{name}' for name in IDENTITY)})", f"({', '.join(f'b.{name}' for name in IDENTITY)})"


def judge_replay(
    quarantine: Quarantine, work: cleaning.CleanWork, parts: Sequence[PartRecord], sent: pa.Table
) -> BatchVerdict | None:
    """The verdict over the replayed rows: among each other, then against the batch's delivered rows, which stay as they are
    unless an upsert is to write the later row. Checks over the batch see both."""
    plan, temp = work.plan, quarantine.workspace.temp
    refs = [record.ref for record in parts if record.ref.rows]
    if not plan.needs_batch or not refs:
        return None
    among = cleaning.judged(work.staging, replace(plan, batch_checks=()), refs, temp)
    with _bound(quarantine, refs, sent) as connection:
        connection.register("lost", among.losers)
        connection.execute(f"create temp view fresh as select * from replayed a anti join lost b on {_SAME}").fetchall()
        losers = [among.losers, *(connection.sql(query).to_arrow_table() for query in _contests(plan))]
        lost = _first(losers)
        if not plan.batch_checks:
            return replace(among, losers=lost)
        connection.register("all_lost", lost)
        connection.execute(
            "create temp view rows as select * from delivered union all by name"
            f" select * from replayed a anti join all_lost b on {_SAME}"
        ).fetchall()
        whole = replace(plan, uniques=(), keys=(), winners=())
        found = judge_batch(whole, lambda query: connection.sql(query).to_arrow_table())
    return replace(found, losers=lost)


def _contests(plan: Any) -> Iterator[str]:
    """Queries for the replayed rows that lose to delivered ones."""
    for check in plan.uniques:
        if check.severity == Severity.REJECT:
            when = "true" if check.when is None else f"coalesce(try({check.when}), false)"
            side = f"(select * from {{}} where {when})"
            yield _losing(check.columns, side, NOT_UNIQUE, "true", check.message)
    for winner in plan.winners:
        yield _losing(winner.columns, "{}", SUPERSEDED, "true", winner.message)
    mine, theirs = _ORDER
    order = {"last": f"{theirs} > {mine}", "first": f"{theirs} < {mine}", "none": "true"}[plan.keep_duplicates]
    for key in plan.keys:
        yield _losing(key, "{}", SUPERSEDED, order, None)


def _losing(columns: Sequence[str], side: str, reason: str, condition: str, message: str | None) -> str:
    """Replayed rows whose values in these columns a delivered row has, in the shape of `losers_schema`."""
    same = " and ".join(f"a.{quote(name)} = b.{quote(name)}" for name in columns)
    ids = ", ".join(f"a.{name} as {name}" for name in IDENTITY)
    value = f"concat_ws(', ', {', '.join(f'a.{quote(name)}::varchar' for name in columns)})"
    said = message or "the value stands in a delivered row of the batch"
    column = columns[0] if len(columns) == 1 else ", ".join(columns)
    return (
        f"select distinct on ({', '.join(f'a.{name}' for name in IDENTITY)}) {ids}, {_text(reason)} as reason,"
        f' {_text(column)} as "column", {value} as value, {_text(said)} as message'
        f" from {side.format('fresh')} a join {side.format('delivered')} b on {same} where {condition}"
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _first(tables: Sequence[pa.Table]) -> pa.Table:
    """Each loser once, with its first reason."""
    import pyarrow as pa

    found, seen = [], set()
    for table in tables:
        for row in table.select(losers_schema().names).to_pylist():
            place = tuple(row[name] for name in IDENTITY)
            if place not in seen:
                seen.add(place)
                found.append(row)
    return pa.Table.from_pylist(found, schema=losers_schema())


@contextmanager
def _bound(quarantine: Quarantine, refs: list[PartRef], sent: pa.Table) -> Iterator[Any]:
    """A connection with the views `replayed` and `delivered` (the batch's clean rows that are not sent again)."""
    import duckdb

    config: dict[str, Any] = {
        "memory_limit": cleaning.QUERY_MEMORY,
        "temp_directory": str(quarantine.workspace.temp),
        "preserve_insertion_order": "false",
    }
    with duckdb.connect(config=config) as connection:
        quarantine.workspace.staging.bind(connection, "replayed", refs)
        selects = [_delivered(quarantine, connection, number, sent) for number in range(len(quarantine.layers))]
        known = [select for select in selects if select]
        rows = " union all by name ".join(known) or "select * from replayed where false"
        connection.execute(f"create temp view delivered as {rows}").fetchall()
        yield connection


def _delivered(quarantine: Quarantine, connection: Any, number: int, sent: pa.Table) -> str | None:
    """The clean rows of one run of the batch that stand."""
    import pyarrow as pa

    layer, ledger, staging = quarantine.layers[number], quarantine.workspace.ledger, quarantine.workspace.staging
    batch = quarantine.batch.batch
    parts = [record.ref for record in ledger.parts(batch, layer.run.run, PartKind.CLEAN) if record.ref.rows]
    if not parts:
        return None
    staging.bind(connection, f"clean_{number}", parts)
    dropped = ledger.parts(batch, cleaning.batch_scope(layer.run.run), PartKind.DROPPED)
    gone = [staging.read(record.ref).select(list(IDENTITY)) for record in dropped]
    gone += [entry.sent.select(list(IDENTITY)) for entry in quarantine.layers[number + 1 :]]
    connection.register(f"gone_{number}", pa.concat_tables([*gone, sent.select(list(IDENTITY))]))
    return f"select * from clean_{number} a anti join gone_{number} b on {_SAME}"
