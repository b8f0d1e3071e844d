"""Where runs take place: private servers with fsync on, and for each run an empty table and an empty folder of its own."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg

from bench.contestants import Arena
from bench.job import mysql_table, postgres_table
from loadlock.testing.databases import connect_mysql, fresh_mysql, fresh_postgres
from loadlock.testing.servers import MissingServerError, start_mariadb, start_mysql, start_postgres


def start_servers(destinations: Sequence[str], stack: ExitStack) -> dict[str, str]:
    """URL of each destination's server; one that isn't installed is said and left out. `stack` stops them."""
    urls: dict[str, str] = {}
    for name, start in (("postgres", start_postgres), ("mariadb", start_mariadb), ("mysql", start_mysql)):
        if name not in destinations:
            continue
        try:
            server = start(durable=True)
        except MissingServerError as error:
            print(f"bench: {error}; {name} is left out", file=sys.stderr)
            continue
        stack.callback(server.stop)
        urls[name] = server.url
    if "duckdb" in destinations:
        urls["duckdb"] = ""
    return urls


@contextmanager
def arena(servers: Mapping[str, str], destination: str, folder: Path, *, with_table: bool = True) -> Iterator[Arena]:
    """An empty database with the empty table `orders`, everything earlier flushed to disk; dropped at the end."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        if destination == "postgres":
            url = stack.enter_context(fresh_postgres(servers[destination]))
            with psycopg.connect(url, autocommit=True) as connection:
                if with_table:
                    connection.execute(postgres_table().encode())
                connection.execute("checkpoint")
        elif destination in ("mariadb", "mysql"):
            url = stack.enter_context(fresh_mysql(servers[destination]))
            if with_table:
                with closing(connect_mysql(url)) as mysql, mysql.cursor() as cursor:
                    cursor.execute(mysql_table())
        else:
            url = f"duckdb:///{(folder / 'orders.duckdb').resolve()}"
        os.sync()
        yield Arena(url=url, folder=folder)
