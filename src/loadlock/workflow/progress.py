"""How the workflow tells of its progress; the terminal, the console and tests each listen in their own way."""

from __future__ import annotations

from typing import Protocol

from loadlock.model import Stage


class Progress(Protocol):
    """Called from one thread only. `unit` is `bytes` or `rows`; totals may be unknown (None)."""

    def begin(self, stage: Stage, *, total: int | None, unit: str) -> None:
        """A stage begins."""
        ...

    def advance(self, stage: Stage, *, done: int, rows: int = 0) -> None:
        """`done` more units, among them `rows` rows."""
        ...

    def end(self, stage: Stage) -> None:
        """A stage is done."""
        ...

    def say(self, text: str) -> None:
        """One line for people, about a choice made or a thing found."""
        ...


class Silent:
    """Progress that nobody listens to."""

    def begin(self, stage: Stage, *, total: int | None, unit: str) -> None: ...

    def advance(self, stage: Stage, *, done: int, rows: int = 0) -> None: ...

    def end(self, stage: Stage) -> None: ...

    def say(self, text: str) -> None: ...
