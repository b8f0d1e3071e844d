"""Taking a delivery back: appended rows are emptied, everything else is pasted back from the hidden tab that kept it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from loadlock.delivery.base import Job, Undone, UndoneError, Written
from loadlock.delivery.destinations import _sheets_publish as publishing
from loadlock.delivery.destinations._sheets_aim import Aim
from loadlock.delivery.destinations._sheets_back import BatchKeys, Reader, placed_rows
from loadlock.delivery.destinations._sheets_known import exchanged, known_tabs
from loadlock.delivery.destinations._sheets_lock import Lease
from loadlock.delivery.destinations._sheets_merge import Stretch, row_stretches, stretches
from loadlock.delivery.destinations._sheets_publish import paste
from loadlock.delivery.destinations._sheets_rows import last_row, runs
from loadlock.delivery.destinations._sheets_state import Names, State, Tab, create, delete, read_state, set_rows
from loadlock.delivery.destinations._sheets_survey import read_stage, survey
from loadlock.delivery.destinations._sheets_turn import ADDING
from loadlock.errors import RefusedError, UnavailableError
from loadlock.model import WriteMode
from loadlock.sheets.wire import Json, Wire

if TYPE_CHECKING:
    import pyarrow as pa


NOT_KEPT = "what is needed to take it back was not kept, or newer batches pushed it out"


@dataclass(frozen=True, kw_only=True)
class Case:
    """The delivery to be taken back."""

    wire: Wire
    aim: Aim
    names: Names
    job: Job
    label: str
    escaped: bool


@dataclass(kw_only=True)
class Undo:
    """One rollback, under the tab's lock."""

    case: Case
    record: Json
    before: Tab | None
    """The hidden tab that kept the state before."""
    lease: Lease
    state: State
    keys: BatchKeys | None = field(default=None)

    def written(self, sent: Callable[[], Iterable[pa.Table]]) -> Written:
        """The rows that the delivery wrote, as they are now. Of a replaced sheet all rows: what people added since would go."""
        case = self.case
        reader = Reader(wire=case.wire, aim=case.aim, record=self.record, escaped=case.escaped)
        sent_rows = int(self.record["rows_sent"])
        whole = case.job.mode.takes_all or case.job.mode == WriteMode.DELETE_INSERT
        if case.job.mode in ADDING:
            rows = self._not_undone(reader.placed(case.job.columns))
            all_sent = case.job.mode == WriteMode.APPEND
            return Written(expected=placed_rows(self.record), rows=rows, all_sent=all_sent)
        if self.record["base"] is None:
            self.keys = BatchKeys.of(sent(), case.aim.columns, case.job.key)
        if survey(case.wire, case.aim, (), escaped=case.escaped).total == self.record["total"]:
            return Written(expected=sent_rows, rows=iter(()), all_sent=True, untouched=True)
        if self.keys is not None:
            rows = reader.by_key(case.job.columns, self.keys)
        else:
            rows = reader.placed(case.job.columns, last_row(case.wire, case.aim.tab, case.aim.places, 0))
        return Written(
            expected=sent_rows, rows=self._not_undone(rows), all_sent=True, untouched=False if whole else None
        )

    def _not_undone(self, rows: Iterator[pa.Table]) -> Iterator[pa.Table]:
        """The rows, unless a request of ours that got no answer has taken them back meanwhile."""
        yield from rows
        _check_not_undone(self.case, read_state(self.case.wire))

    def carry_out(self) -> Undone:
        """All in one request; read back afterwards."""
        requests, undone = self._requests()
        try:
            self.case.wire.batch(requests)
            self.lease.text = None
        except (UnavailableError, RefusedError):
            # done by an earlier request of ours that came late, the lock that is held now is still there: see `release`
            if self.case.names.undone not in read_state(self.case.wire).metadata:
                raise
        return undone

    def _requests(self) -> tuple[list[Json], Undone]:
        case, names = self.case, self.case.names
        counts = {name: int(self.record[name]) for name in ("inserted", "updated", "deleted")}
        end = max(case.aim.tab.rows, 1 + (self.before.rows if self.before else 0))
        found = [set_rows(case.aim.tab.sheet_id, end)] if end > case.aim.tab.rows else []
        filtered = case.aim.tab.raw.get("basicFilter")
        if filtered:
            found.append({"clearBasicFilter": {"sheetId": case.aim.tab.sheet_id}})
        found += self._changes(replace(case.aim.tab, rows=end))
        if filtered:
            found.append({"setBasicFilter": {"filter": filtered}})
        if self.before is not None:
            found.append({"deleteSheet": {"sheetId": self.before.sheet_id}})
        found += exchanged(known_tabs(self.state, names), names, None)
        found += [delete(names.marker), *self.lease.release_requests()]
        found.append(create(names.undone, {"undone": case.job.delivery_id}, case.aim.tab.sheet_id))
        undone = Undone(deleted=counts["inserted"], restored=counts["updated"], brought_back=counts["deleted"])
        return found, undone

    def _changes(self, live: Tab) -> Iterator[Json]:
        case, record = self.case, self.record
        if case.job.mode in ADDING:
            base = int(record["base"])
            yield from publishing.clear(live, case.aim.places, base, base + placed_rows(record))
        elif self.keys is not None and case.job.mode == WriteMode.UPSERT:
            yield from self._by_key(live, self.keys)
        else:
            yield from publishing.clear(live, case.aim.places, 1, live.rows)
            if self.before is not None:
                yield from self._pasted(live, [Stretch(source=0, row=1, count=self.before.rows)])

    def _by_key(self, live: Tab, keys: BatchKeys) -> Iterator[Json]:
        """Rows of the batch alone: as before where they were there, else emptied. What people changed elsewhere stays."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        case = self.case
        now = survey(case.wire, case.aim, keys.key, escaped=case.escaped).rows
        mine = pc.is_in(now.keys, value_set=keys.texts, skip_nulls=True).to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(mine)
        old = pa.array([], pa.large_string()) if self.before is None else self._before_keys(keys.key)
        at = pc.fill_null(pc.index_in(now.keys.take(pa.array(rows)), value_set=old), -1).to_numpy(zero_copy_only=False)
        for row, end in row_stretches(rows[at < 0] + 1):
            yield from publishing.clear(live, case.aim.places, row, end)
        yield from self._pasted(live, stretches(at[at >= 0], rows[at >= 0] + 1))

    def _before_keys(self, key: tuple[str, ...]) -> pa.Array:
        assert self.before is not None
        case, rows = self.case, (0, self.before.rows)
        return read_stage(case.wire, self.before, rows, case.aim.columns, key, escaped=case.escaped).keys

    def _pasted(self, live: Tab, found: Iterable[Stretch]) -> Iterator[Json]:
        assert self.before is not None or not list(found)
        for stretch in found:
            for first, column, count in runs(self.case.aim.places):
                assert self.before is not None
                yield paste(
                    self.before.range(stretch.source, stretch.source + stretch.count, first, first + count),
                    live.range(stretch.row, stretch.row + stretch.count, column, column + count),
                    normal=True,
                )

    def release(self) -> None:
        """Give the lock back."""
        if requests := self.lease.release_requests():
            self.case.wire.batch(requests)
            self.lease.text = None


def _check_not_undone(case: Case, state: State) -> None:
    if case.names.undone in state.metadata:
        raise UndoneError(f"{case.label}: run {case.job.run} was taken back before")


def begin(case: Case, state: State) -> Undo:
    """Lock the tab and look whether the delivery can be taken back; reads only but for the lock."""
    _check_not_undone(case, state)
    record = state.metadata.get(case.names.marker)
    if record is None:
        raise RefusedError(
            f"{case.label} has no mark of run {case.job.run} any more",
            hint="Marks of the last deliveries are kept; use the sheet's version history.",
        )
    before = _kept(case, state, record)
    lease = Lease(
        wire=case.wire,
        lock=case.names.lock,
        run=case.job.run,
        label=case.label,
        wait_seconds=case.job.wait_seconds,
        not_yet=case.names.undone,
    )
    state = lease.take(state, lambda _: [])
    return Undo(case=case, record=record, before=before, lease=lease, state=state)


def _kept(case: Case, state: State, record: Json) -> Tab | None:
    """The tab that kept the state before; None where nothing had to be kept. Raises where it is not there."""
    later = [value for _, value in state.markers(case.aim.tab.sheet_id) if value["seq"] > record["seq"]]
    tab, rows = state.by_id(case.names.before), int((record.get("before") or {"rows": 0})["rows"])
    pushed_out = bool(later) and len(later) >= int(later[-1].get("undo", 0))
    if record.get("before") is None or pushed_out or (rows and tab is None):
        raise RefusedError(
            f"{case.label}: run {case.job.run}: {NOT_KEPT}",
            hint="Set `undo: N` to keep what the last N batches need; the sheet's version history is in the menu File.",
        )
    if later:
        raise RefusedError(
            f"{case.label}: run {later[0]['run']} delivered after run {case.job.run}",
            hint="Roll back the later batches first, newest first.",
        )
    return tab if rows else None
