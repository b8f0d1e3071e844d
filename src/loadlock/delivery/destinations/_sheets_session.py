"""One delivery into a tab of Google Sheets: lock, staging tab, one publishing batch, read-back.

Whatever is in doubt is asked of the spreadsheet: `open`, `load` and `publish` may be called again after UnavailableError
and begin by looking at what is there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from loadlock.delivery.base import DeliveryColumn, Job, Opened, Published, Session, TableInfo
from loadlock.delivery.destinations import _sheets_publish as publishing
from loadlock.delivery.destinations._local import delivered_columns
from loadlock.delivery.destinations._sheets_cells import Encoder, column_info, decode
from loadlock.delivery.destinations._sheets_check import Room, check_room, check_tab
from loadlock.delivery.destinations._sheets_rows import fingerprint, last_row, read_rows, slices
from loadlock.delivery.destinations._sheets_stage import Stage, published_record
from loadlock.delivery.destinations._sheets_state import (
    KEPT_MARKERS,
    MARKER_CHARS,
    Lock,
    Names,
    State,
    Tab,
    create,
    delete,
    packed,
    read_state,
)
from loadlock.delivery.destinations._sheets_wire import Json, Wire
from loadlock.delivery.fit import check_contract
from loadlock.delivery.names import check_names
from loadlock.delivery.sqltext import delivery_row, inserted_by_file, published_from
from loadlock.errors import BalanceError, LoadlockError, LockedError, RefusedError, UnavailableError
from loadlock.model import Chunk, VerifyLevel, WriteMode

if TYPE_CHECKING:
    import pyarrow as pa

POLL_SECONDS = 5.0
RENEW_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Ways:
    """How a session works, from the destination's options."""

    room: Room
    chunk_bytes: int
    serials: bool
    escape_formulas: bool


