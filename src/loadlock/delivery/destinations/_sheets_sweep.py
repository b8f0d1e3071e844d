"""Hidden tabs that nobody needs any more: states kept for rollbacks, staging tabs of runs that are over."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from loadlock.delivery.base import Job
from loadlock.delivery.destinations._sheets_lock import Lease
from loadlock.delivery.destinations._sheets_state import Names, State, Tab, number, pushed_out, read_state
from loadlock.sheets.wire import Json, Wire


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What `gc` asks of a sheet."""

    wire: Wire
    sheet: str
    job: Job
    label: str
    keep: int
    """Deliveries whose state before stays."""
    ended: Collection[str]
    """Ids of deliveries that will not go on."""

    def carry_out(self, *, dry_run: bool) -> list[str]:
        """The titles of what went, or would go; under the tab's lock, in one request. A sheet that is not there has nothing."""
        state = read_state(self.wire)
        live = state.find(self.sheet)
        found = [] if live is None else list(self._found(state, live))
        if live is not None and found and not dry_run:
            self._delete(state, live)
        return [f"hidden sheet {tab.title}" for tab in found]

    def _names(self, live: Tab) -> Names:
        return Names.of(self.job, self.wire.spreadsheet, live.sheet_id)

    def _found(self, state: State, live: Tab) -> Iterator[Tab]:
        names = self._names(live)
        yield from pushed_out(state, live.sheet_id, names, self.keep + 1)
        target = f"{self.wire.spreadsheet}\0{live.sheet_id}"
        over = {number(target, delivery, "stage") for delivery in self.ended}
        yield from (t for t in state.tabs if t.sheet_id in over and t.title.startswith(names.stage_family))

    def _delete(self, state: State, live: Tab) -> None:
        names = self._names(live)
        lease = Lease(
            wire=self.wire,
            lock=names.lock,
            run=self.job.run,
            label=self.label,
            wait_seconds=self.job.wait_seconds,
            not_yet=names.marker,
        )

        def requests(now: State) -> list[Json]:
            return [{"deleteSheet": {"sheetId": tab.sheet_id}} for tab in self._found(now, live)]

        lease.take(state, requests)
        self.wire.batch(lease.release_requests())
