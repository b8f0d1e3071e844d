"""The names of runs and batches."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""The time now, with a time zone."""
Randomness = Callable[[int], bytes]
"""So many random bytes."""


def utc_clock() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


def new_run_id(clock: Clock = utc_clock, randomness: Randomness = secrets.token_bytes) -> str:
    """A run's name: sortable by its start in UTC, with 16 random bits, as `r20261123-054500-3f9a`."""
    return f"r{clock().astimezone(UTC):%Y%m%d-%H%M%S}-{randomness(2).hex()}"


def batch_id(name: str, digests: Iterable[str]) -> str:
    """A batch's name: sha256 (64 hex digits) of the pipeline's name and the digests of its files' bytes.

    What is hashed: the name in UTF-8, a line feed, then each digest as lower-case hex followed by a line feed, in
    ascending order. Equal files count each; the order of the files and their names don't matter. For `load` the name is
    destination and table.
    """
    lines = [name, *sorted(digest.lower() for digest in digests)]
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")).hexdigest()
