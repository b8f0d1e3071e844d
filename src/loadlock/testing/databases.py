"""Empty databases on a test server, dropped at the end of a `with` block; questions to any database."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    import pymysql


def with_database(url: str, database: str) -> str:
    """The URL with another database."""
    parts = urlsplit(url)
    return parts._replace(path=f"/{database}").geturl()


@contextmanager
def fresh_postgres(server_url: str) -> Iterator[str]:
    """URL of an empty PostgreSQL database."""
    import psycopg

    name = _name()
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
        try:
            yield with_database(server_url, name)
        finally:
            connection.execute(f"drop database {name} with (force)".encode())


@contextmanager
def fresh_mysql(server_url: str) -> Iterator[str]:
    """URL of an empty MariaDB or MySQL database."""
    name = _name()
    with closing(connect_mysql(server_url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"create database {name}")
        try:
            yield with_database(server_url, name)
        finally:
            cursor.execute(f"drop database {name}")


def connect_mysql(url: str) -> pymysql.connections.Connection[pymysql.cursors.Cursor]:
    """A plain PyMySQL connection with autocommit, for looking at what a delivery left."""
    import pymysql

    parts = urlsplit(url)
    return pymysql.connect(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 3306,
        user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""),
        database=unquote(parts.path.lstrip("/")) or None,
        charset="utf8mb4",
        autocommit=True,
        ssl_disabled=True,  # a context for TLS costs thirty milliseconds
    )


def ask(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements by others on one connection of their own, for any SQL destination; the rows of the last one (none for
    one without rows)."""
    kind, path = url.partition(":")[0], url.partition(":///")[2]
    rows: list[tuple[Any, ...]] = []
    if kind == "duckdb":
        import duckdb

        with duckdb.connect(path) as base:
            for sql in statements:
                rows = [tuple(row) for row in base.execute(sql).fetchall()]
        return rows
    if kind == "sqlite":
        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            for sql in statements:
                rows = file.execute(sql).fetchall()
        return rows
    if kind in ("mysql", "mariadb"):
        with closing(connect_mysql(url)) as link, link.cursor() as cursor:
            for sql in statements:
                cursor.execute(sql)
                rows = [tuple(row) for row in cursor.fetchall()]
        return rows
    import psycopg

    with psycopg.connect(url, autocommit=True) as server:
        for sql in statements:
            found = server.execute(sql.encode())
            rows = [] if found.description is None else found.fetchall()
    return rows


def _name() -> str:
    return f"t_{uuid.uuid4().hex[:12]}"
