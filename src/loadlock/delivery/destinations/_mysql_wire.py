"""Connections to MySQL and MariaDB by PyMySQL, with what it lacks: LOAD DATA from memory, fast reading of lines, quick starts.

All use names of PyMySQL that begin with an underscore, so the tests of this project hold the version in use to them.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from loadlock.delivery.destinations._mysql_address import Address
from loadlock.delivery.destinations._mysql_tls import tls_arguments, unverified
from loadlock.delivery.destinations._server_options import ServerOptions
from loadlock.errors import DeliveryError, UsageError

try:
    import pymysql
    from pymysql import connections, cursors, err
    from pymysql.constants import CLIENT, COMMAND
except ImportError as error:
    raise UsageError("the driver for MySQL is not installed", hint="pip install 'loadlock[mysql]'") from error

CONNECT_SECONDS = 10
DEFAULTS = ServerOptions()
_ALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 60_000}
"""By which a server that is gone without a word is noticed after a minute."""
_GRACE_SECONDS = 10.0
"""The server ends a statement itself; the client gives up so much later."""
SQL_MODE = (
    "STRICT_ALL_TABLES,STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,"
    "NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO"
)
_PACKET_BYTES = 1 << 20
_FULL_PACKET = 0xFFFFFF
_LENGTH_BYTES = {252: 3, 253: 4, 254: 9}
"""First byte of a long value → bytes before the value itself: the length in 2, 3 or 8 bytes."""
_LOST = 2013


if TYPE_CHECKING:
    _Connection = connections.Connection[cursors.Cursor]
else:
    _Connection = connections.Connection


class WireConnection(_Connection):
    """A PyMySQL connection that sends what `load` gives it, and nothing else, when the server asks for a local file."""

    _blocks: Iterable[Any] | None = None

    def _create_ssl_ctx(self, given: Any) -> Any:
        """Called by PyMySQL: its own context, but where nothing is asked of TLS."""
        private: Any = super()
        return private._create_ssl_ctx(given) if given else unverified()

    def load(self, statement: str, blocks: Iterable[Any]) -> int:
        """Run a LOAD DATA LOCAL statement on these blocks of bytes; the rows the server says it took."""
        self._blocks = blocks
        try:
            with self.cursor() as cursor:
                return int(cursor.execute(statement))
        finally:
            self._blocks = None

    def send_blocks(self) -> None:
        """Called by PyMySQL in place of reading a file."""
        blocks, self._blocks = self._blocks, None
        if blocks is None:
            raise err.OperationalError(0, "the server asked for a local file, and none was offered")
        for block in blocks:
            view = memoryview(block)
            for start in range(0, len(view), _PACKET_BYTES):
                self.write_packet(bytes(view[start : start + _PACKET_BYTES]))

    def lines(self, statement: str) -> Iterator[bytes | None]:
        """The values of a query with one column, as they come (None for null). Read it to its end."""
        private: Any = self
        private._execute_command(COMMAND.COM_QUERY, statement)
        result: Any = connections.MySQLResult(self)
        private._result = result
        result.init_unbuffered_query()
        yield from self._values(private._rfile.read)
        result.unbuffered_active = False
        result.connection = None

    def _values(self, read: Callable[[int], bytes]) -> Iterator[bytes | None]:
        """The first value of each row packet up to the end. PyMySQL's own reader takes ten times as long."""
        while True:
            header = read(4)
            size = int.from_bytes(header[:3], "little")
            packet = read(size)
            if len(header) < 4 or len(packet) < size:
                self._lose()
            if size == _FULL_PACKET:
                packet += self._rest(read)
            first = packet[0]
            if first < 251:
                yield packet[1:]
            elif first == 254 and len(packet) < 9:
                return
            elif first == 255:
                self._fail(packet)
            else:
                yield None if first == 251 else packet[_LENGTH_BYTES[first] :]

    def _rest(self, read: Callable[[int], bytes]) -> bytes:
        """What follows a packet of the greatest size: packets up to the first shorter one."""
        parts = []
        while True:
            header = read(4)
            size = int.from_bytes(header[:3], "little")
            parts.append(read(size))
            if len(header) < 4 or len(parts[-1]) < size:
                self._lose()
            if size < _FULL_PACKET:
                return b"".join(parts)

    def _fail(self, packet: bytes) -> None:
        private: Any = self
        private._result.unbuffered_active = False
        _library.MysqlPacket(packet, private.encoding).raise_for_error()

    def _lose(self) -> None:
        private: Any = self
        private._result.unbuffered_active = False
        private._force_close()
        raise err.OperationalError(_LOST, "Lost connection to MySQL server during query")


