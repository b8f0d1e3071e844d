"""The URL of a MySQL or MariaDB server, read without the driver."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from loadlock.errors import RefusedError


@dataclass(frozen=True, kw_only=True)
class Address:
    """A URL's parts. `mysql://user:password@host:port/database?ssl_mode=verify_identity&ssl_ca=...&unix_socket=...`."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    options: dict[str, str]

    @classmethod
    def parse(cls, url: str) -> Address:
        """Raises RefusedError without repeating any part of the URL."""
        try:
            parts = urlsplit(url)
            port = parts.port or 3306
        except ValueError:
            raise RefusedError(
                "the URL of the MySQL server can't be read",
                hint="Write mysql://user:password@host:port/database; percent-encode special characters.",
            ) from None
        return cls(
            host=parts.hostname or "127.0.0.1",
            port=port,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=unquote(parts.path.lstrip("/")),
            options=dict(parse_qsl(parts.query)),
        )

    @property
    def place(self) -> str:
        """`host:port/database`, for people."""
        return f"{self.host}:{self.port}/{self.database}"
