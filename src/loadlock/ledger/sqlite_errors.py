"""What a database refuses, in words: SQLite's error codes to WorkspaceError."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from loadlock.errors import WorkspaceError

BUSY_SECONDS = 30
_DAMAGED = (
    "Put the file back from a copy (`ledger.db.bak-*` lies beside it after an upgrade), or choose another workspace."
)
_RIGHTS = "Check the rights of the workspace, or choose another with --workspace."
_FULL = "Free some space, then run `loadlock resume`."
_LOCKED = "See which other process works in this workspace, and try again when it is done."
_MEANINGS = {
    sqlite3.SQLITE_BUSY: (f"is locked by another process for more than {BUSY_SECONDS} seconds", _LOCKED),
    sqlite3.SQLITE_LOCKED: ("is locked by another connection", _LOCKED),
    sqlite3.SQLITE_FULL: ("can't grow: the disk is full", _FULL),
    sqlite3.SQLITE_READONLY: ("can't be written", _RIGHTS),
    sqlite3.SQLITE_CANTOPEN: ("can't be opened", _RIGHTS),
    sqlite3.SQLITE_PERM: ("can't be opened", _RIGHTS),
    sqlite3.SQLITE_CORRUPT: ("is damaged", _DAMAGED),
    sqlite3.SQLITE_NOTADB: ("is damaged or no ledger: it is no SQLite database", _DAMAGED),
    sqlite3.SQLITE_IOERR: ("can't be read or written: the disk reports an error", _RIGHTS),
}
_PRIMARY = 0xFF
"""The low byte of an extended code of SQLite is the primary code."""


@contextmanager
def in_words(place: str) -> Iterator[None]:
    """Turn a database error inside the block into a WorkspaceError about the ledger at `place`."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise _workspace_error(place, error) from error


def _workspace_error(place: str, error: Exception) -> WorkspaceError:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None and code & _PRIMARY in _MEANINGS:
        meaning, hint = _MEANINGS[code & _PRIMARY]
        return WorkspaceError(f"the ledger {place} {meaning}", hint=hint)
    return WorkspaceError(f"the ledger {place} refused: {cause}")
