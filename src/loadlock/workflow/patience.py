"""A load begun anew while its transaction is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from loadlock.delivery.deliver import DEFAULT_RETRY
from loadlock.delivery.retry import LostTransactionError

T = TypeVar("T")


def patiently(attempt: Callable[[], T], notes: list[str], close: Callable[[], None]) -> T:
    """The result of a load, begun anew a few times while its transaction is lost; `close` ends what was lost."""
    number = 1
    while True:
        try:
            return attempt()
        except LostTransactionError as error:
            close()
            if number >= DEFAULT_RETRY.attempts:
                raise
            DEFAULT_RETRY.sleep(DEFAULT_RETRY.pause_seconds(number, error))
            notes.append(f"the transaction was lost ({error}); sent again from the start")
            number += 1
