"""The trials: an act, a request of it, and what goes wrong there."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadlock.errors import LoadlockError
from loadlock.sheets import wire
from loadlock.testing.sheets import Fault, Quotas, Settings, SheetsEmulator, session
from loadlock.testing.sheets_faults.desk import ACTS, OLD, SENT, TITLE, Act, Desk, deliver, job_of, take_back

SHORT_TIMEOUT = (2.0, 0.15)
"""Of the client in a trial, in seconds, so that a late answer is too late soon."""
OTHER = "other@faults.iam.gserviceaccount.com"
"""Writes in the control."""
KILL = "kill -9"
WAYS: dict[str, dict[str, Any]] = {
    "429": {"do": "status", "status": 429, "when": "before"},
    "500 before it is done": {"do": "status", "status": 500, "when": "before"},
    "500 after it is done": {"do": "status", "status": 500, "when": "after"},
    "503 before it is done": {"do": "status", "status": 503, "when": "before"},
    "503 after it is done": {"do": "status", "status": 503, "when": "after"},
    "reset before it is done": {"do": "reset", "when": "before"},
    "reset after it is done": {"do": "reset", "when": "after"},
    "closed before it is done": {"do": "close", "when": "before"},
    "closed after it is done": {"do": "close", "when": "after"},
    "half an answer": {"do": "truncate", "when": "after"},
    "timeout, done later": {"do": "delay", "seconds": 0.3, "when": "before"},
    "timeout, done before": {"do": "delay", "seconds": 0.3, "when": "after"},
    "slow": {"do": "delay", "seconds": 0.05, "when": "before"},
    "token expired": {"do": "expire_token"},
    "404 for a moment": {"do": "status", "status": 404, "when": "before"},
    f"{KILL} before the request": {"do": KILL, "when": "before"},
    f"{KILL} after the answer": {"do": KILL, "when": "after"},
}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How one trial ended."""

    act: str
    way: str
    place: int
    samples: int
    torn: int
    faults: tuple[str, ...]


@contextmanager
def emulator() -> Iterator[SheetsEmulator]:
    """An emulator without quotas, and a client of little patience."""
    kept = wire.LONGEST_PAUSE_SECONDS, wire.TIMEOUT_SECONDS
    wire.LONGEST_PAUSE_SECONDS, wire.TIMEOUT_SECONDS = 0.002, SHORT_TIMEOUT
    none = Quotas(reads_per_user=0, writes_per_user=0, reads_per_project=0, writes_per_project=0)
    try:
        with SheetsEmulator(settings=Settings(quotas=none)) as running:
            yield running
    finally:
        wire.LONGEST_PAUSE_SECONDS, wire.TIMEOUT_SECONDS = kept


def requests_of(service: SheetsEmulator, folder: Path, act: Act) -> list[str]:
    """The requests of an undisturbed act, tokens left out: which spreadsheet each went to."""
    desk = Desk(service, folder, act)
    before = len(service.log)
    desk.act_once()
    return [entry.spreadsheet_id for entry in service.log[before:] if entry.method != "token"]


def places(requests: Sequence[str], way: str) -> list[int]:
    """The requests at which this can go wrong: a spreadsheet that was never seen and is not found does not exist."""
    return [at for at, sheet in enumerate(requests) if not way.startswith("404") or sheet in requests[:at]]


def trial(service: SheetsEmulator, folder: Path, act: Act, way: str, place: int) -> Trial:
    """One request goes wrong once; then the act is begun again until it ends well."""
    desk, how = Desk(service, folder, act), WAYS[way]
    found: list[str] = []
    if how["do"] == KILL:
        desk.watched(lambda: found.extend(_killed(desk, how["when"], place)))
    else:
        fault = service.fault(Fault(skip=place, **how))
        try:
            desk.watched(desk.until_done)
        except (AssertionError, LoadlockError) as error:
            found.append(f"{type(error).__name__}: {error}")
        service.clear_faults()
        if fault.fired != 1:
            found.append(f"the fault fired {fault.fired} times")
        if way == "timeout, done later":
            threading.Event().wait(2 * how["seconds"])
    if not found:
        found = desk.faults()
    return Trial(act=act.name, way=way, place=place, samples=desk.samples, torn=desk.torn(), faults=tuple(found))


def _killed(desk: Desk, when: str, place: int) -> list[str]:
    """A process of its own begins the act and is killed at a request; then another does it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_until_killed, args=(desk.case.target, desk.act.name, when, place))
    process.start()
    process.join()
    found = (
        [] if process.exitcode == -signal.SIGKILL else [f"the process ended with {process.exitcode}, not by the kill"]
    )
    process.close()
    try:
        desk.until_done()
    except (AssertionError, LoadlockError) as error:
        found.append(f"{type(error).__name__}: {error}")
    return found


def _until_killed(target: Any, name: str, when: str, place: int) -> None:
    """Runs in the process that dies before or after its request number `place`."""
    from loadlock.delivery.destinations.gsheets import GoogleSheets
    from loadlock.testing.contracts.destinations import Case

    send, left = wire.Wire._send, [place]

    def counted(self: Any, *arguments: Any) -> Any:
        left[0] -= 1
        if left[0] == -1 and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = send(self, *arguments)
        if left[0] == -1:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    kind: Any = wire.Wire
    kind._send = counted
    warnings.simplefilter("ignore")
    act = next(act for act in ACTS if act.name == name)
    case = Case(destination=GoogleSheets(), target=target, count=lambda: None)
    (take_back if act.back else deliver)(case, job_of(case, act.mode))


def control(service: SheetsEmulator, folder: Path) -> tuple[int, int]:
    """The common practice, watched by the same reader: clear, then write in chunks. Samples and torn states."""
    desk = Desk(service, folder, ACTS[0])
    service.share(desk.sheets[0], OTHER, "writer")
    base = f"{service.url}/v4/spreadsheets/{desk.sheets[0]}/values/{TITLE}"

    def common() -> None:
        with session(service, OTHER) as http:
            http.post(f"{base}!A2:C:clear", json={}, timeout=5).raise_for_status()
            for start in range(0, len(SENT), 2):
                threading.Event().wait(0.01)
                body = {"values": SENT[start : start + 2]}
                http.put(f"{base}!A{start + 2}?valueInputOption=RAW", json=body, timeout=5).raise_for_status()

    desk.watched(common)
    if desk.rows() != [OLD[0], *SENT]:
        raise AssertionError("the control has not written its rows")
    return desk.samples, desk.torn()


def chosen(acts: Sequence[str], ways: Sequence[str]) -> list[tuple[Act, str]]:
    """Acts and ways by parts of their names; none = all."""
    return [
        (act, way)
        for act in ACTS
        if not acts or any(word in act.name for word in acts)
        for way in WAYS
        if not ways or any(word in way for word in ways)
    ]
