"""Delivery to MySQL and MariaDB: LOAD DATA from memory with every warning checked, one InnoDB transaction, control row."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from loadlock.delivery.base import CONTROL_TABLE, Capabilities, DeliveryColumn, Job, Session, TableInfo, Target
from loadlock.delivery.destinations._mysql_address import Address
from loadlock.delivery.destinations._server_options import ServerOptions
from loadlock.delivery.names import TableName, parse_table
from loadlock.delivery.names import quote_backtick as quote
from loadlock.errors import UsageError
from loadlock.model import WriteMode

if TYPE_CHECKING:
    import pyarrow as pa


class MysqlDestination:
    """MySQL 8.4 and newer, MariaDB 10.6 and newer. TLS settings stand in the URL: `?ssl_mode=verify_identity&ssl_ca=ca.pem`
    (`disabled`; `preferred`, where nothing is said; `required`; `verify_ca`; `verify_identity`; `ssl_cert` and `ssl_key` for a
    client's own certificate)."""

    name: ClassVar[str] = "mysql"
    summary: ClassVar[str] = "MySQL and MariaDB tables, by LOAD DATA from memory in one InnoDB transaction"
    schemes: ClassVar[tuple[str, ...]] = ("mysql", "mariadb", "mysql+pymysql")
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset(WriteMode),
        joint_children=True,
        foresees=True,
        hooks=True,
        retires=True,
        chooses_updates=True,
        undoes=frozenset(WriteMode),
        early=True,
        name_bytes=64,
    )

    Options: ClassVar[type[ServerOptions]] = ServerOptions

    def label(self, target: Target) -> str:
        """`host:port/database table`."""
        address = self._address(target)
        return f"{address.place} {parse_table(target.table)}" if target.table else address.place

    def inspect(self, target: Target) -> TableInfo | None:
        """The table's columns and unique indexes, from information_schema."""
        from contextlib import closing

        from loadlock.delivery.destinations import _mysql_catalog as catalog
        from loadlock.delivery.destinations._mysql_wire import connect, translated

        name = self._name(target)
        with closing(connect(self._address(target))) as connection, translated():
            table = catalog.find_table(connection, name)
            return None if table is None else replace(table.info(), is_empty=catalog.is_empty(connection, table, name))

    def values(self, target: Target, columns: Sequence[DeliveryColumn]) -> Generator[pa.Table]:
        """Some columns of a table, streaming."""
        from loadlock.delivery.destinations._mysql_values import table_values

        return table_values(self._address(target), self._name(target), self.label(target), columns)

    def session(self, job: Job) -> Session:
        """A session; nothing is touched before `open`."""
        from loadlock.delivery.destinations._mysql_session import MysqlSession

        return MysqlSession(job, self._address(job.target), self._name(job.target), self.label(job.target))

    def last_delivery(self, target: Target) -> dict[str, Any] | None:
        """The newest control row of this table."""
        from contextlib import closing

        from loadlock.delivery.destinations import _mysql_catalog as catalog
        from loadlock.delivery.destinations._mysql_wire import connect, translated
        from loadlock.delivery.sqltext import DELIVERY_COLUMNS

        name = self._name(target)
        with closing(connect(self._address(target))) as connection, translated():
            control = name.beside(CONTROL_TABLE)
            if catalog.find_table(connection, control) is None:
                return None
            with connection.cursor() as cursor:
                cursor.execute(
                    f"select {', '.join(map(quote, DELIVERY_COLUMNS))} from {control.sql(quote)}"
                    f" where target = {connection.escape(str(name))} and mode <> 'rollback' order by published_at desc limit 1"
                )
                row = cursor.fetchone()
            return None if row is None else dict(zip(DELIVERY_COLUMNS, row, strict=True))

    def _name(self, target: Target) -> TableName:
        """The table with its database: the one named, or the URL's."""
        name = parse_table(target.table)
        database = name.schema or self._address(target).database
        if not database:
            raise UsageError("no database is named", hint="mysql://user@host/DATABASE, or --table database.table")
        return TableName(schema=database, table=name.table)

    def _address(self, target: Target) -> Address:
        return Address.parse(target.url)
