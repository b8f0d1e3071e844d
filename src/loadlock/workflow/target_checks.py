"""Checks that look into the destination's database: values that must not stand in the target, references to a table there.

A table's columns are read once, streaming, and joined with the batch's values in a DuckDB that spills: memory is bounded.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loadlock.cleanup.batch import NOT_UNIQUE
from loadlock.cleanup.plan import TargetCheck
from loadlock.delivery.base import DeliveryColumn, Target
from loadlock.delivery.deliver import DEFAULT_RETRY
from loadlock.delivery.lookup import ReadsColumns
from loadlock.delivery.names import parse_table
from loadlock.digest import quote
from loadlock.errors import LoadlockError, StoppedError
from loadlock.ledger.base import RunRecord
from loadlock.ledger.states import DELIVERED
from loadlock.model import PartKind, Problem, Severity, WriteMode
from loadlock.pipeline.codec import from_json
from loadlock.pipeline.model import DestinationSpec, Pipeline
from loadlock.rows import FILE, IDENTITY, ROW, SUB
from loadlock.types import ColumnType
from loadlock.workflow.cleaning import QUERY_MEMORY, Cleaned, batch_scope
from loadlock.workflow.delivering import DeliveryWork, Outcome
from loadlock.workflow.left import left_scope
from loadlock.workflow.stale import is_published

if TYPE_CHECKING:
    import pyarrow as pa

NOT_FOUND = "not_found"
_SAME_ROW = " and ".join(f"a.{name} = b.{name}" for name in IDENTITY)


def look_up(work: DeliveryWork, record: RunRecord, outcomes: Sequence[Outcome]) -> Cleaned:
    """Mark the rows that must not be delivered (`Outcome.unwanted`). The batch, with the findings of checks that only warn.

    Raises StoppedError where a check of severity `fail` found something, or where no destination can be looked into.
    """
    checks = work.plan.target_checks
    if not checks:
        return work.cleaned
    able = [outcome for outcome in outcomes if outcome.bound.target.table is not None and _reads(outcome) is not None]
    if not able and any(check.table is not None or not _takes_all(outcome) for check in checks for outcome in outcomes):
        raise StoppedError(
            "the pipeline has checks that look into the destination's database, and it delivers to none",
            hint="Deliver to a database, or write `references: {file: ...}` and `unique` without `against`.",
        )
    findings: list[dict[str, Any]] = []
    for outcome in able:
        if not is_published(work, outcome, record):
            with _opened(work, record, outcome) as batch:
                for check in checks:
                    findings += _judged(batch, check)
    if failed := [str(found["message"]) for found in findings if found["severity"] == Severity.FAIL]:
        raise StoppedError("checks stopped the run: " + "; ".join(failed))
    return replace(work.cleaned, findings=[*work.cleaned.findings, *findings])


def _judged(batch: _Batch, check: TargetCheck) -> Iterator[dict[str, Any]]:
    """Marks the rows that the check rejects, or gives its finding."""
    if check.table is None and _takes_all(batch.outcome):
        return
    found = batch.missing(check) if check.table is not None else batch.rivals(check)
    said = _said(check, batch.outcome)
    if check.severity != Severity.REJECT:
        if found.num_rows:
            yield {
                "message": f"{said} ({found.num_rows:,} rows)",
                "severity": str(check.severity),
                "passed": False,
                "value": str(found.num_rows),
                "path": check.path,
            }
        return
    code = NOT_UNIQUE if check.table is None else NOT_FOUND
    columns = ", ".join(check.columns)
    unwanted = batch.outcome.unwanted
    for *place, value in zip(*(found[name].to_pylist() for name in (*IDENTITY, "value")), strict=True):
        problem = Problem(code=code, column=columns, value=value, message=said)
        unwanted[tuple(place)] = (*unwanted.get(tuple(place), ()), problem)


def _said(check: TargetCheck, outcome: Outcome) -> str:
    if check.message:
        return check.message
    names = ", ".join(check.columns)
    return f"{names} is not in {check.table}" if check.table else f"{names} stands in {outcome.bound.label} already"


def _takes_all(outcome: Outcome) -> bool:
    """Whether no row of the target remains, or remains valid, beside the batch's own."""
    return outcome.bound.mode.takes_all or outcome.bound.spec.ends_missing


