"""Servers of our own for the trials: they are killed, filled up and cut off, so nobody else may use them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from loadlock.testing.breaking.places import LOCAL, SERVERS, MysqlPlace, Place, PostgresPlace, local_place
from loadlock.testing.breaking.proxy import Proxy
from loadlock.testing.breaking.stage import small_disk
from loadlock.testing.breaking.trial import Cell
from loadlock.testing.databases import with_database
from loadlock.testing.servers import Server, start_mariadb, start_mysql, start_postgres

KINDS = (*SERVERS, *LOCAL)
_POSTGRES = {"max_connections": "24", "superuser_reserved_connections": "0", "deadlock_timeout": "200ms"}
_MYSQL = {"max-connections": "24", "innodb-flush-log-at-trx-commit": "1"}
"""As servers are by default: what was committed is there after a SIGKILL."""


@contextmanager
def arena(kind: str, folder: Path) -> Iterator[list[Cell]]:
    """The cells of one kind of destination, one for each of its write modes. Raises MissingServerError."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind in LOCAL:
        place = local_place(kind, folder)
        yield [
            Cell(kind=kind, mode=mode, number=number, folder=folder, place=place)
            for number, mode in enumerate(place.modes, KINDS.index(kind))
        ]
        return
    with ExitStack() as stack:
        server = _start(kind)
        stack.callback(server.stop)
        place = _database(kind, server)
        proxy = stack.enter_context(Proxy(server.port))
        yield [
            Cell(kind=kind, mode=mode, number=number, folder=folder, place=place, server=server, proxy=proxy)
            for number, mode in enumerate(place.modes, KINDS.index(kind))
        ]


def _start(kind: str) -> Server:
    if kind == "postgres":
        return start_postgres(settings=_POSTGRES)
    if kind == "mariadb":
        return start_mariadb(settings=_MYSQL)
    return start_mysql(settings=_MYSQL)


def _database(kind: str, server: Server) -> Place:
    """An empty database; it goes with its server."""
    make = PostgresPlace if kind == "postgres" else MysqlPlace
    make(kind=kind, url=server.url).query("create database trials")
    return make(kind=kind, url=with_database(server.url, "trials"))


@contextmanager
def small_server_disk(place: Place, server: Server, megabytes: int) -> Iterator[None]:
    """New tables of the trials' database lie on a small disk, `small` in the server's folder. Raises CannotError."""
    if isinstance(place, PostgresPlace):
        made = _small_tablespace(place, server, megabytes)
    else:
        assert isinstance(place, MysqlPlace)
        made = _small_database(place, server, megabytes)
    with made:
        yield


@contextmanager
def _small_tablespace(place: PostgresPlace, server: Server, megabytes: int) -> Iterator[None]:
    folder = server.folder / "small"
    database = place.query("select current_database()")[0][0]
    with small_disk(folder, megabytes):
        shutil.chown(folder, "nobody")
        folder.chmod(0o700)
        place.query(f"create tablespace small location '{folder}'")
        place.query(f"alter database {database} set default_tablespace = 'small'")
        try:
            yield
        finally:
            place.query(f"alter database {database} reset default_tablespace")
            place.query("drop schema public cascade; create schema public")
            place.query("drop tablespace small")


@contextmanager
def _small_database(place: MysqlPlace, server: Server, megabytes: int) -> Iterator[None]:
    """A database of MySQL is a folder: the disk is mounted over it while it is empty."""
    place.empty()
    data = server.folder / "data"
    folder, small = data / "trials", server.folder / "small"
    with small_disk(folder, megabytes):
        shutil.chown(folder, data.stat().st_uid, data.stat().st_gid)
        small.symlink_to(folder)
        try:
            yield
        finally:
            small.unlink()
            place.empty()
