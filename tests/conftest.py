"""Server fixtures: each test that asks for `postgres` or `mysql` gets a URL of an empty database of its own.

The servers start when the first test asks for one. `LOADLOCK_TEST_POSTGRES`, `LOADLOCK_TEST_MYSQL` and
`LOADLOCK_TEST_MYSQL_LTS` name others. Where none can be had the test is skipped, and with `CI` set it fails, but for MySQL's
own server, which is fetched over the network.

The tests' folders are in memory where there is room (`--basetemp` and `PYTEST_DEBUG_TEMPROOT` name another place): no test is
about a disk that loses power, and a load waits for a disk a dozen times.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loadlock.testing.command import CommandLine
from loadlock.testing.databases import fresh_mysql, fresh_postgres
from loadlock.testing.servers import MissingServerError, Server, start_mariadb, start_mysql, start_postgres

MEMORY = Path("/dev/shm")
_FREE_BYTES, _AVAILABLE_BYTES = 4 << 30, 8 << 30


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--full-faults`: each way to go wrong at each request to a sheet, and the long forms of bad input (an hour)."""
    parser.addoption("--full-faults", action="store_true", help="all ways to go wrong at all requests, long forms")
    parser.addoption(
        "--live", action="store_true", help="ask the real Google Sheets; see tests/contract/test_sheets_service.py"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Temporary folders in memory."""
    if config.option.basetemp is None and _memory_has_room():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def _memory_has_room() -> bool:
    """Room for folders, and memory left for what is tested."""
    if not os.access(MEMORY, os.W_OK | os.X_OK):
        return False
    available = re.search(r"MemAvailable: *(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
    enough = available is not None and int(available[1]) << 10 >= _AVAILABLE_BYTES
    return enough and shutil.disk_usage(MEMORY).free >= _FREE_BYTES


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests first, in their random order: none of them is left to one process at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture
def loadlock(tmp_path: Path) -> CommandLine:
    """The command line in an empty folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    return CommandLine(folder=folder)


def _serve(variable: str, start: Callable[[], Server], *, needed: bool = True) -> Iterator[str]:
    if url := os.environ.get(variable):
        yield url
        return
    try:
        server = start()
    except MissingServerError as error:
        if needed and os.environ.get("CI"):
            pytest.fail(f"{error}, and CI is set")
        pytest.skip(f"NO SERVER: {error}; set {variable} to the URL of one")
    try:
        yield server.url
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a superuser on a PostgreSQL server."""
    yield from _serve("LOADLOCK_TEST_POSTGRES", start_postgres)


@pytest.fixture(scope="session")
def mysql_server() -> Iterator[str]:
    """URL of a superuser on a MariaDB or MySQL server."""
    yield from _serve("LOADLOCK_TEST_MYSQL", start_mariadb)


@pytest.fixture(scope="session")
def mysql_lts_server() -> Iterator[str]:
    """URL of a superuser on a MySQL server that is no MariaDB; fetched where it isn't installed."""
    yield from _serve("LOADLOCK_TEST_MYSQL_LTS", start_mysql, needed=False)


@pytest.fixture
def postgres(postgres_server: str) -> Iterator[str]:
    """URL of an empty PostgreSQL database, dropped after the test."""
    with fresh_postgres(postgres_server) as url:
        yield url


@pytest.fixture
def mysql_lts(mysql_lts_server: str) -> Iterator[str]:
    """URL of an empty MySQL database, dropped after the test."""
    with fresh_mysql(mysql_lts_server) as url:
        yield url


@pytest.fixture
def mysql(mysql_server: str) -> Iterator[str]:
    """URL of an empty MariaDB or MySQL database, dropped after the test."""
    with fresh_mysql(mysql_server) as url:
        yield url
