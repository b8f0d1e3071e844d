"""The options that PostgreSQL and MySQL share: how long the server may work, and wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loadlock.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """Options of a destination on a database server."""

    statement_timeout: float = field(
        default=0.0, metadata={"doc": "Seconds after which a single statement is given up; 0 = never."}
    )
    lock_timeout: float = field(
        default=60.0,
        metadata={
            "doc": "Seconds to wait for a lock that others hold on a row or table; then the run tries again, a few times."
        },
    )

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> ServerOptions:
        """From a target's options. Raises UsageError for what is no number of seconds."""
        names = ("statement_timeout", "lock_timeout")
        found = cls(**{name: _seconds(name, options[name]) for name in names if name in options})
        if not found.lock_timeout:
            raise UsageError("lock_timeout: 0 would wait for ever", hint="Write seconds, such as 60.")
        return found


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1_000_000:
        raise UsageError(f"{name}: {value!r} is no number of seconds", hint="Write a number, such as 60 or 0.5.")
    return float(value)