_library: Any = connections
_read_file = _library._send_local_file


def _send_local_file(filename: str, connection: Any) -> None:
    if isinstance(connection, WireConnection):
        connection.send_blocks()
    else:
        _read_file(filename, connection)


_library._send_local_file = _send_local_file


def connect(address: Address, options: ServerOptions = DEFAULTS) -> WireConnection:
    """A connection in autocommit mode, strict, UTC, utf8mb4. Raises UnavailableError or RefusedError."""
    extra = tls_arguments(address.options)
    if socket_path := address.options.get("unix_socket"):
        extra["unix_socket"] = socket_path
    with translated(f"{address.place}: "):
        connection = WireConnection(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password,
            database=address.database or None,
            charset="utf8mb4",
            client_flag=CLIENT.FOUND_ROWS,  # an UPDATE counts rows that it finds equal, too
            local_infile=True,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=options.statement_timeout + _GRACE_SECONDS if options.statement_timeout else None,
            **extra,
        )
        try:
            _keep_alive(connection)
            _set_up(connection, options)
        except BaseException:
            connection.close()
            raise
    return connection


def _keep_alive(connection: Any) -> None:
    if connection._sock.family != socket.AF_UNIX:
        for name, value in _ALIVE.items():
            if (number := getattr(socket, name, None)) is not None:  # some systems have other names for them
                connection._sock.setsockopt(socket.IPPROTO_TCP, number, value)


def _set_up(connection: WireConnection, options: ServerOptions) -> None:
    # lock_wait_timeout is that of a table's definition (somebody's ALTER TABLE): a day or a year by default
    wait = max(1, round(options.lock_timeout))
    run(connection, f"set session sql_mode = '{SQL_MODE}', time_zone = '+00:00', innodb_lock_wait_timeout = {wait},"
        f" lock_wait_timeout = {wait}, wait_timeout = 28800, max_error_count = 64")  # fmt: skip
    if options.statement_timeout:
        is_mariadb = "MariaDB" in str(run(connection, "select version()")[0][0])
        name, unit = ("max_statement_time", 1) if is_mariadb else ("max_execution_time", 1000)
        run(connection, f"set session {name} = {options.statement_timeout * unit:.0f}")


def run(connection: WireConnection, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement (empty for one without rows); values are bound as %s, and only then is `%` special."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return list(cursor.fetchall()) if cursor.description else []


def changed(connection: WireConnection, sql: str) -> int:
    """Rows that a statement inserted or deleted, or that an UPDATE's condition holds for."""
    with connection.cursor() as cursor:
        return int(cursor.execute(sql))


@contextmanager
def translated(prefix: str = "") -> Iterator[None]:
    """PyMySQL's errors as ours; `prefix` goes before the message."""
    from loadlock.delivery.destinations._mysql_errors import translate

    try:
        yield
    except DeliveryError:
        raise
    except (pymysql.MySQLError, struct.error, OSError) as error:
        if not isinstance(error, pymysql.MySQLError):
            error = err.OperationalError(_LOST, "the connection to the server was lost")
        found = translate(error)
        if prefix:
            found.args = (f"{prefix}{found}",)
        raise found from error
