"""What operators decided on the rows of a batch, for a run that takes the whole batch in again: their corrections hold, rows
they accepted pass, rows they discarded stay out and are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from loadlock.cleanup.amending import DISCARDED, Amendment
from loadlock.errors import BalanceError
from loadlock.ledger.base import Ledger, PartRecord, RunRecord
from loadlock.model import FileReport, PartKey, PartKind, Problem, RejectState, Stage
from loadlock.quarantine.edits import EVERYWHERE, RAW_COLUMN, SCOPE, edited
from loadlock.quarantine.read import count_rejects
from loadlock.rows import FILE, IDENTITY, ROW, SUB
from loadlock.workflow.quarantine import EDITS, Quarantine, acts_of, known_acts, sent_schema
from loadlock.workflow.replay_rows import counted, mended_rows, touched, within
from loadlock.workflow.run_task import RunTask
from loadlock.workflow.standing import Discards, balance_of, recounted

if TYPE_CHECKING:
    import pyarrow as pa

    from loadlock.workflow.delivering import Outcome


def knowing(ledger: Ledger, record: RunRecord) -> RunRecord:
    """The record of a run that begins now, the batch locked: with the newest act on the batch, if there is any."""
    newest = max((act.seq for act in acts_of(ledger, record.batch)), default=0)
    return replace(record, state={**record.state, EDITS: newest}) if newest else record


@dataclass(frozen=True, kw_only=True)
class Amended:
    """The standing acts on a batch, as a run takes them in."""

    quarantine: Quarantine | None = None
    """As this run sees it; None: nothing was done."""
    amendments: Mapping[int, Amendment] = field(default_factory=dict)
    """By the number of the raw part."""
    parts: Sequence[PartRecord] = ()
    """Raw parts made of corrected raw text."""
    sent: pa.Table | None = None
    """The malformed rows that take part: they lie in `parts`."""
    discarded: int = 0
    """Rows that are kept out everywhere."""
    unwanted: Mapping[int, pa.Table] = field(default_factory=dict)
    """By the destination's index: discarded rows that go to other destinations."""

    def __bool__(self) -> bool:
        return self.quarantine is not None

    def files(self, reports: Mapping[int, FileReport]) -> dict[int, FileReport]:
        """The files' reports, malformed rows that take part counted as staged."""
        rows = Counter([] if self.sent is None else self.sent[FILE].to_pylist())
        return {
            index: replace(report, staged=report.staged + rows[index], rejected=report.rejected - rows[index])
            for index, report in reports.items()
        }

    def counted(self, raw: Sequence[PartRecord]) -> list[PartRecord]:
        """The raw parts, those of corrected raw text with the number of rows that take part."""
        own = {record.ref.key.seq: record for record in counted(self.parts, self.amendments)}
        return [own.get(record.ref.key.seq, record) for record in raw]

    def keep_out(self, outcomes: Sequence[Outcome]) -> None:
        """Keep discarded rows from the single destinations that they were discarded for."""
        problem = Problem(code=DISCARDED, message="an operator discarded the row for this destination")
        for outcome in outcomes:
            if (rows := self.unwanted.get(outcome.bound.index)) is not None:
                places = zip(*(rows[name].to_pylist() for name in IDENTITY), strict=True)
                outcome.unwanted.update(dict.fromkeys(places, (problem,)))

    def told(self, document: dict[str, Any], *, published: bool) -> dict[str, Any]:
        """The run's document with the discarded rows counted as such; without these where nothing was published."""
        if self.quarantine is None:
            return document
        if not published:
            return document | {"discards": []}
        found = recounted(document, {}, _discards(self.quarantine))
        balances = [found["balance"], *(entry["balance"] for entry in found["destinations"])]
        if faults := [fault for balance in balances for fault in balance_of(balance).faults()]:
            raise BalanceError("the balance does not close over what operators discarded: " + "; ".join(faults))
        return {"discards": [], **found}


def take_up(task: RunTask, raw: Sequence[PartRecord]) -> Amended:
    """What a run that takes the whole batch in has to do with the acts that it knows; writes down which malformed rows it
    takes up."""
    edits, batch, run = known_acts(task.record), task.batch.batch, task.record.run
    if not edits:
        return Amended()
    quarantine = Quarantine(task.workspace, task.batch, task.record, upto=edits)
    found = amended(quarantine, raw, [bound.index for bound in task.bound])
    if found.sent is not None and found.sent.num_rows and not task.workspace.ledger.parts(batch, run, PartKind.SENT):
        key = PartKey(batch=batch, scope=run, kind=PartKind.SENT, seq=1)
        task.workspace.ledger.add_parts([PartRecord(ref=task.workspace.staging.write(key, found.sent))])
    return found