def _reads(outcome: Outcome) -> ReadsColumns | None:
    found = outcome.bound.destination
    return found if isinstance(found, ReadsColumns) else None


class _Batch:
    """The batch's rows for one destination, in a DuckDB, beside what is streamed from its database."""

    def __init__(self, work: DeliveryWork, outcome: Outcome, connection: Any) -> None:
        self.work = work
        self.outcome = outcome
        self.connection = connection

    def rivals(self, check: TargetCheck) -> pa.Table:
        """The rows whose values stand in the target, in a row that the batch neither writes nor has written."""
        key = self._key()
        same = " and ".join(f"t.c{n} = w.c{n}" for n in range(len(check.columns)))
        keys = " and ".join(f"t.k{n} = w.k{n}" for n in range(len(key)))
        other = f" and not coalesce({keys}, false)" if key else ""
        own = " and ".join(f"t.c{n} = o.{quote(name)}" for n, name in enumerate(check.columns))
        kept = f"anti join own o on {own}"
        if key and self._overwrites():
            kept += " anti join keys w on " + keys
        names = (*check.columns, *key)
        labels = [*(f"c{n}" for n in range(len(check.columns))), *(f"k{n}" for n in range(len(key)))]
        fields = ", ".join(f"{quote(name)} as {label}" for name, label in zip(names, labels, strict=True))
        wanted = self._typed(names, names)
        if validity := self.outcome.bound.spec.validity:
            wanted.append(DeliveryColumn(name=validity.until, type=ColumnType(kind="timestamptz")))
            labels.append("until")
            kept += " where t.until is null"
        return self._found(
            self.outcome.bound.target, wanted, labels,
            f"select distinct w.* from (select t.* from streamed t {kept}) t"
            f" join (select {', '.join(IDENTITY)}, {fields}, {_shown(check)} as value from rows"
            f" where {_asked(check)}) w on {same}{other}",
        )  # fmt: skip

    def missing(self, check: TargetCheck) -> pa.Table:
        """The rows whose values do not stand in the table."""
        bound = self.outcome.bound
        own, wanted = parse_table(bound.target.table), parse_table(check.table)
        name = wanted if wanted.schema else own.beside(wanted.table)
        target = bound.target
        if name != own:
            target = Target(url=target.url, table=name.written(), options=target.options)
        labels = [f"c{n}" for n in range(len(check.columns))]
        there = "select * from streamed"
        if name == own and set(check.names) <= {known for known, _ in self.work.plan.columns}:
            there += f" union all select {', '.join(map(quote, check.names))} from rows"
        same = " and ".join(
            f"t.c{n}::{kind} = w.{quote(column)}::{kind}" for n, (column, kind) in enumerate(self._kinds(check))
        )
        return self._found(
            target, self._typed(check.columns, check.names), labels,
            f"select {', '.join(IDENTITY)}, {_shown(check)} as value from rows w anti join ({there}) t on {same}"
            f" where {_asked(check)}",
        )  # fmt: skip

    def _kinds(self, check: TargetCheck) -> list[tuple[str, str]]:
        types = dict(self.work.plan.columns)
        return [(name, types[name].duckdb) for name in check.columns]

    def _typed(self, columns: Sequence[str], names: Sequence[str]) -> list[DeliveryColumn]:
        """The `names` of a table, typed as our `columns`."""
        types = dict(self.work.plan.columns)
        return [DeliveryColumn(name=name, type=types[own]) for name, own in zip(names, columns, strict=True)]

    def _found(self, target: Target, wanted: Sequence[DeliveryColumn], labels: Sequence[str], query: str) -> pa.Table:
        """The query's rows; `streamed` holds the wanted columns of the target under the `labels`."""
        import duckdb
        import pyarrow as pa

        reader = None if self._is_absent(target, [column.name for column in wanted]) else _reads(self.outcome)
        schema = pa.schema([(label, column.type.arrow()) for label, column in zip(labels, wanted, strict=True)])

        def attempt() -> pa.Table:
            faults: list[LoadlockError] = []
            with closing(_batches(reader, target, wanted, schema, faults)) as batches:
                self.connection.register("streamed", pa.RecordBatchReader.from_batches(schema, batches))
                try:
                    return self.connection.sql(query).to_arrow_table()
                except duckdb.Error as error:
                    # what the database said comes wrapped by DuckDB
                    raise (faults[0] if faults else _failed(error)) from error
                finally:
                    self.connection.unregister("streamed")

        return DEFAULT_RETRY.call(attempt)

    def _is_absent(self, target: Target, names: Sequence[str]) -> bool:
        """Whether this is the delivery's own target and it, or a column that will be added, is not there yet: nothing stands
        in it."""
        bound = self.outcome.bound
        if target.table != bound.target.table:
            return False
        found = bound.destination.inspect(bound.target)
        if found is None:
            return True
        known = {column.name.casefold() for column in found.columns}
        delivered = {name for name, _ in self.work.plan.columns}
        return bound.spec.evolve != "none" and any(n.casefold() not in known and n in delivered for n in names)

    def _key(self) -> tuple[str, ...]:
        bound = self.outcome.bound
        return bound.spec.key if bound.mode.by_key else ()

    def _overwrites(self) -> bool:
        """Whether every row of the target that has one of the batch's keys is written anew."""
        bound = self.outcome.bound
        return bound.mode != WriteMode.INSERT_ONLY and getattr(bound.spec, "update", None) in (None, ("*",))