class SheetsSession(Session):
    """See `loadlock.delivery.base.Session`."""

    def __init__(self, job: Job, wire: Wire, title: str, label: str, ways: Ways) -> None:
        self._job = job
        self._wire = wire
        self._title = title
        self._label = label
        self._ways = ways
        self._names = Names.of(job, wire.spreadsheet, title)
        self._columns: tuple[DeliveryColumn, ...] = delivered_columns(job)
        """In the staging tab's order, which is the live tab's."""
        self._places: tuple[int, ...] = ()
        self._live: Tab | None = None
        self._made = False
        self._base = 1
        self._last = 1
        self._lock_text: str | None = None
        self._renewed = 0.0
        self._stage: Stage | None = None
        self._state: State | None = None
        self._record: Json | None = None
        self._published: Published | None = None
        self._doubt = False
        """A batch got no answer: the staging tab must be looked at before the next."""

    def open(self) -> Opened:
        state = read_state(self._wire)
        self._state = state
        info = self._look(state)
        created = self._made
        record = state.metadata.get(self._names.marker)
        if record is not None:
            self._record, self._published = record, published_from(record)
            return Opened(table=info, created=False, staged=True, published=self._published)
        self._check(state)
        state = self._locked(state)
        stage = self._staged(state)
        return Opened(table=info, created=created, staged=True, loaded=frozenset(stage.receipts))

    def _look(self, state: State) -> TableInfo:
        """The live tab's columns, and where the delivered ones lie. Raises where the contract doesn't hold."""
        self._live = state.tab(self._title)
        names = [] if self._live is None else header_of(self._wire, self._live)
        given = [column.name for column in delivered_columns(self._job)]
        check_names(given)
        self._made = self._live is None
        if self._live is None and not self._job.create:
            raise RefusedError(f"{self._label} does not exist", hint="Create it, or allow it by `create: true`.")
        if self._live is None or not any(names):
            self._blank(given)
            return TableInfo(columns=tuple(column_info(name) for name in given))
        info = table_info(names, self._label)
        check_contract(info, self._job, self._label)
        by_place = sorted((names.index(column.name), column) for column in delivered_columns(self._job))
        self._places = tuple(place for place, _ in by_place)
        self._columns = tuple(column for _, column in by_place)
        return info

    def _blank(self, given: Sequence[str]) -> None:
        self._columns = delivered_columns(self._job)
        self._places = tuple(range(len(given)))
        if self._live is not None and len(given) > self._live.columns:
            raise RefusedError(
                f"{self._label} is empty and has {self._live.columns} columns, {len(given)} are delivered"
            )
        if self._live is None:
            self._live = Tab(
                sheet_id=self._names.live, title=self._title, rows=2, columns=len(given), grid=True, raw={}
            )

    def _check(self, state: State) -> None:
        live = self._live_tab()
        if self._made:
            return
        check_tab(live, self._places, self._label)
        markers = state.markers(live.sheet_id)
        hint = 0 if not markers else int(markers[-1][1]["base"]) + int(markers[-1][1]["rows_sent"])
        self._last = last_row(self._wire, live, self._places, hint)
        self._base = self._last if self._job.mode == WriteMode.APPEND else 1
        if self._job.mode == WriteMode.REPLACE:
            self._check_foreign(live)
        check_room(
            state, self._ways.room, (live.sheet_id, live.rows, live.columns), (self._names.stage, 0), self._label
        )

    def _check_foreign(self, live: Tab) -> None:
        """Rows of columns that are not ours would no longer stand beside their own."""
        others = [place for place in range(live.columns) if place not in self._places]
        if others and last_row(self._wire, live, others, 0) > 1:
            raise RefusedError(
                f"{self._label} holds values in other columns, which would stand beside other rows after a replace",
                hint="Move them to another sheet, deliver those columns too, or append.",
            )

    def _locked(self, state: State) -> State:
        """Take the lock, in one batch with the staging tab; wait for another run as long as the job allows."""
        waited = 0.0
        while True:
            lock = state.lock(self._names.lock)
            if lock is None or lock.run == self._job.run or not lock.fresh:
                try:
                    self._take(state, lock)
                    return read_state(self._wire)
                except RefusedError:
                    before, state = lock, read_state(self._wire)
                    lock = state.lock(self._names.lock)
                    if lock == before:
                        raise
                    continue
            if waited >= self._job.wait_seconds:
                raise LockedError(
                    f"{self._label} is being written by run {lock.run}",
                    hint="Wait for it, or give --wait with a number of seconds; a lock that nobody renews ends by itself.",
                )
            time.sleep(POLL_SECONDS)
            waited += POLL_SECONDS
            state = read_state(self._wire)

    def _take(self, state: State, lock: Lock | None) -> None:
        self._renewed = time.time()
        text = packed({"run": self._job.run, "at": round(self._renewed)})
        requests = [] if lock is None else [delete(self._names.lock, lock.text)]
        requests.append(create(self._names.lock, {"run": self._job.run, "at": round(self._renewed)}, None))
        family = [tab for tab in state.tabs if tab.title.startswith(self._names.stage_family)]
        requests += [{"deleteSheet": {"sheetId": t.sheet_id}} for t in family if t.sheet_id != self._names.stage]
        if state.by_id(self._names.stage) is None:
            requests.append(Stage.add_request(self._names, len(self._columns)))
        self._wire.batch(requests)
        self._lock_text = text

    def _staged(self, state: State) -> Stage:
        tab = state.by_id(self._names.stage)
        if tab is None:
            raise UnavailableError("the staging sheet is not there yet")
        self._state = state
        ways = self._ways
        encoder = Encoder(self._columns, serials=ways.serials, escape_formulas=ways.escape_formulas)
        stage = Stage(
            wire=self._wire,
            names=self._names,
            columns=self._columns,
            encoder=encoder,
            most_bytes=ways.chunk_bytes,
            tab=tab,
        )
        stage.remember(state)
        self._stage = stage
        return stage

    def load(self, chunk: Chunk, rows: pa.Table) -> None:
        stage = self._ready()
        if self._doubt:
            self._state = read_state(self._wire)
            stage.remember(self._state)
            self._doubt = False
        if chunk.id in stage.receipts:
            return
        total = stage.rows + rows.num_rows
        self._check_room(total)
        with self._doubtful():
            stage.grow(total)
            self._renew()
        stage.load(chunk, rows.select([*(column.name for column in self._columns), "_file"]))

    def _check_room(self, rows: int) -> None:
        assert self._state is not None
        live = self._live_tab()
        needed = max(live.rows, self._base + rows)
        stage = (self._names.stage, rows * len(self._columns))
        check_room(self._state, self._ways.room, (live.sheet_id, needed, live.columns), stage, self._label)

    def _renew(self) -> None:
        """Say that this run is alive. A lock that another run took over meanwhile ends this one."""
        if time.time() - self._renewed < RENEW_SECONDS:
            return
        self._renewed = time.time()
        value = {"run": self._job.run, "at": round(self._renewed)}
        self._wire.batch([delete(self._names.lock, self._lock_text), create(self._names.lock, value, None)])
        self._lock_text = packed(value)

    @contextmanager
    def _doubtful(self) -> Iterator[None]:
        """A batch that fails may have been applied: the next `load` looks first."""
        try:
            yield
        except BaseException:
            self._doubt = True
            raise

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
        self._rebase()
        published = Published(
            inserted=rows,
            deleted=self._last - 1 if self._job.mode == WriteMode.REPLACE else 0,
            by_file=inserted_by_file(stage.counts_by_file()),
        )
        plan = self._plan(state, stage, published, digest)
        try:
            self._wire.batch(publishing.requests(plan))
        except (UnavailableError, RefusedError):
            if not self._settled(read_state(self._wire)):
                raise
        self._record, self._published, self._lock_text = {**plan.record, "_sheet": plan.live.sheet_id}, published, None
        self._live = replace(plan.live, rows=max(plan.live.rows, plan.base + plan.rows))
        return published

    def _rebase(self) -> None:
        """People may have added rows since `open`: append behind them."""
        if self._job.mode == WriteMode.APPEND and not self._made:
            self._last = self._base = last_row(self._wire, self._live_tab(), self._places, self._base)

    def _settled(self, state: State) -> bool:
        """Whether this delivery is published already."""
        record = state.metadata.get(self._names.marker)
        if record is None:
            return False
        self._record, self._published, self._lock_text = record, published_from(record), None
        self._live = state.tab(self._title) or self._live
        return True

    def _plan(self, state: State, stage: Stage, published: Published, digest: str) -> publishing.Plan:
        live = self._live_tab()
        markers = state.markers(live.sheet_id)
        row = delivery_row(self._job, self._label, published, rows=published.inserted, digest=digest)
        seq = 1 + (int(markers[-1][1].get("seq", 0)) if markers else 0)
        record = published_record(row, stage, base=self._base, seq=seq)
        return publishing.Plan(
            live=live,
            made=self._made,
            columns=self._columns,
            places=self._places,
            stage=stage.tab,
            base=self._base,
            rows=published.inserted,
            clear=self._job.mode == WriteMode.REPLACE,
            serials=self._ways.serials,
            lock=self._names.lock,
            marker=self._names.marker,
            record=record,
            pruned=tuple(_pruned(markers, len(packed(record)))),
            headless=not self._made and not any(header_of(self._wire, live)),
        )

    def proved(self) -> int | None:
        """Every range is read again from the live sheet and compared with what was read from the staging one."""
        if self._stage is None or self._record is None:
            return None
        live, row = self._live_tab(), self._base
        for receipt in self._stage.ordered:
            for count, known in receipt.parts:
                if fingerprint(read_rows(self._wire, live, self._places, row, row + count)) != known:
                    return None
                row += count
        return row - self._base

    def read_back(self, columns: Sequence[DeliveryColumn]) -> tuple[VerifyLevel, Iterator[pa.Table]]:
        state = read_state(self._wire)
        self._live = state.tab(self._title)
        record = self._record
        if record is None or self._live is None or _overwritten(state, record) or record.get("mixed"):
            return VerifyLevel.COUNT, self._counted()
        return VerifyLevel.CONTENT, self._stream(record, columns)

    def _counted(self) -> Iterator[pa.Table]:
        import pyarrow as pa

        rows = 0 if self._live is None else last_row(self._wire, self._live, self._places, 0) - 1
        yield pa.table({"count": pa.array([rows], pa.int64())})

    def _stream(self, record: Json, columns: Sequence[DeliveryColumn]) -> Iterator[pa.Table]:
        import pyarrow as pa

        empties = {self._columns[place].name for place in record.get("empty", ())}
        schema = pa.schema([(column.name, column.type.arrow()) for column in columns])
        index = {column.name: at for at, column in enumerate(self._columns)}
        base, end = int(record["base"]), int(record["base"]) + int(record["rows_sent"])
        for start, behind in slices(base, end):
            rows = read_rows(self._wire, self._live_tab(), self._places, start, behind)
            rows += [[] for _ in range(behind - start - len(rows))]
            padded = [[*line, *[""] * (len(self._places) - len(line))] for line in rows]
            cells = list(zip(*padded, strict=True))
            escaped = self._ways.escape_formulas
            arrays = [
                decode(cells[index[column.name]], column, escaped=escaped, empty_text=column.name in empties)
                for column in columns
            ]
            yield pa.table(arrays, schema)

    def abandon(self) -> None:
        if self._stage is not None and self._published is None:
            self._release(drop_stage=True)

    def close(self) -> None:
        if self._lock_text is not None and self._published is None:
            empty = self._stage is None or not self._stage.receipts
            with suppress(LoadlockError):
                self._release(drop_stage=empty)
        self._wire.close()

    def _release(self, *, drop_stage: bool) -> None:
        state = read_state(self._wire)
        requests = [] if self._lock_text is None else [delete(self._names.lock, self._lock_text)]
        if state.by_id(self._names.stage) is not None:
            if drop_stage:
                requests.append({"deleteSheet": {"sheetId": self._names.stage}})
            elif self._stage is not None:
                self._stage.remember(state)
                requests += self._stage.receipt_requests()
        if requests:
            self._wire.batch(requests)
        self._lock_text = None
        if drop_stage:
            self._stage = None

    def _live_tab(self) -> Tab:
        assert self._live is not None, "open was not called"
        return self._live

    def _ready(self) -> Stage:
        if self._stage is None:
            raise RefusedError(f"{self._label} is not open", hint="Call open first.")
        return self._stage


