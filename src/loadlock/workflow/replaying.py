"""A replay: a run that takes rejects of a batch, with their corrections, through the current rules and adds them to what the
batch delivered. It can be killed and resumed like any run; its document tells how the whole batch stands after it."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from loadlock.cleanup.amending import Amendment
from loadlock.cleanup.batch import BatchVerdict, digest_of_losers
from loadlock.cleanup.plan import Plan
from loadlock.digest import MODULUS, to_hex
from loadlock.errors import BalanceError, StoppedError
from loadlock.faults import point
from loadlock.ledger.base import PartRecord, RunRecord
from loadlock.model import Balance, PartKey, PartKind, RejectState, RunStatus, Stage, WriteMode
from loadlock.rows import FILE, IDENTITY
from loadlock.workflow import cleaning
from loadlock.workflow.amended import standing_counts
from loadlock.workflow.delivering import Deliveries, Outcome
from loadlock.workflow.destinations import BoundDestination
from loadlock.workflow.document import reject_summary
from loadlock.workflow.overtaken import overtaken
from loadlock.workflow.quarantine import REPLAY, Quarantine, is_replay, sent_rows
from loadlock.workflow.replay_rows import FORCED, MENDED, OPEN, counted, elsewhere, to_send, touched
from loadlock.workflow.rivals import judge_replay
from loadlock.workflow.run import Runner
from loadlock.workflow.standing import Sent, balance_of, joined, standing_document

if TYPE_CHECKING:
    import pyarrow as pa

_ADDING = {
    WriteMode.REPLACE: WriteMode.APPEND,
    WriteMode.DELETE_INSERT: WriteMode.APPEND,
    WriteMode.MIRROR: WriteMode.UPSERT,
}
"""How rows are added to a batch that was delivered in these modes."""


def adding(bound: BoundDestination) -> BoundDestination:
    """The destination as a replay delivers to it: it merges into what is there and never empties anything."""
    mode, validity = _ADDING.get(bound.mode, bound.mode), bound.spec.validity
    if mode == bound.mode and not bound.spec.ends_missing:
        return bound
    validity = None if validity is None else replace(validity, close_missing=False)
    spec = replace(bound.spec, mode=mode, validity=validity)
    return replace(bound, mode=mode, spec=spec, children=tuple(map(adding, bound.children)))


def bound_for(record: RunRecord, bound: list[BoundDestination]) -> list[BoundDestination]:
    """The destinations as this run delivers to them."""
    return [adding(destination) for destination in bound] if is_replay(record) else bound


class Replayer(Runner):
    """See the module."""

    @cached_property
    def base(self) -> RunRecord:
        """The run that this one adds to."""
        found = self.ledger.run(self.task.record.state[REPLAY]["base"])
        assert found is not None
        return found

    @cached_property
    def quarantine(self) -> Quarantine:
        """As it stood before this run."""
        return Quarantine(self.task.workspace, self.task.batch, self.base)

    # --- the stages

    def _take_in(self) -> None:
        task = self.task
        self.reports = self.quarantine.reports
        self.raw = self.ledger.parts(task.batch.batch, f"g{self.quarantine.generation}", PartKind.RAW)
        self.sent = self._select()
        self.parts, self.amendments = touched(self.quarantine, self.raw, self.sent)
        self.balance = Balance(received=self.sent.num_rows, staged=self.sent.num_rows)
        self._become(RunStatus.STAGED)
        point("staged.recorded")

    def _select(self) -> pa.Table:
        """The rows to be sent, written down once."""
        task, way = self.task, self.task.record.state[REPLAY]
        if self.ledger.parts(task.batch.batch, self.run, PartKind.SENT):
            return sent_rows(task.workspace, task.record)
        states = {RejectState(state) for state in way["states"]}
        rows = to_send(self.quarantine, states)
        key = PartKey(batch=task.batch.batch, scope=self.run, kind=PartKind.SENT, seq=1)
        self.ledger.add_parts([PartRecord(ref=task.workspace.staging.write(key, rows))])
        point("replay.sent_listed")
        return rows

    def _plan(self) -> Plan:
        # what is decided by whole columns is decided by the whole batch
        plan = super()._plan()
        self._check_columns(plan)
        self.raw = self.parts
        return plan

    def _check_columns(self, plan: Plan) -> None:
        parts = [p for layer in self.quarantine.layers for p in self._clean_parts(layer.run)]
        for record in parts[:1]:
            schema = self.task.workspace.staging.read(record.ref).schema
            now = {name: kind.arrow() for name, kind in plan.columns}
            then = {entry.name: entry.type for entry in schema if entry.name not in IDENTITY}
            if changed := sorted(name for name in {*now, *then} if now.get(name) != then.get(name)):
                raise StoppedError(
                    f"the pipeline's columns are others than those delivered: {', '.join(changed)}",
                    hint="A replay adds rows to what was delivered; `loadlock rerun` takes the whole batch through new columns.",
                )

    def _clean_parts(self, run: RunRecord) -> list[PartRecord]:
        found = self.ledger.parts(run.batch, run.run, PartKind.CLEAN)
        return [record for record in found if record.ref.rows]

    def _amendments(self) -> dict[int, Amendment]:
        return self.amendments

    def _judge(self, work: cleaning.CleanWork, parts: list[PartRecord]) -> BatchVerdict | None:
        return judge_replay(self.quarantine, work, parts, self.sent)

    def _counted(self) -> list[PartRecord]:
        return counted(self.parts, self.amendments)

    def _compared(self, cleaned: cleaning.Cleaned, plan: Plan) -> cleaning.Cleaned:
        # rows are compared with another batch's when the batch is taken in
        return cleaned

    def _over_budget(self, more: int) -> str | None:
        # rejects only become fewer
        return None

    def _refusable(self) -> int | None:
        return None

    def _supersede(self) -> None:
        return

    # --- delivery

    def _loads_early(self, plan: Plan) -> bool:
        """Which rows must not be delivered is known only when all are clean."""
        return False

    def _elsewhere(self) -> dict[int, pa.Table]:
        return elsewhere(self.sent, [bound.index for bound in self.task.bound])

    def _mark(self, deliveries: Deliveries) -> None:
        if not self.task.settings.force:
            for outcome in deliveries.outcomes:
                self._check_not_replaced(outcome)
        super()._mark(deliveries)

    def _check_not_replaced(self, outcome: Outcome) -> None:
        """Rows without keys can't join the rows of a batch that took this one's place."""
        first = self.quarantine.layers[0].run
        with closing(overtaken(self.task.workspace, first, outcome.bound.label, by_others=True)) as later:
            if later.replaced_by is not None:
                raise StoppedError(
                    f"run {later.replaced_by} replaced the rows of {outcome.bound.label} since this batch was delivered",
                    hint="The rejects would join another batch's rows: --force sends them all the same.",
                )

    # --- the end

    def _save_rejects(self) -> None:
        if not self._published():
            super()._save_rejects()
            return
        counts = standing_counts(Quarantine(self.task.workspace, self.task.batch, self.task.record))
        self.ledger.save_reject_counts(self.run, counts)
        self.reject_counts = counts

    def _told(self, document: dict[str, Any]) -> dict[str, Any]:
        document[REPLAY] = {
            "base": self.base.run,
            "sent": getattr(self, "sent", sent_rows(self.task.workspace, self.task.record)).num_rows,
            "balance": self.balance.to_json(),
        }
        before = standing_document(self.ledger, self.base)
        document |= {name: before[name] for name in ("discards",) if name in before}
        if not self._published():
            return document | {name: before[name] for name in ("balance", "files") if name in before}
        return document | self._joined(document, before) | {"rejects": reject_summary(self.reject_counts)}

    def _joined(self, document: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
        """The counts of the whole batch."""
        assert self.deliveries is not None
        sent = self._sent()
        balances = []
        for index, outcome in enumerate(self.deliveries.outcomes):
            own = self._own(outcome)
            base = balance_of(before["destinations"][index]["balance"])
            balances.append(joined(base, own, sent.of(index)))
        if faults := [fault for balance in balances for fault in balance.faults()]:
            raise BalanceError("the balance of the batch does not close after the replay: " + "; ".join(faults))
        destinations = [
            {**entry, "balance": balance.to_json()}
            for entry, balance in zip(document["destinations"], balances, strict=True)
        ]
        return {
            "balance": balances[0].to_json(),
            "files": self._files(before, document, sent),
            "destinations": destinations,
            "digest": self._digest(before),
        }

    def _own(self, outcome: Outcome) -> Balance:
        """The balance of the rows that were sent for this destination."""
        assert self.cleaned is not None
        found = outcome.balance(self.balance.with_(
            clean=self.cleaned.clean, skipped=self.cleaned.skipped, rejected_delivery=0,
        ))  # fmt: skip
        others = self._elsewhere().get(outcome.bound.index)
        return found if others is None else _without(found, self._fates(others))

    def _fates(self, rows: pa.Table) -> dict[str, int]:
        """What became of rows that were sent for other destinations alone."""
        assert self.cleaned is not None
        found = {"rejected_cleanup": 0, "superseded": 0}
        for scope in (self.run, cleaning.batch_scope(self.run)):
            for record in self.ledger.parts(self.task.batch.batch, scope, PartKind.REJECTS):
                table = self.task.workspace.staging.read(record.ref, columns=list(IDENTITY))
                found["rejected_cleanup"] += table.num_rows - cleaning.without(table, rows).num_rows
        if self.cleaned.losers is not None:
            import pyarrow.compute as pc

            lost = self.cleaned.losers.filter(pc.equal(self.cleaned.losers["reason"], "superseded"))
            found["superseded"] = lost.num_rows - cleaning.without(lost, rows).num_rows
        return {**found, "skipped": rows.num_rows - sum(found.values())}

    def _sent(self) -> Sent:
        names = ("stage", FILE, "to")
        return Sent(counts=Counter(zip(*(self.sent[name].to_pylist() for name in names), strict=True)))

    def _files(self, before: dict[str, Any], document: dict[str, Any], sent: Sent) -> list[dict[str, Any]]:
        """The files' balances, of the first destination."""
        added = dict(enumerate(document["files"]))
        found = []
        for index, entry in enumerate(before["files"]):
            own = balance_of(added[index]["balance"]) if index in added else Balance()
            counts = sent.of(0, file=index)
            found.append({**entry, "balance": joined(balance_of(entry["balance"]), own, counts).to_json()})
        return found

    def _digest(self, before: dict[str, Any]) -> str:
        """Of all clean rows of the batch: rows that had been clean and were sent again count as they are now."""
        assert self.cleaned is not None
        delivered = self.sent.filter(_equal(self.sent, str(Stage.DELIVERY)))
        digest = int(before["digest"] or "0", 16) + self.cleaned.digest
        if delivered.num_rows:
            for layer in self.quarantine.layers:
                for record in self._clean_parts(layer.run):
                    digest -= digest_of_losers(self.task.workspace.staging.read(record.ref), delivered, self.work.plan)
        return to_hex(digest % MODULUS)


def _equal(sent: pa.Table, stage: str) -> pa.Array:
    import pyarrow.compute as pc

    return pc.equal(sent["stage"], stage)


def _without(balance: Balance, fates: dict[str, int]) -> Balance:
    """The balance without rows that were sent for other destinations."""
    return balance.with_(
        rejected_cleanup=balance.rejected_cleanup - fates["rejected_cleanup"],
        superseded=balance.superseded - fates["superseded"],
        skipped=balance.skipped - fates["skipped"],
    )


def states_to_send(*, everything: bool, force: bool) -> list[str]:
    """Which rejects a replay sends."""
    chosen = (
        FORCED if everything and force else OPEN if everything else MENDED | ({RejectState.STALE} if force else set())
    )
    return sorted(str(state) for state in chosen)
