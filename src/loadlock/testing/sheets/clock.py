"""The emulator's clock: real time, and what a test adds to it."""

from __future__ import annotations

import datetime
import time


class Clock:
    """Seconds since 1970, moved forward by `advance`. Quotas and the life of tokens go by it."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let time pass: quotas refill, tokens expire."""
        self._ahead += seconds

    def today(self) -> datetime.date:
        return datetime.datetime.fromtimestamp(self.now(), datetime.UTC).date()
