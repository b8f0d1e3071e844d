"""MySQL's and MariaDB's errors as ours, by error number."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

from loadlock.errors import DeliveryError, Refusal, RefusedError, RowsRefusedError, UnavailableError

if TYPE_CHECKING:
    import pymysql

TRANSIENT = frozenset({1040, 1053, 1203, 1205, 1213, 1927, 2002, 2003, 2006, 2013, 2055, 4031})
"""Too many connections, shutdown, lock wait timeout, deadlock, killed, no connection, connection lost."""
OF_ROWS = frozenset(
    {1048, 1062, 1169, 1216, 1263, 1264, 1265, 1292, 1364, 1366, 1367, 1406, 1411, 1416, 1451, 1452, 1644,
     1690, 3140, 3141, 3143, 3156, 3157, 3819, 3903, 4025, 4038}
)  # fmt: skip
"""Data that a column or a constraint does not take."""
_DENIED = frozenset({1044, 1142, 1143, 1227, 1370})
_HINTS = {
    1044: "Grant the user rights on the database.",
    1045: "Check user and password of the URL.",
    1049: "Create the database, or correct its name in the URL.",
    1142: "Grant the user the right, or use another user.",
    1021: "Make room on the server's disk, then run `loadlock resume`.",
    1114: "Make room on the server's disk, then run `loadlock resume`.",
    1071: "Make the key columns shorter, or create the table yourself.",
}


def translate(error: pymysql.err.MySQLError) -> DeliveryError:
    """Our error for one of PyMySQL's."""
    number, message = _parts(error)
    if number == 0:
        return UnavailableError("the connection to the server was lost", hint="The server or the network went away.")
    if isinstance(getattr(error, "original_exception", None), socket.gaierror):
        return RefusedError("the host of the URL is not known", hint="Correct the host in the URL.")
    if number in TRANSIENT:
        return UnavailableError(f"{message} [{number}]")
    if number in OF_ROWS:
        return RowsRefusedError(refusal(number, message))
    return RefusedError(f"{message} [{number}]", hint=_HINTS.get(number))


def is_denied(error: RefusedError) -> bool:
    """Whether the server refused a statement for want of a right."""
    cause = error.__cause__
    return cause is not None and bool(cause.args) and cause.args[0] in _DENIED


def refusal(number: int, message: str) -> Refusal:
    """A refusal as the server words it. The row that it names is only a guess where to cut the chunk."""
    found = re.search(r" at row (\d+)$", message)
    return Refusal(message=message, code=str(number), row=int(found[1]) - 1 if found else None)


def _parts(error: pymysql.err.MySQLError) -> tuple[int, str]:
    if len(error.args) >= 2 and isinstance(error.args[0], int):
        return error.args[0], str(error.args[1])
    return 0, str(error)
