"""Faults: what a test lets go wrong, at which request, before or after the service did its work."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, get_args

from loadlock.errors import UsageError
from loadlock.testing.sheets.errors import Json

Action = Literal["status", "reset", "close", "delay", "truncate", "expire_token", "edit"]
When = Literal["before", "after"]


@dataclass(kw_only=True)
class Fault:
    """One rule. It fires at each request that it matches, after `skip` of them, `times` times (None = always).

    `do`: `status` answers `status` · `reset` cuts the connection (RST) · `close` ends it without an answer (FIN) · `delay`
    waits `seconds` and goes on · `truncate` sends half of the answer · `expire_token` makes all tokens invalid · `edit` lets
    another writer send `requests` as a batchUpdate.
    """

    do: Action
    when: When = "before"
    match: str = "spreadsheets.*"
    """Method by its id, with `*`: `spreadsheets.values.update`; `token` for the token endpoint."""
    contains: str | None = None
    """Only a batchUpdate with a request of this kind (`deleteSheet`)."""
    times: int | None = 1
    skip: int = 0
    status: int = 503
    seconds: float = 0.0
    retry_after_seconds: int | None = None
    requests: list[Json] = field(default_factory=list)
    fired: int = 0
    """How often it has fired."""

    def __post_init__(self) -> None:
        if self.do not in get_args(Action) or self.when not in get_args(When):
            raise UsageError(f"a fault can't do {self.do!r} {self.when!r}; see loadlock.testing.sheets.Fault")
        if self.do == "truncate" and self.when == "before":
            raise UsageError("a fault can only truncate an answer: when must be 'after'")
        if self.do == "edit" and not self.requests:
            raise UsageError("a fault that edits needs requests: a list as in a batchUpdate")

    def fits(self, method: str, kinds: tuple[str, ...]) -> bool:
        return fnmatchcase(method, self.match) and (self.contains is None or self.contains in kinds)

    def fires(self) -> bool:
        """Counts a request that fits, and says whether this is one to fire at."""
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None and self.fired >= self.times:
            return False
        self.fired += 1
        return True
