"""Trying again after what is transient, with growing pauses; never after anything else."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from loadlock.errors import UnavailableError

T = TypeVar("T")


class LostTransactionError(UnavailableError):
    """The one transaction of a direct load is gone: nothing of it was kept, and all must be sent again from the first chunk."""


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often and how long to wait. The pause doubles from `first_seconds` to `max_seconds`; `jitter` is its random share."""

    attempts: int = 6
    """Calls in all; 1 = never again."""
    first_seconds: float = 0.5
    max_seconds: float = 30.0
    jitter: float = 0.25
    sleep: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = random.random
    """A random number from 0 to 1."""

    def pause_seconds(self, attempt: int, error: UnavailableError) -> float:
        """The pause after the `attempt`th failure (1-based): at least what the destination asked for."""
        pause = min(self.max_seconds, self.first_seconds * 2.0 ** (attempt - 1))
        return max(pause, error.wait_seconds) * (1 + self.jitter * self.draw())

    def call(self, work: Callable[[], T]) -> T:
        """The result of `work`, called again after each UnavailableError while attempts are left.

        Only for work that may be repeated: LostTransactionError is passed on at once.
        """
        for attempt in range(1, self.attempts):
            try:
                return work()
            except LostTransactionError:
                raise
            except UnavailableError as error:
                self.sleep(self.pause_seconds(attempt, error))
        return work()
