"""The contract of a place: where source files come from, other than this machine's own folders.

Call order: `find` once for each pattern of a pipeline, then for each file `open` until it was read to its end (again after
each interruption, from the byte that was reached), then `unchanged` once. All calls block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from loadlock.errors import LoadlockError


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a place says of a file's present state."""

    size: int | None
    """In bytes; None where it is known only at the end."""
    version: str | None
    """Changes with the content (an ETag, a generation, size and time); None where the place has no such thing."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A file's bytes from `start` on. `start` is 0 where the place could not go on from where it was asked to."""

    facts: Facts
    start: int
    blocks: Iterator[bytes]


class InterruptedFetchError(LoadlockError):
    """The connection broke, or the place asks for patience: try again after `wait_seconds` (None: the usual time)."""

    def __init__(self, message: str, *, wait_seconds: float | None = None) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


class RemoteFile(Protocol):
    """A file at a place."""

    @property
    def label(self) -> str:
        """Its address for people and for the ledger: no password, no query."""
        ...

    @property
    def name(self) -> str:
        """Its base name."""
        ...

    @property
    def key(self) -> str:
        """What tells it from all others (a hash where the address holds a secret)."""
        ...

    def open(self, start: int, known: Facts | None) -> Opened:
        """Its bytes from `start` on if it is still as `known`, else from the beginning.

        Raises InterruptedFetchError (also while the blocks are read) for what may go better the next time, SourceError
        for a file that isn't there or may not be read, each without secrets.
        """
        ...

    def unchanged(self, known: Facts) -> bool:
        """Whether the file is still as `known`. True where the place can't tell. Raises as `open` does."""
        ...
