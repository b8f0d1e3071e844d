"""Every request of a delivery into Google Sheets goes wrong once: the sheet ends exact, nothing is left behind, and readers
never see anything but the old rows or the new ones.

Here half the requests of each write take turns through the ways to go wrong, the other half in the next kind of write (of
those that go to several spreadsheets every sixth);
`--full-faults` (and `make sheets-faults`) takes each way at each request.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadlock.delivery.deliver import Delivery
from loadlock.delivery.destinations import _sheets_state
from loadlock.delivery.destinations._sheets_lock import Lease
from loadlock.delivery.undo import Undoing
from loadlock.errors import LockedError
from loadlock.testing.contracts.destinations import PEOPLE, job
from loadlock.testing.sheets import SheetsEmulator
from loadlock.testing.sheets_faults import trials
from loadlock.testing.sheets_faults.desk import ACTS, PARTS, PATIENT, Act, Desk

WORST = ("reset after it is done", "503 after it is done", "timeout, done later", f"{trials.KILL} after the answer")
"""The ways that found most defects."""


@pytest.fixture(scope="module")
def emulator() -> Iterator[SheetsEmulator]:
    with trials.emulator() as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.name)
def test_any_request_may_go_wrong(
    emulator: SheetsEmulator, tmp_path: Path, act: Act, request: pytest.FixtureRequest
) -> None:
    requests = trials.requests_of(emulator, tmp_path, act)
    count = len(requests)
    full = request.config.getoption("--full-faults")
    ways = tuple(trials.WAYS) if full else WORST
    thin = 2 if act.books == 1 else 6
    chosen = [
        (way, place)
        for number, way in enumerate(ways)
        for place in trials.places(requests, way)
        if full or place % (thin * len(ways)) == number + len(ways) * (ACTS.index(act) % thin)
    ]
    assert count >= 6
    assert len(chosen) >= count // thin - len(ways)
    for way, place in chosen:
        found = trials.trial(emulator, tmp_path, act, way, place)
        assert found.faults == (), (way, place)
        assert found.samples > 0


def test_clearing_and_writing_in_chunks_is_seen_half_done(emulator: SheetsEmulator, tmp_path: Path) -> None:
    """The control: the common practice, watched by the same reader."""
    _, torn = trials.control(emulator, tmp_path)
    assert torn > 0


@pytest.fixture
def desk(emulator: SheetsEmulator, tmp_path: Path) -> Desk:
    return Desk(emulator, tmp_path, ACTS[0])


def _delivery(desk: Desk, run: str) -> Delivery:
    return Delivery(desk.case.destination, job(desk.case, PEOPLE, desk.act.mode, run, undo=1), retry=PATIENT)


def _dies(delivery: Delivery) -> None:
    """A killed process closes nothing."""
    session: Any = delivery._session
    session._wire.http.close()


def test_another_run_takes_over_what_a_killed_one_left(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = _delivery(desk, "killed")
    killed.open()
    killed.load(enumerate(PARTS, 1), lambda _: None)
    _dies(killed)
    with pytest.raises(LockedError, match="run killed"):
        desk.act_once()
    with monkeypatch.context() as patch:
        patch.setattr(_sheets_state, "LOCK_SECONDS", -1.0)
        desk.act_once()
    assert desk.faults() == []


def test_of_two_that_take_over_one_wins(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = _delivery(desk, "killed")
    killed.open()
    _dies(killed)
    first, second = _delivery(desk, "first"), _delivery(desk, "second")
    with first, second:
        with monkeypatch.context() as patch:
            patch.setattr(_sheets_state, "LOCK_SECONDS", -1.0)
            state = _sheets_state.read_state(first._session._wire)  # type: ignore[attr-defined]
            first.open()
        monkeypatch.setattr("loadlock.delivery.destinations._sheets_session.read_state", lambda _: _aged(state))
        with pytest.raises(LockedError, match="run first"):
            second.open()


def test_a_rollback_that_is_carried_out_late_leaves_no_lock_of_the_next_try(
    emulator: SheetsEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = itertools.count(round(time.time()))
    monkeypatch.setattr(Lease, "_value", lambda lease: {"run": lease.run, "at": next(seconds)})
    act = next(act for act in ACTS if act.name == "rollback of a replace")
    desk = Desk(emulator, tmp_path, act)
    with _rollback(desk, tmp_path) as first:
        session: Any = first._session
        late, _ = session._undo._requests()
    with _rollback(desk, tmp_path) as second:
        emulator.edit(desk.sheets[0], late)
        second.undo()
    assert desk.faults() == []


def _rollback(desk: Desk, folder: Path) -> Undoing:
    """One that has looked and holds the lock."""
    undoing = Undoing(desk.case.destination, desk.job(), folder)
    undoing.open()
    assert not undoing.look(lambda: PARTS)
    return undoing


def _aged(state: Any) -> Any:
    """The state as a run saw it long after the killed one."""
    for value in state.metadata.values():
        if "run" in value and "delivery_id" not in value:
            value["at"] = 0
    return state
