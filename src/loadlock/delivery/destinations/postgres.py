"""Delivery to PostgreSQL 12 and newer: binary COPY, one transaction, control row, read-back of the content."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from loadlock.delivery.base import CONTROL_TABLE, Capabilities, DeliveryColumn, Job, Session, TableInfo, Target
from loadlock.delivery.destinations._server_options import ServerOptions
from loadlock.delivery.names import parse_table
from loadlock.delivery.names import quote_ansi as quote
from loadlock.model import WriteMode

if TYPE_CHECKING:
    import pyarrow as pa

    from loadlock.delivery.destinations._postgres_connect import Connector


class PostgresDestination:
    """PostgreSQL. TLS and other connection settings stand in the URL, as libpq has them (`?sslmode=verify-full`)."""

    name: ClassVar[str] = "postgres"
    summary: ClassVar[str] = "PostgreSQL tables, by binary COPY in one transaction"
    schemes: ClassVar[tuple[str, ...]] = ("postgresql", "postgres")
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset(WriteMode),
        transactional_ddl=True,
        early=True,
        joint_children=True,
        foresees=True,
        hooks=True,
        retires=True,
        chooses_updates=True,
        spares=True,
        empties_last=True,
        undoes=frozenset(WriteMode),
        name_bytes=63,
    )

    Options: ClassVar[type[ServerOptions]] = ServerOptions

    def label(self, target: Target) -> str:
        """`host:port/database schema.table`."""
        return f"{self._connector(target).place} {parse_table(target.table)}" if target.table else self._place(target)

    def inspect(self, target: Target) -> TableInfo | None:
        """The table's columns and unique indexes, from the catalogue."""
        from loadlock.delivery.destinations import _postgres_catalog as catalog

        with self._connector(target).session() as connection:
            name = catalog.resolve(connection, parse_table(target.table))
            table = catalog.find_table(connection, name)
            return None if table is None else replace(table.info(), is_empty=catalog.is_empty(connection, name))

    def values(self, target: Target, columns: Sequence[DeliveryColumn]) -> Generator[pa.Table]:
        """Some columns of a table, streaming."""
        from loadlock.delivery.destinations._postgres_values import table_values

        return table_values(self._connector(target), target, self.label(target), columns)

    def session(self, job: Job) -> Session:
        """A session; nothing is touched before `open`."""
        from loadlock.delivery.destinations._postgres_session import PostgresSession

        name = parse_table(job.target.table)
        return PostgresSession(job, self._connector(job.target, job.run), name, self.label(job.target))

    def last_delivery(self, target: Target) -> dict[str, Any] | None:
        """The newest control row of this table."""
        from loadlock.delivery.destinations import _postgres_catalog as catalog

        with self._connector(target).session() as connection:
            name = catalog.resolve(connection, parse_table(target.table))
            control = name.beside(CONTROL_TABLE)
            if catalog.find_table(connection, control) is None:
                return None
            where = "target = $1 and mode <> 'rollback'"
            sql = f"select * from {control.sql(quote)} where {where} order by published_at desc limit 1"
            cursor = connection.execute(sql.encode(), (str(name),))
            names = [column.name for column in cursor.description or ()]
            row = cursor.fetchone()
            return None if row is None else dict(zip(names, row, strict=True))

    def _place(self, target: Target) -> str:
        return self._connector(target).place

    def _connector(self, target: Target, run: str = "") -> Connector:
        from loadlock.delivery.destinations._postgres_connect import Connector

        return Connector(url=target.url, run=run)
