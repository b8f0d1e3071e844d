"""One trial: break a run in one way at one place, resume it, and compare with a run that nothing happened to."""

from __future__ import annotations

import re
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from loadlock.model import WriteMode
from loadlock.testing.breaking.batch import pipeline_text, write_batch
from loadlock.testing.breaking.places import OUT, Place, local_place
from loadlock.testing.breaking.proxy import Proxy
from loadlock.testing.breaking.stage import CannotError, Stage, small_disk
from loadlock.testing.breaking.watcher import Watcher
from loadlock.testing.breaking.ways import Way
from loadlock.testing.command import CommandLine, Ended, Started
from loadlock.testing.servers import Server

RUN = ("run", "orders.yaml", "--json")
DONE = 3
"""The exit code of a run that is done: the batch has rejects."""
STOP_SECONDS = 30
"""A run that was sent SIGINT must end within."""
RESUMES = 4
DISK_MEGABYTES = 24


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a trial ended. `fault` is empty where all was right; `skipped` says why nothing was struck."""

    place: str
    mode: str
    way: str
    group: str
    point: str
    fault: str = ""
    skipped: str = ""
    code: int | None = None
    samples: int = 0
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Undisturbed:
    """What a run that nothing happened to gives, and the places that it passed, in order."""

    document: dict[str, Any]
    old: str
    new: str
    left: tuple[str, ...]
    """What stays beside the target by design: what a rollback needs."""
    passed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A place and a write mode; servers with their proxy."""

    kind: str
    mode: WriteMode
    number: int
    """Of all cells: what is shared out goes by it."""
    folder: Path
    """Trials make their folders below."""
    place: Place
    server: Server | None = None
    proxy: Proxy | None = None

    def undisturbed(self) -> Undisturbed:
        """Run the batch with nothing in the way."""
        with self.trial_folder() as folder, self.ready(folder, ()) as place:
            old = place.state()
            passed = folder.parent / "passed.txt"
            ended = CommandLine(folder=folder)(*RUN, fault=f"record={passed}")
            assert ended.code == DONE, (
                f"{self.kind} {self.mode}: the undisturbed run ended with {ended.code}: {ended.said}"
            )
            names = tuple(passed.read_text(encoding="utf-8").split())
            passed.unlink()
            new = place.state()
            assert new != old, f"{self.kind} {self.mode}: the batch changes nothing"
            left = masked(place.left())
            assert all("undo" in name for name in left), f"{self.kind} {self.mode}: left behind: {left}"
            return Undisturbed(document=ended.document, old=old, new=new, left=left, passed=names)

    @contextmanager
    def trial_folder(self) -> Iterator[Path]:
        """An empty folder, removed afterwards."""
        folder = self.folder / f"{self.kind}-{self.mode}"
        shutil.rmtree(folder, ignore_errors=True)
        work = folder / "work"
        work.mkdir(parents=True)
        try:
            yield work
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def ready(self, folder: Path, options: tuple[tuple[str, str], ...]) -> Iterator[Place]:
        """The batch and the pipeline in the folder, the old rows in the target."""
        place = self.place if self.place.is_server else local_place(self.kind, folder)
        place.fill(self.mode)
        write_batch(folder)
        address = place.address(None if self.proxy is None else self.proxy.port)
        text = pipeline_text(address, self.mode, table=place.is_table, options=dict(options))
        (folder / "orders.yaml").write_text(text, encoding="utf-8")
        yield place


def try_out(cell: Cell, way: Way, point: str, expected: Undisturbed, watcher: Watcher) -> Result:
    """Do one trial."""
    result = Result(place=cell.kind, mode=str(cell.mode), way=way.name, group=way.group, point=point)
    begun = time.monotonic()
    try:
        with ExitStack() as stack:
            folder = stack.enter_context(cell.trial_folder())
            if way.disk:
                stack.enter_context(_disk(cell, folder, way.disk))
            place = stack.enter_context(cell.ready(folder, way.options))
            stage = Stage(folder=folder, place=place, server=cell.server, proxy=cell.proxy)
            stack.callback(stage.mend)
            if place.watched:
                watcher.begin(place)
                stack.callback(lambda: watcher.end() if trial.watching else None)
            trial = Trial(stage=stage, way=way, point=point, expected=expected, watcher=watcher, watching=place.watched)
            trial.go()
            result = replace(result, code=trial.code, samples=trial.samples)
    except CannotError as error:
        result = replace(result, skipped=str(error))
    except AssertionError as error:
        result = replace(result, fault=str(error)[:2000] or "an assertion without words")
    except Exception as error:
        result = replace(result, fault=f"{type(error).__name__}: {error}"[:2000])
    return replace(result, seconds=round(time.monotonic() - begun, 2))


@contextmanager
def _disk(cell: Cell, folder: Path, where: str) -> Iterator[None]:
    if where != "server":
        with small_disk(folder / where, DISK_MEGABYTES):
            yield
        return
    from loadlock.testing.breaking.arena import small_server_disk

    assert cell.server is not None
    with small_server_disk(cell.place, cell.server, DISK_MEGABYTES):
        yield


