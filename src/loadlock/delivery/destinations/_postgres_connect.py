"""Connections to PostgreSQL: the URL, the settings of a session, errors without a secret."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from loadlock.delivery.destinations._server_options import ServerOptions
from loadlock.errors import DeliveryError, RefusedError, UsageError

if TYPE_CHECKING:
    import psycopg

CONNECT_SECONDS = 10
DEFAULTS = ServerOptions()
_ALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}
"""libpq's options by which a server that is gone without a word is noticed after a minute; the URL may say otherwise."""
_SETTINGS = {
    "client_encoding": "UTF8",
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "idle_in_transaction_session_timeout": "0",
    # the other way round: a client that is gone without a word must not keep its locks for hours
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}


def load_driver() -> ModuleType:
    """The module psycopg; UsageError says how to install it."""
    try:
        import pgpq  # noqa: F401
        import psycopg
    except ImportError as error:
        raise UsageError(
            "the driver for PostgreSQL is not installed", hint="pip install 'loadlock[postgres]'"
        ) from error
    return psycopg


@dataclass(frozen=True, kw_only=True)
class Connector:
    """Makes connections for one URL. `run` is shown to other sessions as who holds a lock."""

    url: str
    run: str = ""

    @property
    def place(self) -> str:
        """`host:port/database`, for people; read without the driver, so nothing of a broken URL is repeated."""
        try:
            parts = urlsplit(self.url)
            port = parts.port or 5432
        except ValueError:
            return "postgresql"
        return f"{parts.hostname or 'localhost'}:{port}/{unquote(parts.path.lstrip('/'))}"

    def connect(self, options: ServerOptions = DEFAULTS) -> psycopg.Connection[Any]:
        """A connection in autocommit mode with `$1` parameters. Raises UnavailableError or RefusedError."""
        driver = load_driver()
        from loadlock.delivery.destinations._postgres_errors import translate

        info = self._parsed(driver)
        info = {"connect_timeout": CONNECT_SECONDS, **_ALIVE, **info}
        info["application_name"] = f"loadlock {self.run}".strip()[:63]
        try:
            connection: psycopg.Connection[Any] = driver.connect(
                **info, autocommit=True, cursor_factory=driver.RawCursor, prepare_threshold=None
            )
        except driver.Error as error:
            raise self._refusal(error) from None
        settings = {**_SETTINGS, "lock_timeout": f"{options.lock_timeout * 1000:.0f}ms"}
        if options.statement_timeout:
            settings["statement_timeout"] = f"{options.statement_timeout * 1000:.0f}ms"
        try:
            for name, value in settings.items():
                connection.execute(b"select set_config($1, $2, false)", (name, value))
        except driver.Error as error:
            connection.close()
            raise translate(error) from error
        return connection

    def _refusal(self, error: psycopg.Error) -> DeliveryError:
        """Why no connection was made; libpq knows where it tried last."""
        from loadlock.delivery.destinations._postgres_errors import refused_connection

        wire = error.pgconn
        port = wire.port.decode() if wire is not None else ""
        if wire is None or not port.isdecimal():
            return self._unreadable()
        host, user, database = ((word or b"").decode(errors="replace") for word in (wire.host, wire.user, wire.db))
        return refused_connection(error, host or "127.0.0.1", int(port), user, database, self.place)

    def _unreadable(self) -> RefusedError:
        """For a URL that libpq can't read: its message would repeat the part in question, perhaps the password."""
        return RefusedError(
            f"the URL of {self.place} can't be read",
            hint="Write postgresql://user:password@host:port/database; percent-encode special characters.",
        )

    @contextmanager
    def session(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection for a few questions; errors are translated."""
        connection = self.connect()
        with connection, translated():
            yield connection

    def _parsed(self, driver: ModuleType) -> dict[str, Any]:
        try:
            return dict(driver.conninfo.conninfo_to_dict(self.url))
        except driver.Error:
            raise self._unreadable() from None


@contextmanager
def translated() -> Iterator[None]:
    """psycopg's errors as ours."""
    import psycopg

    from loadlock.delivery.destinations._postgres_errors import translate

    try:
        yield
    except DeliveryError:
        raise
    except psycopg.Error as error:
        raise translate(error) from error