def _batches(
    reader: ReadsColumns | None,
    target: Target,
    columns: Sequence[DeliveryColumn],
    schema: pa.Schema,
    faults: list[LoadlockError],
) -> Generator[pa.RecordBatch]:
    """A column that is asked for twice is read once. An error goes into `faults` too."""
    if reader is None:
        return
    once = list({column.name: column for column in columns}.values())
    try:
        with closing(reader.values(target, once)) as tables:
            for table in tables:
                chosen = table.select([column.name for column in columns]).rename_columns(schema.names)
                yield from chosen.cast(schema).combine_chunks().to_batches()
    except LoadlockError as error:
        faults.append(error)
        raise


def _failed(error: Exception) -> LoadlockError:
    return StoppedError(
        f"the look-up in the destination failed: {str(error).splitlines()[0]}",
        hint="Look at the types of the columns that the check compares.",
    )


def _asked(check: TargetCheck) -> str:
    """The condition for rows that are judged: null (or empty text) refers to nothing and repeats nothing."""
    present = [f"{quote(name)} is not null" for name in check.columns]
    if check.table is not None:
        present += [f"{quote(name)}::varchar <> ''" for name in check.columns]
    return " and ".join([*present, *([] if check.when is None else [f"coalesce(try({check.when}), false)"])])


def _shown(check: TargetCheck) -> str:
    return "concat_ws(', ', " + ", ".join(f"{quote(name)}::varchar" for name in check.columns) + ")"


@contextmanager
def _opened(work: DeliveryWork, record: RunRecord, outcome: Outcome) -> Iterator[_Batch]:
    """With the views `rows` (what this destination is to get), `keys` (their keys as k0 ...) and `own` (what the batch
    delivered before)."""
    import duckdb

    config: dict[str, Any] = {
        "memory_limit": QUERY_MEMORY,
        "temp_directory": str(work.workspace.temp),
        "preserve_insertion_order": "false",
    }
    with duckdb.connect(config=config) as connection:
        connection.execute("set timezone = 'UTC'").fetchall()
        gone = [table for table in (work.cleaned.losers, work.elsewhere.get(outcome.bound.index)) if table is not None]
        _view(work, connection, "clean", [record.ref for record in work.cleaned.parts if record.ref.rows])
        rows = "select * from clean a"
        for number, table in enumerate(gone):
            connection.register(f"gone_{number}", table.select(list(IDENTITY)))
            rows = f"select * from ({rows}) a anti join gone_{number} b on {_SAME_ROW}"
        where = "" if outcome.bound.spec.filter is None else f" where ({outcome.bound.spec.filter})"
        connection.execute(f"create temp view rows as select * from ({rows}) a{where}").fetchall()
        key = outcome.bound.spec.key
        fields = ", ".join(f"{quote(name)} as k{number}" for number, name in enumerate(key)) or "1 as k0"
        connection.execute(f"create temp view keys as select {fields} from rows").fetchall()
        _bind_own(work, record, outcome, connection)
        yield _Batch(work, outcome, connection)