@dataclass(kw_only=True)
class Trial:
    """The steps of a trial, in order."""

    stage: Stage
    way: Way
    point: str
    expected: Undisturbed
    watcher: Watcher
    watching: bool
    code: int | None = None
    samples: int = 0

    def go(self) -> None:
        """Break, look, resume, compare. AssertionError says what was wrong."""
        ended = self._break()
        self.code = ended.code
        states = {self.stage.place.state()}
        self._judge_end(ended)
        self.stage.mend()
        document = self._finish(ended)
        if self.watching:
            self.watching = False
            seen, self.samples = self.watcher.end()
            states |= seen
        wrong = states - {self.expected.old, self.expected.new}
        assert not wrong, f"readers saw {len(wrong)} states that are neither the old nor the new one"
        self._compare(document)

    def _break(self) -> Ended:
        command = CommandLine(folder=self.stage.folder)
        if self.way.strike is None:
            return command(*RUN, fault=f"{self.point}={self.way.signal}")
        started = command.start(*RUN, fault=f"{self.point}=stop")
        try:
            if not _stops(started):
                raise CannotError("the place is not passed")
            self.way.strike(self.stage)
            started.send(signal.SIGCONT)
            self.stage.go_on()
            if self.way.stalls:
                time.sleep(1.0)
                started.send(signal.SIGINT)
            return self._wait(started)
        except BaseException:
            with suppress(ProcessLookupError):
                started.send(signal.SIGKILL)
            self.stage.mend()
            started.wait()
            raise

    def _wait(self, started: Started) -> Ended:
        begun = time.monotonic()
        ended = started.wait()
        if self.way.stalls:
            taken = time.monotonic() - begun
            assert taken < STOP_SECONDS, f"SIGINT took {taken:.0f} seconds"
        return ended

    def _judge_end(self, ended: Ended) -> None:
        """The first run: exit code and message."""
        if self.way.stalls:
            assert ended.code in (7, DONE), f"ended with {ended.code}: {ended.said[-1500:]}"
            return
        assert ended.code in self.way.codes, f"ended with {ended.code}, not {self.way.codes}: {ended.said[-1500:]}"
        if ended.code < 0 or ended.code == DONE:
            return
        assert "Traceback" not in ended.said, ended.said[-1500:]
        assert "a defect of Loadlock" not in ended.said, ended.said[-1500:]
        assert re.search(self.way.says, ended.err), f"the message does not say {self.way.says!r}: {ended.err[-1500:]}"

    def _finish(self, ended: Ended) -> dict[str, Any]:
        """What an operator does: resume the run until it is done, or run again where none had begun."""
        if ended.code == DONE:
            return dict(ended.document)
        command = CommandLine(folder=self.stage.folder)
        for _ in range(RESUMES):
            run = newest_run(self.stage.folder)
            words = ("resume", run, "--json") if run else RUN
            last = command(*words)
            if last.code in (0, DONE):
                return dict(last.document)
            assert last.code in (5, 7), f"resume ended with {last.code}: {last.said[-1500:]}"
            time.sleep(1.0)  # the server may not have noticed yet that its client is gone
        raise AssertionError(f"resume never ended well: {last.said[-1500:]}")

    def _compare(self, document: dict[str, Any]) -> None:
        """The end is that of the undisturbed run, and nothing is left behind."""
        place, expected = self.stage.place, self.expected
        assert document["status"] == "verified", f"status {document['status']}"
        for name in ("digest", "balance", "rejects"):
            assert document[name] == expected.document[name], f"{name}: {document[name]} != {expected.document[name]}"
        assert document["receipt"]["equal"] is True, f"read-back: {document['receipt']}"
        assert place.state() == expected.new, "the target differs from an undisturbed run's"
        assert place.deliveries() in (1, None), f"{place.deliveries()} control rows"
        left = _left(place, expected.left)
        assert left == expected.left, f"left behind: {left}"
        assert (unfinished := _left_in(self.stage.folder)) == [], f"left behind: {unfinished}"


def masked(names: Sequence[str]) -> tuple[str, ...]:
    """Names without the digits that differ from run to run."""
    return tuple(sorted(re.sub(r"[0-9a-f]{8,}", "#", name) for name in names))


def _left(place: Place, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """What is left in the target; a server may take a moment to notice that its client is gone."""
    for _ in range(20):
        if (left := masked(place.left())) == wanted:
            break
        time.sleep(0.1)
    return left


def _left_in(folder: Path) -> list[str]:
    """What is unfinished in the workspace, or hidden beside the pipeline."""
    workspace = folder / ".loadlock"
    found = [*(workspace / "tmp").iterdir(), *workspace.rglob("*.tmp")]
    found += [path for path in folder.iterdir() if path.name.startswith(".") and path != workspace]
    return [str(path.relative_to(folder)) for path in found]


def _stops(started: Started) -> bool:
    try:
        started.wait_until_stopped()
    except AssertionError:
        return False
    return True


def newest_run(folder: Path) -> str | None:
    """The newest run in the ledger, read without Loadlock; None where there is none."""
    ledger = folder / ".loadlock" / "ledger.db"
    if not ledger.exists():
        return None
    try:
        with closing(sqlite3.connect(ledger)) as connection:
            row = connection.execute("select run from runs order by number desc limit 1").fetchone()
    except sqlite3.OperationalError:  # killed before its tables were made
        return None
    return None if row is None else str(row[0])


__all__ = ["OUT", "Cell", "Result", "Trial", "Undisturbed", "newest_run", "try_out"]
