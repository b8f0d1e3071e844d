"""Every request of a delivery into Google Sheets goes wrong once, in every way: the sheet ends exact, nothing is left behind,
and readers never see anything but the old rows or the new ones.

`--full-faults` takes all ways; otherwise those that found most defects.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from loadlock.delivery.base import Job, Target
from loadlock.delivery.deliver import Delivery
from loadlock.sheets import wire
from loadlock.delivery.destinations.gsheets import GoogleSheets
from loadlock.delivery.retry import RetryPolicy
from loadlock.errors import UnavailableError
from loadlock.model import Receipt, WriteMode
from loadlock.testing.contracts.destinations import PEOPLE, Case, job, part, person
from loadlock.testing.sheets import Fault, Quotas, Settings, SheetsEmulator, session

LOADER = "loader@tests.iam.gserviceaccount.com"
NO_QUOTAS = Quotas(reads_per_user=0, writes_per_user=0, reads_per_project=0, writes_per_project=0)
OLD: list[list[Any]] = [["id", "name", "score"], [1, "old", 1.5], [2, "old", 1.5]]
PARTS = [part(PEOPLE, [person(10 * seq + n, "new") for n in range(4)], first_row=10 * seq) for seq in (1, 2)]
ADDED = [[10 * seq + n, "new", 1.5] for seq in (1, 2) for n in range(4)]
EXPECTED = {WriteMode.REPLACE: [OLD[0], *ADDED], WriteMode.APPEND: [*OLD, *ADDED]}
PATIENT = RetryPolicy(attempts=4, first_seconds=0.0, max_seconds=0.0)

QUICK: dict[str, dict[str, Any]] = {
    "reset after": {"do": "reset", "when": "after"},
}
FULL: dict[str, dict[str, Any]] = {
    **QUICK,
    "503 after": {"do": "status", "status": 503, "when": "after"},
    "reset before": {"do": "reset", "when": "before"},
    "429 before": {"do": "status", "status": 429, "when": "before"},
    "500 before": {"do": "status", "status": 500, "when": "before"},
    "500 after": {"do": "status", "status": 500, "when": "after"},
    "503 before": {"do": "status", "status": 503, "when": "before"},
    "no answer before": {"do": "close", "when": "before"},
    "no answer after": {"do": "close", "when": "after"},
    "half an answer": {"do": "truncate", "when": "after"},
    "late": {"do": "delay", "seconds": 0.3, "when": "before"},
    "slow": {"do": "delay", "seconds": 0.3, "when": "after"},
    "token expired": {"do": "expire_token"},
    "404 before": {"do": "status", "status": 404, "when": "before"},
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LONGEST_PAUSE_SECONDS", 0.002)
    monkeypatch.setattr(wire, "TIMEOUT_SECONDS", (2.0, 0.15))


@pytest.fixture(scope="module")
def emulator() -> Iterator[SheetsEmulator]:
    with SheetsEmulator(settings=Settings(quotas=NO_QUOTAS)) as running:
        yield running


class Stage:
    """A spreadsheet with the old rows, and a watcher of its sheet."""

    def __init__(self, emulator: SheetsEmulator, folder: Path) -> None:
        self.emulator = emulator
        self.sheet = emulator.add_spreadsheet(tabs={"People": OLD, "Other": [["x"]]}, share={LOADER: "writer"})
        key = emulator.write_key(folder / "key.json", LOADER)
        options = {"credentials": str(key), "endpoint": emulator.url, "requests_per_minute": 0}
        self.target = Target(url=f"gsheets://{self.sheet}/People", table="People", options=options)
        self.case = Case(destination=GoogleSheets(), target=self.target, count=lambda: None)
        self.seen: set[str] = set()
        self.samples = 0

    def rows(self) -> list[list[Any]]:
        return self.emulator.rows(self.sheet, "People")

    def job(self, mode: WriteMode, run: str = "run1") -> Job:
        return job(self.case, PEOPLE, mode, run)

    def deliver(self, mode: WriteMode, run: str = "run1") -> Receipt:
        with Delivery(self.case.destination, self.job(mode, run), retry=PATIENT, chunk_rows=4) as delivery:
            if delivery.open().published is None:
                delivery.load(enumerate(PARTS, 1), lambda _: None)
            delivery.publish()
            return delivery.verify()

    def until_done(self, mode: WriteMode) -> Receipt:
        """The delivery, resumed until it ends well."""
        for _ in range(6):
            try:
                return self.deliver(mode)
            except UnavailableError:
                continue
        raise AssertionError("never ended")

    def watched(self, work: Callable[[], Any]) -> None:
        """Do the work while a reader samples the sheet."""
        done = threading.Event()

        def look() -> None:
            while not done.wait(0.002):
                self.seen.add(repr(self.rows()))
                self.samples += 1

        reader = threading.Thread(target=look)
        reader.start()
        try:
            work()
        finally:
            done.set()
            reader.join()

    def check(self, mode: WriteMode) -> None:
        """The rows are exact, readers saw old or new, nothing is left, and the same run writes nothing more."""
        assert self.rows() == EXPECTED[mode]
        assert self.seen <= {repr(OLD), repr(EXPECTED[mode])}
        assert list(self.emulator.tabs(self.sheet)) == ["People", "Other"]
        assert self.locks() == []
        before = self.writes()
        assert self.deliver(mode).equal
        assert (self.rows(), self.writes()) == (EXPECTED[mode], before)

    def locks(self) -> list[str]:
        marks = self.emulator.service.books[self.sheet].metadata.values()
        return [item.value or "" for item in marks if '"delivery_id"' not in (item.value or "")]

    def writes(self) -> int:
        return sum(entry.method.endswith(("pdate", "append")) for entry in self.emulator.log)


@pytest.fixture
def stage(emulator: SheetsEmulator, tmp_path: Path) -> Iterator[Stage]:
    yield Stage(emulator, tmp_path)
    emulator.clear_faults()


def requests_of(emulator: SheetsEmulator, folder: Path, mode: WriteMode) -> int:
    """Requests of an undisturbed delivery, tokens left out."""
    made, before = Stage(emulator, folder), len(emulator.log)
    made.deliver(mode)
    return sum(entry.method != "token" for entry in emulator.log[before:])


@pytest.mark.slow
@pytest.mark.parametrize("mode", [WriteMode.REPLACE, WriteMode.APPEND])
def test_any_request_may_go_wrong(
    emulator: SheetsEmulator, tmp_path: Path, mode: WriteMode, request: pytest.FixtureRequest
) -> None:
    ways = FULL if request.config.getoption("--full-faults") else QUICK
    count = requests_of(emulator, tmp_path, mode)
    assert count > 10
    for name, way in ways.items():
        # a spreadsheet that was never seen and is not found does not exist
        for place in range(1 if name == "404 before" else 0, count):
            stage = Stage(emulator, tmp_path)
            fault = emulator.fault(Fault(skip=place, **way))
            stage.watched(lambda stage=stage: stage.until_done(mode))  # type: ignore[misc]
            emulator.clear_faults()
            assert fault.fired == 1, (name, place)
            if name == "late":
                threading.Event().wait(2 * way["seconds"])
            stage.check(mode)


class KilledError(BaseException):
    """The process ends here."""


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("mode", [WriteMode.REPLACE, WriteMode.APPEND])
def test_a_run_killed_at_any_request_is_resumed(
    emulator: SheetsEmulator,
    tmp_path: Path,
    mode: WriteMode,
    when: str,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    step = 1 if request.config.getoption("--full-faults") else 2
    for place in range(0, requests_of(emulator, tmp_path, mode), step):
        stage = Stage(emulator, tmp_path)
        with monkeypatch.context() as patch, suppress(KilledError):
            delivery = Delivery(stage.case.destination, stage.job(mode), retry=PATIENT, chunk_rows=4)
            _kill(patch, place, when)
            # no `with`: a killed process closes nothing
            delivery.open()
            delivery.load(enumerate(PARTS, 1), lambda _: None)
            delivery.publish()
            delivery.verify()
        delivery._session._wire.http.close()  # type: ignore[attr-defined]
        stage.watched(lambda stage=stage: stage.until_done(mode))  # type: ignore[misc]
        stage.check(mode)


def _kill(patch: pytest.MonkeyPatch, place: int, when: str) -> None:
    """End the process before or after the request at this place."""
    send, left = wire.Wire._send, [place]

    def counted(self: Any, *arguments: Any) -> Any:
        left[0] -= 1
        if left[0] == -1 and when == "before":
            raise KilledError
        answer = send(self, *arguments)
        if left[0] == -1:
            raise KilledError
        return answer

    patch.setattr(wire.Wire, "_send", counted)


def test_another_run_takes_over_what_a_killed_one_left(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    from loadlock.delivery.destinations import _sheets_state
    from loadlock.errors import LockedError

    delivery = Delivery(stage.case.destination, stage.job(WriteMode.REPLACE, "killed"), retry=PATIENT)
    delivery.open()
    delivery.load(enumerate(PARTS, 1), lambda _: None)
    delivery._session._wire.http.close()  # type: ignore[attr-defined]
    with pytest.raises(LockedError, match="run killed"):
        stage.deliver(WriteMode.REPLACE)
    monkeypatch.setattr(_sheets_state, "LOCK_SECONDS", -1.0)
    stage.deliver(WriteMode.REPLACE)
    monkeypatch.undo()
    stage.check(WriteMode.REPLACE)


def test_of_two_that_take_over_one_wins(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    from loadlock.delivery.destinations import _sheets_state
    from loadlock.errors import LockedError

    killed = Delivery(stage.case.destination, stage.job(WriteMode.REPLACE, "killed"), retry=PATIENT)
    killed.open()
    killed._session._wire.http.close()  # type: ignore[attr-defined]
    monkeypatch.setattr(_sheets_state, "LOCK_SECONDS", -1.0)
    first = Delivery(stage.case.destination, stage.job(WriteMode.REPLACE, "first"), retry=PATIENT)
    second = Delivery(stage.case.destination, stage.job(WriteMode.REPLACE, "second"), retry=PATIENT)
    with first, second:
        state = _sheets_state.read_state(first._session._wire)  # type: ignore[attr-defined]
        first.open()
        monkeypatch.undo()
        second._session._look(state)  # type: ignore[attr-defined]
        with pytest.raises(LockedError, match="run first"):
            second._session._locked(_aged(state))  # type: ignore[attr-defined]


def _aged(state: Any) -> Any:
    """The state as a run saw it long after the killed one."""
    for value in state.metadata.values():
        if "run" in value and "delivery_id" not in value:
            value["at"] = 0
    return state


def test_clearing_and_writing_in_chunks_is_seen_half_done(stage: Stage) -> None:
    """The control: the common practice, watched by the same reader."""
    base = f"{stage.emulator.url}/v4/spreadsheets/{stage.sheet}/values/People"

    def common() -> None:
        with session(stage.emulator, LOADER) as http:
            http.post(f"{base}!A2:C:clear", json={}, timeout=5)
            for start in range(0, len(ADDED), 2):
                stage.seen.add(repr(stage.rows()))
                rows = ADDED[start : start + 2]
                http.put(f"{base}!A{start + 2}?valueInputOption=RAW", json={"values": rows}, timeout=5)

    stage.watched(common)
    assert stage.rows() == EXPECTED[WriteMode.REPLACE]
    assert stage.seen - {repr(OLD), repr(EXPECTED[WriteMode.REPLACE])}