def amended(quarantine: Quarantine, raw: Sequence[PartRecord], destinations: Sequence[int]) -> Amended:
    """The standing acts of a batch with these raw parts and destinations (indexes)."""
    import pyarrow.compute as pc

    if not quarantine.acts:
        return Amended()
    gone, unwanted = _discarded(quarantine, destinations)
    sent = _taken_up(quarantine, gone)
    parts, amendments = touched(quarantine, [], sent)
    cells, waived = quarantine.cells(), quarantine.waived()
    cells = cells.filter(pc.not_equal(cells["column"], RAW_COLUMN))
    for record in raw:
        own, passed, out = (within(lines, record) for lines in (cells, waived, gone))
        if own.num_rows or passed.num_rows or out.num_rows:
            amendments[record.ref.key.seq] = Amendment(
                cells=own.select([ROW, SUB, "column", "new"]),
                waived=passed.select([ROW, SUB, "column"]).rename_columns([ROW, SUB, "code"]),
                discarded=out.select([ROW, SUB]),
            )
    return Amended(
        quarantine=quarantine, amendments=amendments, parts=parts, sent=sent, discarded=gone.num_rows, unwanted=unwanted
    )


def _discarded(quarantine: Quarantine, destinations: Sequence[int]) -> tuple[pa.Table, dict[int, pa.Table]]:
    """Identity of the rows discarded everywhere, and by destination of those discarded for that one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lines = quarantine.discarded()
    bits = sum(1 << index for index in destinations)
    here = pc.bit_wise_and(lines["to"], pa.scalar(bits, pa.int64()))
    everywhere = pc.equal(here, bits)
    rows = lines.filter(everywhere).select(list(IDENTITY))
    some = lines.filter(pc.invert(everywhere))
    masks = some["to"].combine_chunks()
    unwanted = {}
    for index in destinations:
        own = some.filter(pc.not_equal(pc.bit_wise_and(masks, pa.scalar(1 << index, pa.int64())), 0))
        if own.num_rows:
            unwanted[index] = own.select(list(IDENTITY))
    return rows.group_by(list(IDENTITY)).aggregate([]), unwanted


def _taken_up(quarantine: Quarantine, gone: pa.Table) -> pa.Table:
    """The malformed rows that were corrected and are not discarded (`sent_schema`)."""
    import numpy as np
    import pyarrow as pa

    rows = mended_rows(quarantine)
    kept = np.ones(rows.num_rows, bool)
    kept[edited(rows, gone)["at"].to_numpy()] = False
    rows = rows.filter(pa.array(kept))
    count = rows.num_rows
    facts = {
        "to": pa.array(np.full(count, EVERYWHERE, np.int64)),
        "stage": pa.array([str(Stage.INTAKE)] * count, pa.string()),
        "record": pa.array(np.ones(count, bool)),
    }
    columns = [rows[name] if name in IDENTITY else facts[name] for name in sent_schema().names]
    return pa.table(columns, names=sent_schema().names).cast(sent_schema())


def _discards(quarantine: Quarantine) -> Discards:
    """The rejects of the batch that are discarded, by act."""
    import pyarrow.compute as pc

    lines = quarantine.discarded()
    found: dict[int, Counter[tuple[str, int, int]]] = {}
    for table in quarantine.tables(["stage"]):
        table = table.filter(pc.equal(table["state"], str(RejectState.DISCARDED))).combine_chunks()
        matched = edited(table, lines)
        newest = matched.group_by("at").aggregate([("act", "max")])
        at = newest["at"]
        facts = zip(newest["act_max"], table["stage"].take(at), table[FILE].take(at), table["to"].take(at), strict=True)
        for act, *key in ((entry.as_py() for entry in fact) for fact in facts):
            stage, file, to = key
            found.setdefault(act, Counter())[(stage, file, to)] += 1
    return found


def standing_counts(quarantine: Quarantine) -> dict[tuple[str, str, str], int]:
    """The rejects that are still in the quarantine, by stage, code and column."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for table in quarantine.tables(["stage"]):
        counts.update(count_rejects(_standing(table)))
    return dict(counts)


def _standing(table: pa.Table) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    gone = pa.array([str(RejectState.RESOLVED), str(RejectState.DISCARDED)])
    return table.filter(pc.invert(pc.is_in(table["state"], gone)))


def mended_parts(ledger: Ledger, batch: str, clean: Sequence[PartRecord]) -> list[PartRecord]:
    """The parts made of corrected raw text that these clean parts came from."""
    known = {record.ref.key.seq for record in clean}
    return [record for record in ledger.parts(batch, SCOPE, PartKind.RAW) if record.ref.key.seq in known]
