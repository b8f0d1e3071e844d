"""Watches the rows of a direct load: hashes what is sent, and lets the server hash what lies in the table afterwards."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import Job
from loadlock.delivery.destinations._postgres_catalog import run
from loadlock.delivery.destinations._postgres_connect import Connector
from loadlock.delivery.destinations._postgres_proof import OLDEST_SERVER, Proof, Span
from loadlock.delivery.destinations._postgres_types import CatalogTable, wire_of
from loadlock.delivery.names import quote_ansi as quote
from loadlock.errors import DeliveryError
from loadlock.model import WriteMode

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa

_SETTINGS = {
    "max_parallel_workers_per_gather": "0",  # values are joined in the order of the rows
    "synchronize_seqscans": "off",  # and from the table's first row on
    "jit": "off",  # it takes longer than the question
}


class Watch:
    """What one session knows of its rows' places and hashes. Without `begin` it proves nothing."""

    def __init__(self) -> None:
        self._target = ""
        self._proof: Proof | None = None
        self._whole = False
        self._is_analyzed = True

    def begin(self, connection: psycopg.Connection[Any], target: str, table: CatalogTable, job: Job) -> None:
        """The load into `target` (as SQL) begins, in the open transaction."""
        self._target, self._proof = target, None
        if table.kind != "r" or connection.info.server_version < OLDEST_SERVER:
            return
        columns = tuple(table.column(column.name) for column in job.columns)
        wires = tuple(wire_of(found, column.type) for found, column in zip(columns, job.columns, strict=True))
        self._whole = job.mode == WriteMode.REPLACE
        first = "(0,0)" if self._whole else self._end(connection)
        self._proof = Proof(columns=columns, wires=wires, first=first)

    def _end(self, connection: psycopg.Connection[Any]) -> str:
        """Address of the last row of the table's last block."""
        sql = f"select greatest(pg_relation_size('{self._target.replace(chr(39), chr(39) * 2)}'::regclass)"
        pages = int(run(connection, f"{sql} / current_setting('block_size')::int8 - 1, 0)")[0][0])
        found = run(connection, f"select max(ctid)::text from {self._target} where ctid >= '({pages},0)'")
        return str(found[0][0] or f"({pages},0)")

    def span(self, rows: pa.Table) -> Span | None:
        """What hashes the rows of the next COPY; None where nothing can be proved any more."""
        return None if self._proof is None else self._proof.span(rows)

    def add(self, connection: psycopg.Connection[Any], span: Span) -> None:
        """The COPY is done: where do its rows lie?"""
        if self._proof is not None:
            behind = f"ctid > '{self._proof.end}'"
            found = run(connection, f"select count(*), max(ctid)::text from {self._target} where {behind}")
            self._proof.add(span, *found[0])

    def due(self, target: str) -> None:
        """The rows are visible: statistics are due."""
        self._target, self._is_analyzed = target, False

    def analyze(self, connection: psycopg.Connection[Any]) -> None:
        """Fresh statistics for the planner, once; failing at that changes nothing about the delivery."""
        import psycopg

        if not self._is_analyzed:
            self._is_analyzed = True
            with suppress(psycopg.Error):
                run(connection, f"analyze {self._target}")

    def compare(self, connection: psycopg.Connection[Any], connector: Connector) -> int | None:
        """Rows proved to be what was sent; None where the hashes can't tell.

        A second connection makes statistics and takes a share of the questions.
        """
        import psycopg

        proof = self._proof
        if proof is None or proof.broken or not proof.spans:
            return None
        waiting = deque(self._questions(proof.spans))
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="loadlock-prove") as thread:
            helper = thread.submit(self._help, connector, waiting)
            try:
                equal = self._ask(connection, waiting) and _joined(helper) and self._ask(connection, waiting)
            except psycopg.Error:
                equal = False
            finally:
                if not equal:
                    waiting.clear()
        return sum(span.rows for span in proof.spans) if equal else None

    def _questions(self, spans: Sequence[Span]) -> list[tuple[str, tuple[Any, ...]]]:
        """Each span's question and the answer that proves it. All together they look at the whole of a replaced table."""
        assert self._proof is not None
        found, behind = [], self._proof.first
        for number, span in enumerate(spans, 1):
            bounds = [] if self._whole and number == 1 else [f"t.ctid > '{behind}'"]
            if not (self._whole and number == len(spans)):
                bounds.append(f"t.ctid <= '{span.last}'")
            where = f" where {' and '.join(bounds)}" if bounds else ""
            found.append((f"select {span.question(quote)} from {self._target} t{where}", span.answer()))
            behind = span.last
        return found

    def _ask(self, connection: psycopg.Connection[Any], waiting: deque[tuple[str, tuple[Any, ...]]]) -> bool:
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

    def _help(self, connector: Connector, waiting: deque[tuple[str, tuple[Any, ...]]]) -> bool:
        """Statistics, then questions, on a connection of its own; a question it could not ask is left waiting."""
        import psycopg

        try:
            with connector.connect() as connection:
                self.analyze(connection)
                return self._ask(connection, waiting)
        except (psycopg.Error, DeliveryError):
            return True


def _joined(helper: Future[bool]) -> bool:
    return helper.result()
