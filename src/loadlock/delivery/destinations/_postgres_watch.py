"""Watches the rows of a direct load: hashes what is sent, and lets the server hash what lies in the table afterwards."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import DeliveryColumn, Job
from loadlock.delivery.destinations._postgres_catalog import run
from loadlock.delivery.destinations._postgres_connect import Connector
from loadlock.delivery.destinations._postgres_order import identity
from loadlock.delivery.destinations._postgres_proof import OLDEST_SERVER, Span, span_of
from loadlock.delivery.destinations._postgres_types import CatalogTable, wire_of
from loadlock.delivery.names import quote_ansi as quote
from loadlock.errors import DeliveryError
from loadlock.model import WriteMode

if TYPE_CHECKING:
    import numpy as np
    import psycopg
    import pyarrow as pa

MOST_WAITING = 2
"""Pieces that wait to be hashed: their rows are in memory."""
MAX_STRAYS = 20_000
"""Rows that lie far from the others are compared one by one; with more of them nothing is proved."""
SMALL_PAGES = 20_000
"""Of a table of so many blocks (160 MB) all are looked at for the rows of the first COPY."""
_START = "(0,0)"
_PAGES_BACK = 1024
_SETTINGS = {
    # for questions about the order of rows
    "max_parallel_workers_per_gather": "0",  # values are joined in the order of the rows
    "synchronize_seqscans": "off",  # and from the table's first row on
    "jit": "off",  # it takes longer than the question
}
Question = tuple[str, tuple[Any, ...]]
"""A statement, and the row that it must answer."""
Read = Callable[[str], Iterator["pa.Table"]]
"""Reads the delivered columns of the rows `t` with a condition."""


class Watch:
    """What one session knows of its rows' places and hashes. Without `begin` it proves nothing.

    A table made in the same transaction takes the rows of each COPY in the order sent: they are hashed while they are
    encoded. Any other, an empty one too, fills what earlier pages have left: after each COPY the server is asked for the
    order, and they are hashed in it.
    """

    def __init__(self) -> None:
        self._target = ""
        self._due: str | None = None
        """The table that wants fresh statistics."""
        self._broken = True
        self._thread: ThreadPoolExecutor | None = None

    def begin(self, connection: psycopg.Connection[Any], target: str, table: CatalogTable, job: Job, new: bool) -> None:
        """The load into `target` (as SQL) begins, in the open transaction. `new` = the table was made in it."""
        self._target, self._new = target, new
        self._whole = job.mode == WriteMode.REPLACE
        self._broken = table.kind != "r" or connection.info.server_version < OLDEST_SERVER
        self._spans: list[Future[Span | None]] = []
        self._strays: list[pa.Table] = []
        self._found_by: int | None = None
        if self._broken:
            return
        self._know(table, job.columns)
        self._set(connection)
        self._end = _START if self._whole else self._last_row(connection)

    def _step_back(self) -> None:
        """Look for the next rows from some pages before the last row on: those that an earlier COPY has made and left empty."""
        page = max(0, int(self._end.strip("(").partition(",")[0]) - _PAGES_BACK)
        self._end = f"({page},0)"

    @staticmethod
    def _has_no_page(connection: psycopg.Connection[Any], target: str) -> bool:
        """Whether nothing was ever written into the table: then all that lies in it is the session's own."""
        return bool(run(connection, "select pg_relation_size($1::regclass) = 0", target)[0][0])

    def _last_row(self, connection: psycopg.Connection[Any]) -> str:
        """Address of the last row of the table's last block; of a small table the first, since its holes are looked at too."""
        sql = f"select greatest(pg_relation_size('{self._target.replace(chr(39), chr(39) * 2)}'::regclass)"
        pages = int(run(connection, f"{sql} / current_setting('block_size')::int8 - 1, 0)")[0][0])
        if pages <= SMALL_PAGES:
            return _START
        found = run(connection, f"select max(ctid)::text from {self._target} where ctid >= '({pages},0)'")
        return str(found[0][0] or f"({pages},0)")

    def begin_staging(
        self, connection: psycopg.Connection[Any], staging: str, table: CatalogTable, columns: Sequence[DeliveryColumn]
    ) -> None:
        """The load into an empty staging table begins; one that holds rows of an earlier session is not watched."""
        self._broken = not self._has_no_page(connection, staging) or connection.info.server_version < OLDEST_SERVER
        self._target, self._new, self._whole, self._end = staging, False, False, _START
        self._spans, self._strays, self._found_by = [], [], None
        self._know(table, columns)

    def add_staged(self, connection: psycopg.Connection[Any], rows: pa.Table) -> None:
        """The COPY of a chunk into the staging table is done, in the open transaction."""
        if self._broken:
            return
        self._set(connection)
        self._step_back()
        xid = str(run(connection, "select pg_current_xact_id()::xid::text")[0][0])
        self._add_in_any_order(connection, rows, xid)

    @staticmethod
    def _set(connection: psycopg.Connection[Any]) -> None:
        for name, value in _SETTINGS.items():
            run(connection, "select set_config($1, $2, true)", name, value)

    def _know(self, table: CatalogTable, columns: Sequence[DeliveryColumn]) -> None:
        self._columns = tuple(table.column(column.name) for column in columns)
        self._wires = tuple(wire_of(one, given.type) for one, given in zip(self._columns, columns, strict=True))

    def span(self, rows: pa.Table) -> Span | None:
        """What hashes the rows of the next COPY while they are sent; None where this is not the time."""
        if self._broken or not self._new:
            return None
        span = span_of(self._columns, self._wires, rows)
        self._broken = span is None
        return span

    def add(
        self, connection: psycopg.Connection[Any], rows: pa.Table, span: Span | None, xid: Callable[[], str]
    ) -> None:
        """The COPY is done: where do its rows lie, and in which order? `xid` = the transaction that wrote them."""
        if self._broken:
            return
        if span is not None:
            self._add_in_order(connection, span)
        else:
            self._step_back()
            self._add_in_any_order(connection, rows, xid())

    def _add_in_order(self, connection: psycopg.Connection[Any], span: Span) -> None:
        found, last = run(
            connection, f"select count(*), max(ctid)::text from {self._target} where ctid > '{self._end}'"
        )[0]
        self._broken = found != span.rows or not span.sound
        if not self._broken:
            done: Future[Span | None] = Future()
            done.set_result(self._placed(span, str(last)))
            self._spans.append(done)

    def _placed(self, span: Span, last: str) -> Span:
        span.behind, span.last = self._end, last
        self._end = last
        return span

    def _add_in_any_order(self, connection: psycopg.Connection[Any], rows: pa.Table, xid: str) -> None:
        import numpy as np

        known = identity(self._columns, self._wires, rows, self._found_by)
        shown = "null" if known is None else f"string_agg({known.show}({quote(known.column.name)}), ''::bytea)"
        where = f"ctid > '{self._end}' and xmin = '{xid}'"
        found, last, values = run(
            connection, f"select count(*), max(ctid)::text, {shown} from {self._target} where {where}"
        )[0]
        order: np.ndarray[Any, Any] | None = None
        if known is None:
            # nothing tells the rows apart: they may still lie in the order sent
            order = np.arange(rows.num_rows) if found == rows.num_rows else None
        elif found:
            order, self._found_by = known.order(bytes(values)), known.index
        self._broken = order is None or not self._take_strays(rows, order)
        if order is None or self._broken:
            return
        behind, self._end = self._end, str(last)
        if self._thread is None:
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="loadlock-hash")
        if len(self._spans) >= MOST_WAITING:
            self._spans[-MOST_WAITING].result()
        self._spans.append(self._thread.submit(self._try_hash, rows, order, (behind, self._end, xid)))

    def _take_strays(self, rows: pa.Table, order: np.ndarray[Any, Any]) -> bool:
        """Keep the rows that do not lie with the others; False where there are too many."""
        import numpy as np
        import pyarrow as pa

        away = np.setdiff1d(np.arange(rows.num_rows), order)
        if len(away):
            self._strays.append(rows.take(pa.array(away)))
        return sum(int(table.num_rows) for table in self._strays) <= MAX_STRAYS

    def _try_hash(self, rows: pa.Table, order: np.ndarray[Any, Any], place: tuple[str, str, str]) -> Span | None:
        """What can't be hashed, for whatever reason, proves nothing: the rows are read back then."""
        try:
            return self._hashed(rows, order, place)
        except Exception:
            return None

    def _hashed(self, rows: pa.Table, order: np.ndarray[Any, Any], place: tuple[str, str, str]) -> Span | None:
        """The span of the rows in the order in which they lie; in a thread of its own."""
        import numpy as np
        import pyarrow as pa

        if not np.array_equal(order, np.arange(rows.num_rows)):
            rows = rows.take(pa.array(order))
        span = span_of(self._columns, self._wires, rows)
        if span is None:
            return None
        arrays = [wire.convert(rows.column(index).combine_chunks()) for index, wire in enumerate(self._wires)]
        span.update(arrays)
        span.behind, span.last, span.xid = place
        return span if span.sound else None

    def give_up(self) -> None:
        """Rows went that were sent: nothing is proved any more."""
        self._broken = True

    def due(self, target: str) -> None:
        """The rows are visible: statistics are due."""
        self._due = target

    def analyze(self, connection: psycopg.Connection[Any]) -> None:
        """Fresh statistics for the planner, once; failing at that changes nothing about the delivery."""
        import psycopg

        due, self._due = self._due, None
        if due is not None:
            with suppress(psycopg.Error):
                run(connection, f"analyze {due}")

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None

    def compare(self, connection: psycopg.Connection[Any], connector: Connector, read: Read) -> int | None:
        """Rows proved to be what was sent; None where the hashes can't tell.

        A second connection makes statistics and takes a share of the questions.
        """
        import psycopg

        spans = [] if self._broken else [found for one in self._spans if (found := one.result()) is not None]
        if self._broken or not spans or len(spans) < len(self._spans):
            return None
        rows = sum(span.rows for span in spans) + sum(table.num_rows for table in self._strays)
        waiting = deque(self._questions(spans, rows))
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="loadlock-prove") as thread:
            helper = thread.submit(self._help, connector, waiting)
            try:
                equal = bool(self._ask(connection, waiting) and helper.result() and self._ask(connection, waiting))
            except psycopg.Error:
                equal = False
            finally:
                waiting.clear()
        return rows if equal and self._finds_strays(spans, read) else None

    def _questions(self, spans: list[Span], rows: int) -> Iterator[Question]:
        """Each span's question and the answer that proves it. All together they look at the whole of a replaced table."""
        if self._whole and not self._new:
            yield f"select count(*) from {self._target}", (rows,)
        for number, span in enumerate(spans, 1):
            open_ends = self._whole and self._new
            bounds = [] if open_ends and number == 1 else [f"t.ctid > '{span.behind}'"]
            if not (open_ends and number == len(spans)):
                bounds.append(f"t.ctid <= '{span.last}'")
            if span.xid is not None:
                bounds.append(f"t.xmin = '{span.xid}'")
            where = f" where {' and '.join(bounds)}" if bounds else ""
            yield f"select {span.question(quote)} from {self._target} t{where}", span.answer()

    def _finds_strays(self, spans: Iterable[Span], read: Read) -> bool:
        """Whether the rows that lie away from their span are those sent."""
        if not self._strays:
            return True
        places = ", ".join(f"('{span.xid}'::xid, '{span.behind}'::tid)" for span in spans)
        away = f"exists (select from (values {places}) v (x, p) where t.xmin = v.x and t.ctid <= v.p)"
        width = len(self._columns)
        try:
            found = Counter(row for table in read(away) for row in _rows(table, width))
            return found == Counter(row for table in self._strays for row in _rows(table, width))
        except (ValueError, OverflowError):  # a moment that Python has no value for
            return False

    def _ask(self, connection: psycopg.Connection[Any], waiting: deque[Question]) -> bool:
        """Whether the server gives the expected answer to each question that is still waiting."""
        for name, value in _SETTINGS.items():
            run(connection, "select set_config($1, $2, false)", name, value)
        try:
            while True:
                try:
                    question = waiting.popleft()
                except IndexError:
                    return True
                try:
                    found = run(connection, question[0])[0]
                except BaseException:
                    waiting.append(question)
                    raise
                if tuple(bytes(v) if isinstance(v, memoryview) else v for v in found) != question[1]:
                    return False
        finally:
            for name in _SETTINGS:
                run(connection, f"reset {name}")

    def _help(self, connector: Connector, waiting: deque[Question]) -> bool:
        """Statistics, then questions, on a connection of its own; a question it could not ask is left waiting."""
        import psycopg

        try:
            with connector.connect() as connection:
                self.analyze(connection)
                return self._ask(connection, waiting)
        except (psycopg.Error, DeliveryError):
            return True


def _rows(table: pa.Table, columns: int) -> Iterator[tuple[Any, ...]]:
    return zip(*(table.column(index).to_pylist() for index in range(columns)), strict=True)
