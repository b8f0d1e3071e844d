"""The lock of a tab: a mark in the spreadsheet that one run holds, renews and gives back. Others take a stale one over."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from loadlock.delivery.destinations._sheets_state import Lock, Names, State, create, delete, packed, read_state
from loadlock.errors import LockedError, RefusedError
from loadlock.sheets.wire import Json, Wire

POLL_SECONDS = 5.0
RENEW_SECONDS = 300.0


@dataclass(kw_only=True)
class Lease:
    """One run's hold on a tab."""

    wire: Wire
    lock: int
    run: str
    label: str
    wait_seconds: float
    not_yet: int
    """The mark that what the lock is for will leave: with it there, the lock can't be taken. So a request that arrives when
    all is over does nothing."""
    text: str | None = None
    """The mark's value while it is held."""
    renewed: float = field(default=0.0)

    def take(self, state: State, beside: Callable[[State], list[Json]]) -> State:
        """Take the lock, in one batch with what `beside` adds; wait for another run as long as the job allows."""
        waited = 0.0
        while True:
            lock = state.lock(self.lock)
            if lock is None or lock.run == self.run or not lock.fresh:
                try:
                    self._take(lock, beside(state))
                    return read_state(self.wire)
                except RefusedError:
                    before, state = lock, read_state(self.wire)
                    lock = state.lock(self.lock)
                    if lock == before:
                        raise
                    continue
            if waited >= self.wait_seconds:
                raise LockedError(
                    f"{self.label} is being written by run {lock.run}",
                    hint="Wait for it, or give --wait with a number of seconds; a lock that nobody renews ends by itself.",
                )
            time.sleep(POLL_SECONDS)
            waited += POLL_SECONDS
            state = read_state(self.wire)

    def _take(self, lock: Lock | None, more: list[Json]) -> None:
        value = self._value()
        removed = [] if lock is None else [delete(self.lock, lock.text)]
        over = [create(self.not_yet, {"begun": self.run}, None), delete(self.not_yet)]
        self.wire.batch([*over, *removed, create(self.lock, value, None), *more])
        self.text = packed(value)

    def _value(self) -> Json:
        self.renewed = time.time()
        return {"run": self.run, "at": round(self.renewed)}

    def renew(self) -> None:
        """Say that this run is alive. A lock that another run took over meanwhile ends this one."""
        if time.time() - self.renewed < RENEW_SECONDS:
            return
        value = self._value()
        try:
            self.wire.batch([delete(self.lock, self.text), create(self.lock, value, None)])
            self.text = packed(value)
        except RefusedError:
            # renewed by a request of ours that got no answer?
            lock = read_state(self.wire).lock(self.lock)
            if lock is None or lock.run != self.run:
                raise
            self.text = lock.text

    def release_requests(self) -> list[Json]:
        """The requests that give it back."""
        return [] if self.text is None else [delete(self.lock, self.text)]


def stage_requests(names: Names, state: State, columns: int) -> list[Json]:
    """Staging tabs of dead runs away, this run's made where it is missing."""
    family = [tab for tab in state.tabs if tab.title.startswith(names.stage_family)]
    found: list[Json] = [{"deleteSheet": {"sheetId": tab.sheet_id}} for tab in family if tab.sheet_id != names.stage]
    if state.by_id(names.stage) is None:
        found.append(add_hidden(names.stage, names.stage_title, 1, columns))
    return found


def add_hidden(sheet_id: int, title: str, rows: int, columns: int) -> Json:
    """The request that makes a hidden tab."""
    size = {"rowCount": rows, "columnCount": columns}
    return {"addSheet": {"properties": {"sheetId": sheet_id, "title": title, "hidden": True, "gridProperties": size}}}
