"""One delivery into a tab of Google Sheets: lock, staging tab, one publishing batch, read-back.

Whatever is in doubt is asked of the spreadsheet: `open`, `load` and `publish` may be called again after UnavailableError
and begin by looking at what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from loadlock.delivery.base import (
    DeliveryColumn,
    Job,
    Opened,
    Published,
    Session,
    Undone,
    UndoneError,
    Written,
)
from loadlock.delivery.destinations import _sheets_back as back
from loadlock.delivery.destinations import _sheets_publish as publishing
from loadlock.delivery.destinations import _sheets_undo as undoing
from loadlock.delivery.destinations._sheets_aim import Aim, aim_at
from loadlock.delivery.destinations._sheets_cells import Encoder
from loadlock.delivery.destinations._sheets_check import Need, check_room, check_tab, estimate
from loadlock.delivery.destinations._sheets_drift import Drift, Guard
from loadlock.delivery.destinations._sheets_foresee import Foresight, InTab, Rehearsal
from loadlock.delivery.destinations._sheets_known import known_tabs, read_known
from loadlock.delivery.destinations._sheets_lock import Lease, stage_requests
from loadlock.delivery.destinations._sheets_rows import last_row
from loadlock.delivery.destinations._sheets_stage import Stage
from loadlock.delivery.destinations._sheets_state import Names, State, read_state, tab_markers
from loadlock.delivery.destinations._sheets_survey import Survey, check_keys, joined, survey
from loadlock.delivery.destinations._sheets_sweep import Sweep
from loadlock.delivery.destinations._sheets_turn import ADDING, Turn, Way, turn
from loadlock.delivery.destinations._sheets_ways import Ways
from loadlock.delivery.foreseen import Foreseen
from loadlock.delivery.sqltext import published_from
from loadlock.errors import BalanceError, LoadlockError, RefusedError, StoppedError, UnavailableError
from loadlock.model import Chunk, VerifyLevel, WriteMode
from loadlock.sheets.wire import Json, Wire

if TYPE_CHECKING:
    import pyarrow as pa


PROOF = "every cell was read again from the sheet and is equal"


class SheetsSession(Session):
    """See `loadlock.delivery.base.Session`."""

    proof = PROOF

    def __init__(self, job: Job, wire: Wire, sheet: str, label: str, ways: Ways) -> None:
        self._job = job
        self._wire = wire
        self._sheet = sheet
        self._label = label
        self._ways = ways
        self._key = job.key if job.mode.by_key else ()
        self._aim: Aim | None = None
        self._state: State | None = None
        self._names: Names | None = None
        self._lease: Lease | None = None
        self._stage: Stage | None = None
        self._record: Json | None = None
        self._published: Published | None = None
        self._turn: Turn | None = None
        """The publish of this process."""
        self._left: list[pa.Table] = []
        """Rows that an insert only left out."""
        self._undo: undoing.Undo | None = None
        self._batch_keys: back.BatchKeys | None = None
        self._notes: tuple[str, ...] = ()
        self._rehearsal: Rehearsal | None = None
        """Where a trial's rows wait."""
        self._before: Survey | int = 1
        """What the live tab held at first."""
        self._stop: str | None = None
        self._last = 1
        """The row behind the last one with a value, when the tab was looked at."""
        self._doubt = False
        """A batch got no answer: the staging tab must be looked at before the next."""

    def open(self) -> Opened:
        state = read_state(self._wire)
        aim = self._looked(state)
        names = self._names = Names.of(self._job, self._wire.spreadsheet, aim.tab.sheet_id)
        if names.undone in state.metadata:
            raise UndoneError(f"{self._label}: run {self._job.run} was taken back before")
        if self._settled(state):
            return Opened(table=aim.info, created=False, staged=True, published=self._published)
        self._preflight(state, aim)
        if self._job.trial:
            self._rehearsal = Rehearsal(
                columns=aim.columns, encoder=self._encoder(aim), key=self._key, body_bytes=self._ways.chunk_bytes
            )
            return Opened(table=aim.info, created=aim.made, staged=True, notes=self._notes)
        self._lease = Lease(
            wire=self._wire,
            lock=names.lock,
            run=self._job.run,
            label=self._label,
            wait_seconds=self._job.wait_seconds,
            not_yet=names.marker,
        )
        state = self._lease.take(state, lambda now: stage_requests(names, now, len(aim.columns)))
        stage = self._staged(state)
        loaded = frozenset(stage.receipts)
        return Opened(table=aim.info, created=aim.made, staged=True, loaded=loaded, notes=self._notes)

    def _looked(self, state: State) -> Aim:
        """The live tab as it is now. Rows are staged in the order of its columns, which must stay the same."""
        aim = aim_at(self._wire, state, self._sheet, self._job, self._label)
        if self._aim is not None and self._stage is not None and aim.columns != self._aim.columns:
            raise RefusedError(
                f"{self._label}: its columns were put in another order while the rows were on their way",
                hint="Run again; nothing was published.",
            )
        self._state, self._aim = state, aim
        return aim

    def _preflight(self, state: State, aim: Aim) -> None:
        """Reads only: what is in the way, what people changed, whether it fits."""
        found = self._before = self._checked(state, aim)
        self._last = found if isinstance(found, int) else found.last
        self._check_room(state, self._job.rows or 0)
        notes = [estimate(rows, len(aim.columns), self._ways.chunk_bytes)] if (rows := self._job.rows) else []
        try:
            self._notes = (*notes, *self._drift.notes(state.markers(aim.tab.sheet_id), found))
        except StoppedError as error:
            if not self._job.trial:
                raise
            self._stop = str(error)

    def _checked(self, state: State, aim: Aim, *, again: bool = False) -> Survey | int:
        """What the live tab holds: all that a mode by key or a look for changes needs, else the last row."""
        if aim.made:
            return 1
        check_tab(aim.tab, aim.places, self._label)
        if aim.headless:
            return 1
        moves = self._job.mode.takes_all or self._job.mode == WriteMode.DELETE_INSERT
        if moves and not self._ways.foreign:
            self._check_foreign(aim)
        before = self._before if again and self._job.mode == WriteMode.APPEND else 0
        if isinstance(before, Survey) and last_row(self._wire, aim.tab, aim.places, before.last) == before.last:
            return before
        if self._key or self._job.mode == WriteMode.APPEND or state.markers(aim.tab.sheet_id):
            found = survey(self._wire, aim, self._key, escaped=self._ways.escape_formulas)
            if self._job.mode.has_unique_key and self._job.mode != WriteMode.INSERT_ONLY:
                check_keys(found, self._key, self._label)
            return found
        return last_row(self._wire, aim.tab, aim.places, 0)

    def _check_foreign(self, aim: Aim) -> None:
        """Rows of columns that are not ours would no longer stand beside their own."""
        if aim.others and last_row(self._wire, aim.tab, aim.others, 0) > 1:
            raise RefusedError(
                f"{self._label} holds values in other columns, which would stand beside other rows after a"
                f" {self._job.mode}",
                hint="Move them to another sheet, deliver those columns too, append, or leave them where they are by"
                " `foreign: keep_in_place`.",
            )

    @property
    def _drift(self) -> Drift:
        return Drift(job=self._job, label=self._label, overwrite=self._ways.overwrite)

    def _guard(self, state: State, aim: Aim, found: Survey | int) -> Guard | None:
        """What keeps a delivery by key from rows that people changed."""
        _, names = self._looking()
        known = known_tabs(state, names)
        return self._drift.guard(state.markers(aim.tab.sheet_id), found, lambda: read_known(self._wire, known))

    def _check_room(self, state: State, rows: int) -> None:
        aim, names = self._looking()
        last = self._last
        below = 1 if self._job.mode.takes_all else last
        # how many rows of an upsert are new is known when they are there: at least the sheet doesn't shrink
        is_known = bool(self._key) and not self._job.mode.takes_all
        end = max(aim.tab.rows, rows + 1 if is_known else below + rows)
        need = Need(
            rows=end,
            columns=aim.tab.columns,
            staged=rows * len(aim.columns),
            before=self._kept(last) * len(aim.columns),
            undo=self._job.undo,
        )
        check_room(state, self._ways.room, aim.tab, need, names, self._label)

    def _kept(self, last: int) -> int:
        """Rows whose state before is kept. Appended rows can be taken away without."""
        return last - 1 if self._job.undo and self._job.mode not in ADDING else 0

    def _staged(self, state: State) -> Stage:
        aim, names = self._looking()
        tab = state.by_id(names.stage)
        if tab is None:
            raise UnavailableError("the staging sheet is not there yet")
        self._state = state
        stage = Stage(
            wire=self._wire,
            names=names,
            columns=aim.columns,
            encoder=self._encoder(aim),
            most_bytes=self._ways.chunk_bytes,
            tab=tab,
            key=self._key,
        )
        stage.remember(state)
        self._stage = stage
        return stage

    def _encoder(self, aim: Aim) -> Encoder:
        return Encoder(aim.columns, serials=self._ways.serials, escape_formulas=self._ways.escape_formulas)

    def load(self, chunk: Chunk, rows: pa.Table) -> None:
        if self._rehearsal is not None:
            aim, _ = self._looking()
            self._rehearsal.load(rows.select([*(column.name for column in aim.columns), "_file"]))
            return
        stage = self._ready()
        if self._doubt:
            self._state = read_state(self._wire)
            stage.remember(self._state)
            self._doubt = False
        if chunk.id in stage.receipts:
            return
        total = stage.rows + rows.num_rows
        assert self._state is not None
        assert self._lease is not None
        self._check_room(self._state, total)
        with self._doubtful():
            stage.grow(total)
            self._lease.renew()
        stage.load(chunk, rows.select([*(column.name for column in stage.columns), "_file"]))

    @contextmanager
    def _doubtful(self) -> Iterator[None]:
        """A batch that fails may have been applied: the next `load` looks first."""
        try:
            yield
        except BaseException:
            self._doubt = True
            raise

    def foresee(self, rows: int) -> Foreseen:
        state = read_state(self._wire)
        aim = self._looked(state)
        found = self._checked(state, aim, again=True)
        if self._key and isinstance(found, int):
            found = Survey(last=1, rows=joined([]))
        foresight = Foresight(
            wire=self._wire,
            job=self._job,
            aim=aim,
            label=self._label,
            staged=self._rehearsal or InTab(stage=self._ready()),
            escaped=self._ways.escape_formulas,
            stop=self._stop,
            guard=self._guard(state, aim, found),
        )
        return foresight.of(found)

    @property
    def rows_staged(self) -> int:
        """Rows in the staging tab, or published by this delivery before."""
        if self._record is not None:
            return int(self._record["rows_sent"])
        return self._ready().rows

    def publish(self, *, rows: int, digest: str) -> Published:
        if self._published is not None:
            return self._published
        stage = self._ready()
        state = read_state(self._wire)
        if self._settled(state):
            assert self._published is not None
            return self._published
        stage.remember(state)
        if stage.rows != rows:
            raise BalanceError(f"{self._label}: {rows:,} rows were sent, {stage.rows:,} arrived")
        aim = self._looked(state)
        found = self._checked(state, aim, again=True)
        list(self._drift.notes(state.markers(aim.tab.sheet_id), found))
        made = self._turned(aim, found, stage, self._guard(state, aim, found))
        self._left = list(back.left(made, self._job.columns)) if made.left else []
        plan = made.plan(state, digest)
        try:
            self._wire.batch(publishing.requests(plan))
        except (UnavailableError, RefusedError):
            if not self._settled(read_state(self._wire)):
                raise
        self._record = {**plan.record, "_sheet": plan.live.sheet_id}
        self._published, self._turn = made.published, made
        self._drop_lease()
        self._aim = replace(aim, made=False, headless=False, tab=replace(aim.tab, rows=max(aim.tab.rows, plan.end)))
        return made.published

    def _turned(self, aim: Aim, found: Survey | int, stage: Stage, guard: Guard | None) -> Turn:
        _, names = self._looking()
        way = Way(
            job=self._job,
            label=self._label,
            wire=self._wire,
            names=names,
            serials=self._ways.serials,
            escaped=self._ways.escape_formulas,
            manifest=self._ways.manifest,
            guard=guard,
        )
        return turn(way, aim, found, stage, self._kept)

    def _settled(self, state: State) -> bool:
        """Whether this delivery is published already."""
        aim, names = self._looking()
        record = state.metadata.get(names.marker)
        if record is None:
            return False
        self._record, self._published = record, published_from(record)
        self._drop_lease()
        tab = state.by_id(int(record["_sheet"]))
        if tab is not None:
            self._aim = replace(aim, tab=tab, made=False, headless=False)
        return True

    def _drop_lease(self) -> None:
        """The publish has given the lock back."""
        if self._lease is not None:
            self._lease.text = None

    def left(self, columns: Sequence[DeliveryColumn]) -> Iterator[pa.Table] | None:
        if self._turn is None:
            return None
        return (table.select([column.name for column in columns]) for table in self._left)

    def proved(self) -> int | None:
        """Every row is read again from the live sheet and compared with what was read from the staging one."""
        if self._stage is None or self._turn is None:
            return None
        aim, _ = self._looking()
        return back.proved(self._wire, aim, self._stage, self._turn)

    def recognise(self, rows: Iterable[pa.Table]) -> bool:
        if not self._key or not self._job.key:
            return False
        aim, _ = self._looking()
        self.recognise_keys(back.BatchKeys.of(rows, aim.columns, self._job.key))
        return True

    def recognise_keys(self, keys: back.BatchKeys) -> None:
        """The keys of the rows that `read_back` is to find."""
        self._batch_keys = keys

    def manifest_before(self) -> Json | None:
        """Which part of a partition the delivery before was; after `open`."""
        aim, _ = self._looking()
        marks = tab_markers(aim.tab)
        return marks[-1][1].get("manifest") if marks else None

    def read_back(self, columns: Sequence[DeliveryColumn]) -> tuple[VerifyLevel, Iterator[pa.Table]]:
        state = read_state(self._wire)
        aim, _ = self._looking()
        record = self._record
        tab = None if record is None else state.by_id(int(record["_sheet"]))
        if record is None or tab is None or record.get("mixed") or back.overwritten(state, record):
            return VerifyLevel.COUNT, back.counted(self._wire, aim if tab is None else replace(aim, tab=tab))
        reader = back.Reader(
            wire=self._wire,
            aim=replace(aim, tab=tab),
            record=record,
            escaped=self._ways.escape_formulas,
        )
        if record.get("base") is not None:
            return VerifyLevel.CONTENT, reader.placed(columns)
        if self._batch_keys is not None:
            return VerifyLevel.CONTENT, reader.by_key(columns, self._batch_keys)
        return VerifyLevel.COUNT, back.counted(self._wire, reader.aim)

    def written(self, sent: Callable[[], Iterable[pa.Table]]) -> Written:
        aim, names = self._looking()
        escaped = self._ways.escape_formulas
        case = undoing.Case(wire=self._wire, aim=aim, names=names, job=self._job, label=self._label, escaped=escaped)
        self._undo = undoing.begin(case, read_state(self._wire))
        return self._undo.written(sent)

    def undo(self) -> Undone:
        if self._undo is None:
            raise RefusedError("there is nothing to take back")
        return self._undo.carry_out()

    def sweep(self, *, keep: int, ended: Collection[str], dry_run: bool) -> list[str]:
        """States kept for rollbacks, and staging tabs of runs that are over."""
        sweep = Sweep(wire=self._wire, sheet=self._sheet, job=self._job, label=self._label, keep=keep, ended=ended)
        return sweep.carry_out(dry_run=dry_run)

    def abandon(self) -> None:
        if self._stage is not None and self._published is None:
            self._release(drop_stage=True)

    def close(self) -> None:
        if self._undo is not None:
            with suppress(LoadlockError):
                self._undo.release()
        if self._lease is not None and self._lease.text is not None and self._published is None:
            empty = self._stage is None or not self._stage.receipts
            with suppress(LoadlockError):
                self._release(drop_stage=empty)
        if self._rehearsal is not None:
            self._rehearsal.close()
        self._wire.close()

    def _release(self, *, drop_stage: bool) -> None:
        _, names = self._looking()
        state = read_state(self._wire)
        requests = [] if self._lease is None else self._lease.release_requests()
        if state.by_id(names.stage) is not None:
            if drop_stage:
                requests.append({"deleteSheet": {"sheetId": names.stage}})
            elif self._stage is not None:
                self._stage.remember(state)
                requests += self._stage.receipt_requests()
        if requests:
            self._wire.batch(requests)
        self._drop_lease()
        if drop_stage:
            self._stage = None

    def _looking(self) -> tuple[Aim, Names]:
        assert self._aim is not None, "open was not called"
        names = self._names or Names.of(self._job, self._wire.spreadsheet, self._aim.tab.sheet_id)
        return self._aim, names

    def _ready(self) -> Stage:
        if self._stage is None:
            raise RefusedError(f"{self._label} is not open", hint="Call open first.")
        return self._stage
