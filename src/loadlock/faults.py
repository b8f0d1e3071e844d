"""Named places at which tests end or stop the process. Nothing happens unless `LOADLOCK_FAULT` is set.

    LOADLOCK_FAULT='intake.part_written:2=kill' loadlock run orders.yaml

kills the process (SIGKILL) when it passes `intake.part_written` for the second time; `int` and `term` send the signals
of a clean stop, `stop` halts the process until SIGCONT. Places are counted over all threads.
"""

from __future__ import annotations

import os
import signal
import threading

VARIABLE = "LOADLOCK_FAULT"
SIGNALS = {"kill": signal.SIGKILL, "int": signal.SIGINT, "term": signal.SIGTERM, "stop": signal.SIGSTOP}

POINTS = (
    "batch.begun",
    "run.begun",
    "intake.part_written",
    "intake.part_listed",
    "intake.file_read",
    "intake.file_done",
    "intake.staged",
    "staged.recorded",
    "cleanup.decided",
    "cleanup.rejects_written",
    "cleanup.part_written",
    "cleanup.part_listed",
    "cleanup.judged",
    "cleaned.recorded",
    "cleanup.losers_written",
    "delivery.opened",
    "delivery.chunk_sent",
    "delivery.chunk_listed",
    "delivery.loaded",
    "delivery.refused_written",
    "cleanup.losers_listed",
    "publishing.recorded",
    "delivery.published",
    "published.recorded",
    "batch.delivered",
    "delivery.verified",
    "end.rejects_counted",
    "end.report_written",
    "end.document_saved",
    "end.recorded",
)
"""Every place, in the order in which a run passes it; losers are written while the destination loads."""
CHILD_POINTS = ("children.part_written", "children.part_listed", "children.loaded", "children.published")
"""Places that only a run with child tables passes."""


def _wanted(setting: str) -> tuple[str, int, int] | None:
    if not setting:
        return None
    place, _, action = setting.partition("=")
    name, _, number = place.partition(":")
    if name not in (*POINTS, *CHILD_POINTS) or action not in SIGNALS:
        raise ValueError(f"{VARIABLE}={setting!r} names no known place or action")
    return name, int(number or 1), SIGNALS[action]


_fault = _wanted(os.environ.get(VARIABLE, ""))
_lock = threading.Lock()
_passed = 0


def arm(setting: str) -> None:
    """Set what the variable would have set, in a process that began without it; empty: nothing."""
    global _fault
    _fault = _wanted(setting)


def point(name: str) -> None:
    """A place that a test may have named."""
    if _fault is not None and _fault[0] == name:
        _count(_fault[1], _fault[2])


def _count(number: int, sent: int) -> None:
    global _passed
    with _lock:
        _passed += 1
        if _passed != number:
            return
    os.kill(os.getpid(), sent)
