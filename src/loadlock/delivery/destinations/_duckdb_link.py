"""Connections to a DuckDB file, and its errors as ours."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from loadlock.delivery.destinations._local import POLL_SECONDS, check_folder
from loadlock.delivery.refusals import CLASH_HINT
from loadlock.errors import LockedError, RefusedError, UnavailableError

MEMORY_LIMIT = "200MB"
FULL_HINT = "Make room on the disk, then run `loadlock resume`."


def connect(path: Path, *, wait_seconds: float = 0.0, memory_limit: str = MEMORY_LIMIT) -> Any:
    """A connection that may write; the file is made if it is absent.

    Raises LockedError while another process has the file open, after waiting for at most `wait_seconds`.
    """
    check_folder(path)
    end = time.monotonic() + wait_seconds
    while True:
        try:
            connection = duckdb.connect(str(path))
        except duckdb.ConnectionException as error:
            raise LockedError(
                f"{path} is open for reading only in this process", hint="Close that connection."
            ) from error
        except duckdb.IOException as error:
            if not _is_lock(error):
                raise RefusedError(
                    f"can't open {path}: {_first_line(error)}", hint="Look at the path, its rights and what it holds."
                ) from error
            if time.monotonic() >= end:
                raise LockedError(
                    f"another process has {path} open, and a DuckDB file admits one",
                    hint="Close it there, or give --wait with a number of seconds.",
                ) from error
            time.sleep(POLL_SECONDS)
        else:
            set_up(connection, memory_limit)
            return connection


def connect_reading(path: Path) -> Any:
    """A connection that only reads an existing file. Raises UnavailableError while another process writes to it."""
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.ConnectionException:
        # this process has it open for writing: join that instance
        connection = duckdb.connect(str(path))
    except duckdb.IOException as error:
        if _is_lock(error):
            raise UnavailableError(f"another process has {path} open, and a DuckDB file admits one") from error
        raise RefusedError(
            f"can't open {path}: {_first_line(error)}", hint="Look at the path and its rights."
        ) from error
    set_up(connection, MEMORY_LIMIT)
    return connection


def connect_for_trial(path: Path) -> Any:
    """A connection that changes nothing; to an empty database where the file is absent."""
    if path.exists():
        return connect_reading(path)
    connection = duckdb.connect()
    set_up(connection, MEMORY_LIMIT)
    return connection


def set_up(connection: Any, memory_limit: str | None = None) -> None:
    """Times in UTC, so that moments come back as they went in; memory bounded, the rest spills beside the file.

    The limit counts for all connections of this process to the file; None leaves it as it is.
    """
    connection.execute("set timezone = 'UTC'").fetchall()
    connection.execute("set enable_progress_bar = false").fetchall()
    if memory_limit is not None:
        connection.execute(f"set memory_limit = '{memory_limit}'").fetchall()


def holds_nothing(connection: Any) -> bool:
    """Whether the file has no table and no view."""
    found = connection.execute(
        "select (select count(*) from duckdb_tables()) + (select count(*) from duckdb_views() where not internal)"
    )
    return bool(found.fetchall() == [(0,)])


@contextmanager
def mapped(label: str) -> Iterator[None]:
    """Raise DuckDB's errors as RefusedError or UnavailableError."""
    try:
        yield
    except duckdb.TransactionException as error:
        if "No space left" in str(error):  # a commit that the disk refuses is no error of its own kind
            raise RefusedError(f"{label}: the disk is full: {_first_line(error)}", hint=FULL_HINT) from error
        raise UnavailableError(f"{label}: another transaction was in the way: {_first_line(error)}") from error
    except duckdb.OutOfMemoryException as error:
        raise RefusedError(
            f"{label}: out of memory: {_first_line(error)}", hint="Raise the destination's option memory_limit."
        ) from error
    except duckdb.ConstraintException as error:
        hint = CLASH_HINT if "Duplicate key" in str(error) else None
        raise RefusedError(f"{label}: {_first_line(error)}", hint=hint) from error
    except duckdb.Error as error:
        raise RefusedError(f"{label}: {_first_line(error)}") from error


def run_one(connection: Any, label: str, sql: str) -> None:
    """Run one statement of the user."""
    with mapped(label):
        if len(connection.extract_statements(sql)) != 1:
            raise RefusedError(f"{label}: a hook is one statement", hint="Write several as a list.")
        connection.execute(sql).fetchall()


def _is_lock(error: Exception) -> bool:
    # DuckDB gives the same class and no code for every fault of opening
    return "Could not set lock" in str(error)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