def _pruned(markers: Sequence[tuple[int, Json]], added: int) -> Iterator[int]:
    """Ids of the oldest marks that must go, by number and by the room that a tab has for them."""
    room = MARKER_CHARS - added
    for place, (mark, value) in enumerate(reversed(markers), 1):
        room -= len(value["_text"])
        if place >= KEPT_MARKERS or room < 0:
            yield mark


def _overwritten(state: State, record: Json) -> bool:
    """Whether a later delivery replaced the rows of this one."""
    later = [v for _, v in state.markers(int(record["_sheet"])) if int(v["seq"]) > int(record["seq"])]
    return any(value["mode"] == WriteMode.REPLACE for value in later)


def header_of(wire: Wire, tab: Tab) -> list[str]:
    """The names in the first row; "" for an empty cell."""
    rows = read_rows(wire, tab, range(tab.columns), 0, 1)
    return [str(name) for name in rows[0]] if rows else []


def table_info(names: Sequence[str], label: str) -> TableInfo:
    """The columns of a tab by its header. Raises RefusedError for names that stand twice."""
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise RefusedError(
            f"{label}: the header has {', '.join(map(repr, twice))} twice", hint="Give each column a name of its own."
        )
    return TableInfo(columns=tuple(column_info(name) for name in names if name))
