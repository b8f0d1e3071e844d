"""PostgreSQL's errors as ours, by SQLSTATE. Appendix A of the PostgreSQL manual lists the codes."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

from loadlock.errors import DeliveryError, Refusal, RefusedError, RowsRefusedError, UnavailableError

if TYPE_CHECKING:
    import psycopg

TRANSIENT = frozenset({"40001", "40P01", "53300", "55P03", "57P01", "57P02", "57P03"})
"""Serialization failure, deadlock, too many connections, lock not available, shutdowns, starting up. Class 08 too."""
_OF_ROWS = ("22", "23")
_HINTS = {
    "28": "Check user and password of the URL.",
    "3D": "Create the database, or correct its name in the URL.",
    "42501": "Grant the user the right, or use another user.",
    "53100": "Make room on the server's disk, then run `loadlock resume`.",
    "57014": "The statement was cancelled or took longer than `statement_timeout`.",
}
_PROBE_SECONDS = 5.0
_BROKEN_OFF = ("closed the connection unexpectedly", "could not receive data", "could not send data", "reset by peer")
"""libpq's words where a server went away in the middle of a handshake; it has no code for it."""


def is_transient(sqlstate: str) -> bool:
    """Whether the same may work a little later."""
    return sqlstate in TRANSIENT or sqlstate.startswith("08")


def translate(error: psycopg.Error) -> DeliveryError:
    """Our error for one of psycopg's, raised by a statement on an open connection."""
    state, diag = error.sqlstate, error.diag
    if state is None:
        return UnavailableError("the connection to the server was lost", hint="The server or the network went away.")
    message = diag.message_primary or state
    if is_transient(state):
        return UnavailableError(f"{message} [{state}]")
    if state[:2] in _OF_ROWS:
        return RowsRefusedError(
            Refusal(
                message=message,
                code=state,
                constraint=diag.constraint_name,
                column=diag.column_name,
                row=_row(diag.context),
            )
        )
    return RefusedError(f"{message} [{state}]", hint=_hint(state))


def _hint(state: str) -> str | None:
    return _HINTS.get(state) or _HINTS.get(state[:2])


def _row(context: str | None) -> int | None:
    """Where to cut: the line number that COPY names in its context. Only a guess; the row is then sent alone."""
    found = re.match(r"COPY [^\n]*?, [^\d\n]*(\d+)", context or "")
    return int(found[1]) - 1 if found else None


def refused_connection(
    error: psycopg.Error, host: str, port: int, user: str, database: str, place: str
) -> DeliveryError:
    """Our error for a connection that could not be made.

    libpq gives no SQLSTATE for it, so the server is asked once more with a bare start-up packet, whose answer has one.
    """
    try:
        state = _ask(host, port, user, database)
    except socket.gaierror:
        return RefusedError(f"{place}: the host {host!r} is not known", hint="Correct the host in the URL.")
    except OSError:
        return UnavailableError(f"{place} does not answer", wait_seconds=1.0, hint="Is the server running there?")
    if state is not None and is_transient(state):
        return UnavailableError(f"{place}: the server takes no connections now [{state}]")
    if state is None and any(words in str(error) for words in _BROKEN_OFF):
        return UnavailableError(f"{place}: the connection broke off while it was made", wait_seconds=1.0)
    hint = _hint(state) if state else "Check user, password and database of the URL."
    return RefusedError(f"{place}: the server refused the connection: {_last_line(error)}", hint=hint)


def _last_line(error: psycopg.Error) -> str:
    """The server's own words, without libpq's list of addresses; libpq never prints the password."""
    return str(error).strip().splitlines()[-1].rpartition("FATAL:")[2].strip()


def _ask(host: str, port: int, user: str, database: str) -> str | None:
    """The SQLSTATE that a start-up packet is answered with; None if the server asks for a password or lets us in."""
    words = b"".join(word.encode() + b"\0" for word in ("user", user, "database", database)) + b"\0"
    body = b"\x00\x03\x00\x00" + words
    with _connect(host, port) as wire:
        wire.sendall((len(body) + 4).to_bytes(4, "big") + body)
        answer = wire.recv(4096)
    if answer[:1] != b"E":
        return None
    fields = {field[:1]: field[1:] for field in answer[5:].split(b"\0") if field}
    return fields.get(b"C", b"").decode("ascii", "replace") or None


def _connect(host: str, port: int) -> socket.socket:
    if host.startswith("/"):
        wire = socket.socket(socket.AF_UNIX)
        wire.settimeout(_PROBE_SECONDS)
        wire.connect(f"{host}/.s.PGSQL.{port}")
        return wire
    return socket.create_connection((host, port), timeout=_PROBE_SECONDS)
