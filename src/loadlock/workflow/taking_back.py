"""A rerun takes back what its batch delivered and delivers no longer: rows that the rules of today reject or leave out.

They go in the transaction that publishes the rerun. Only rows go that the batch itself inserted, and that are still as it
left them: of a row that it updated, the values before are not this run's to give back (`rollback` does that).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from loadlock.errors import LoadlockError
from loadlock.ledger.base import RunRecord
from loadlock.ledger.states import DELIVERED
from loadlock.model import WriteMode
from loadlock.pipeline.codec import from_json
from loadlock.pipeline.model import Pipeline
from loadlock.workflow.coming_again import all_come_again
from loadlock.workflow.delivering import Deliveries, DeliveryWork, Outcome
from loadlock.workflow.earlier import earlier_work
from loadlock.workflow.keys import Keys
from loadlock.workflow.overtaken import overtaken
from loadlock.workflow.quarantine import is_replay
from loadlock.workflow.stale import RERUN_OF, changed_since, is_published

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN = 5


def take_back(work: DeliveryWork, record: RunRecord, outcomes: Sequence[Outcome]) -> None:
    """Add to each outcome's `retired` the rows that go, and say which stay."""
    if RERUN_OF not in record.state or is_replay(record):
        return
    for outcome in outcomes:
        bound = outcome.bound
        able = bound.destination.capabilities.retires and not bound.children
        if bound.mode == WriteMode.UPSERT and able and not is_published(work, outcome, record):
            _take_back(work, record, outcome)


def _take_back(work: DeliveryWork, record: RunRecord, outcome: Outcome) -> None:
    import pyarrow as pa

    key = outcome.bound.spec.key
    runs = _delivered_runs(work, record)
    if all_come_again(work, outcome, runs):
        return
    with Keys() as kept:
        for table in _to_deliver(work, outcome):
            kept.add(key, table)
        lost = [kept.without(table) for run in runs for table in _rows(work, outcome, run)]
    lost = [table.select(list(key)) for table in lost if table.num_rows]
    if not lost:
        return
    gone = pa.concat_tables(lost).group_by(list(key)).aggregate([]).select(list(key))
    mine = _untouched(work, outcome, runs, _inserted(work, outcome, runs, gone))
    if mine.num_rows:
        earlier = [] if outcome.retired is None else [outcome.retired]
        outcome.retired = pa.concat_tables([*earlier, mine]).group_by(list(key)).aggregate([]).select(list(key))
        outcome.notes.append(f"{mine.num_rows:,} rows that the batch delivers no longer were taken back")
    if left := gone.num_rows - mine.num_rows:
        with Keys() as taken:
            taken.add(key, mine)
            some = taken.without(gone).slice(0, _SHOWN).to_pylist()
        shown = ", ".join("/".join(map(str, row.values())) for row in some)
        outcome.notes.append(
            f"{left:,} rows that the batch delivers no longer stay, since it had updated them or others have changed them"
            f" (key {shown}{' ...' if left > len(some) else ''})"
        )


def _to_deliver(work: DeliveryWork, outcome: Outcome) -> Iterator[pa.Table]:
    with Deliveries(work, [outcome.bound], lambda rows: None) as deliveries:
        yield from deliveries.delivered(deliveries.outcomes[0])


def _delivered_runs(work: DeliveryWork, record: RunRecord) -> list[RunRecord]:
    """The earlier runs of the batch whose rows lie in the destination, newest first."""
    ledger = work.workspace.ledger
    runs = [run for run in ledger.runs(batch=record.batch) if run.run != record.run and run.status in DELIVERED]
    return [ledger.run(run.run) or run for run in runs if run.destinations == record.destinations]


def _rows(work: DeliveryWork, outcome: Outcome, run: RunRecord) -> Iterator[pa.Table]:
    """What a run delivered here; nothing where that is no longer at rest, or its keys are of other columns or types."""
    batch = work.workspace.ledger.batch(run.batch)
    assert batch is not None
    try:
        earlier = earlier_work(work.workspace, work.engine, batch, run, from_json(Pipeline, run.state["pipeline"]))
    except LoadlockError:
        return
    with Deliveries(earlier, [outcome.bound], lambda rows: None) as deliveries:
        for table in deliveries.delivered(deliveries.outcomes[0]):
            kinds = {entry.name: entry.type for entry in table.schema}
            if all(kinds.get(name) == kind for name, kind in _key_types(work, outcome).items()):
                yield table


def _key_types(work: DeliveryWork, outcome: Outcome) -> dict[str, pa.DataType]:
    types = dict(work.plan.columns)
    return {name: types[name].arrow() for name in outcome.bound.spec.key}


def _inserted(work: DeliveryWork, outcome: Outcome, runs: Sequence[RunRecord], gone: pa.Table) -> pa.Table:
    """Those of the keys that a run brought which did nothing but insert."""
    key = outcome.bound.spec.key
    with Keys() as found:
        for run in runs:
            entries = (run.document or {}).get("destinations") or [{}]
            own = entries[outcome.bound.index] if outcome.bound.index < len(entries) else {}
            counts = own.get("balance") or {}
            if not counts.get("updated", 1) and not counts.get("unchanged", 1):
                for table in _rows(work, outcome, run):
                    found.add(key, table)
        if not found:
            return gone.slice(0, 0)
        strangers = found.without(gone)
    with Keys() as others:
        others.add(key, strangers)
        return others.without(gone)


def _untouched(work: DeliveryWork, outcome: Outcome, runs: Sequence[RunRecord], rows: pa.Table) -> pa.Table:
    """Those of the keys whose rows nobody else has written since."""
    import pyarrow as pa

    if not rows.num_rows:
        return rows
    with closing(overtaken(work.workspace, runs[-1], outcome.bound.label, by_others=True)) as later:
        rows = later.keep(rows)
    key, sound = outcome.bound.spec.key, [rows.slice(0, 0)]
    for run in runs:
        with Keys() as own:
            for table in _rows(work, outcome, run):
                own.add(key, table)
            older = own.without(rows)
        with Keys() as known:
            known.add(key, older)
            newest = known.without(rows)
        rows = older
        changed = changed_since(work.workspace, work.engine, outcome.bound, run) if newest.num_rows else None
        if changed is not None:
            with Keys() as others:
                others.add(key, changed)
                sound.append(others.without(newest))
    return pa.concat_tables(sound)
