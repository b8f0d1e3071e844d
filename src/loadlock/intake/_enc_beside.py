"""The survey of a file for its encoding, made while the file is read for its digest: hashing leaves a processor free."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from loadlock.intake._enc_survey import Look, Survey

LEAST_BYTES = 1 << 20
"""Smaller files are looked at in no time."""
_BEHIND = 2
"""Blocks that wait for the look at most."""


class Beside:
    """Blocks on their way through `watched`, looked at in a thread of its own; then `survey` says what was found."""

    def __init__(self) -> None:
        self._look = Look()
        self.survey: Survey | None = None
        """None until all blocks went through."""

    def watched(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The same blocks. An error of the look is raised here."""
        waiting: deque[Future[None]] = deque()
        with ThreadPoolExecutor(1, thread_name_prefix="survey") as thread:
            for block in blocks:
                waiting.append(thread.submit(self._look.at, block))
                yield block
                if len(waiting) > _BEHIND:
                    waiting.popleft().result()
            for future in waiting:
                future.result()
        self.survey = self._look.end()


def is_worth_it(head: bytes, size: int) -> bool:
    """Whether a file that begins so, and is so long, is text that will be looked at byte by byte."""
    return size >= LEAST_BYTES and b"\0" not in head