def _view(work: DeliveryWork, connection: Any, name: str, refs: list[Any]) -> None:
    if refs:
        work.workspace.staging.bind(connection, name, refs)
    else:
        connection.register(name, _no_rows(work))


def _no_rows(work: DeliveryWork) -> pa.Table:
    import pyarrow as pa

    kinds = {FILE: pa.int32(), ROW: pa.int64(), SUB: pa.int32()}
    fields = [*((column, kind.arrow()) for column, kind in work.plan.columns), *kinds.items()]
    return pa.schema(fields).empty_table()


def _bind_own(work: DeliveryWork, record: RunRecord, outcome: Outcome, connection: Any) -> None:
    """The view `own`: the rows of earlier runs of this batch that may lie in the target, in the columns of today. Those that
    the destination did not get are none of them: what stands there in their place is a rival's."""
    ledger = work.workspace.ledger
    connection.register("nobody", _no_rows(work))
    today = _kinds(connection, "nobody")
    views = ["select * from nobody"]
    for run in ledger.runs(batch=record.batch):
        is_here = run.status in DELIVERED and outcome.bound.label in run.destinations
        refs = [part.ref for part in ledger.parts(record.batch, run.run, PartKind.CLEAN) if part.ref.rows]
        if run.run == record.run or not is_here or not refs:
            continue
        name = f"own_{len(views)}"
        work.workspace.staging.bind(connection, name, refs)
        connection.register(f"{name}_kept_back", _kept_back(work, run, outcome))
        spec = _spec_then(work, run, outcome)
        sent = f"select * from {name}" + ("" if spec.filter is None else f" where ({spec.filter})")
        there = f"select a.* from ({sent}) a anti join {name}_kept_back b on {_SAME_ROW}"
        scope = left_scope(run.run, run.destinations.index(outcome.bound.label))
        if left := [part.ref for part in ledger.parts(run.batch, scope, PartKind.DROPPED) if part.ref.rows]:
            work.workspace.staging.bind(connection, f"{name}_left", left)
            same = " and ".join(f"a.{quote(column)} is not distinct from b.{quote(column)}" for column in spec.key)
            there = f"select a.* from ({there}) a anti join {name}_left b on {same}"
        then = _kinds(connection, name)
        fields = ", ".join(
            f"{f'try_cast(a.{quote(column)} as {kind})' if column in then else f'null::{kind}'} as {quote(column)}"
            for column, kind in today.items()
        )
        views.append(f"select {fields} from ({there}) a")
    connection.execute(f"create temp view own as {' union all '.join(views)}").fetchall()


def _spec_then(work: DeliveryWork, run: RunRecord, outcome: Outcome) -> DestinationSpec:
    """How an earlier run delivered to the destination."""
    whole = work.workspace.ledger.run(run.run) or run
    return from_json(Pipeline, whole.state["pipeline"]).destinations[run.destinations.index(outcome.bound.label)]


def _kinds(connection: Any, name: str) -> dict[str, str]:
    return {column: kind for column, kind, *_ in connection.execute(f"describe {name}").fetchall()}


def _kept_back(work: DeliveryWork, run: RunRecord, outcome: Outcome) -> pa.Table:
    """The identity of the clean rows of an earlier run that lost, or that the destination refused."""
    import pyarrow as pa

    ledger, refused = work.workspace.ledger, f"{run.run}-d{run.destinations.index(outcome.bound.label)}"
    parts = [
        *ledger.parts(run.batch, batch_scope(run.run), PartKind.DROPPED),
        *ledger.parts(run.batch, refused, PartKind.REJECTS),
    ]
    tables = [work.workspace.staging.read(part.ref, columns=list(IDENTITY)) for part in parts]
    return pa.concat_tables([_no_rows(work).select(list(IDENTITY)), *tables])
