"""Named places at which tests end or stop the process. Nothing happens unless `LOADLOCK_FAULT` is set.

    LOADLOCK_FAULT='intake.part_written:2=kill' loadlock run orders.yaml

kills the process (SIGKILL) when it passes `intake.part_written` for the second time; `int` and `term` send the signals
of a clean stop, `stop` halts the process until SIGCONT. Places are counted over all threads.

    LOADLOCK_FAULT='record=places.txt' loadlock run orders.yaml

writes down each place as it is passed, a line each: what can be named for this pipeline is asked of the code itself.
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
EARLY_POINTS = ("early.taken_back", "early.settled")
"""Places that only a staged load passes that began before the batch was judged: the first where a row lost that was sent."""
REJECT_POINTS = ("edits.part_written", "replay.sent_listed", "forget.listed")
"""Places that only acts on rejects, and replays, pass."""
CARE_POINTS = ("rollback.looked", "rollback.committed", "rollback.recorded", "gc.collected")
"""Places that only a rollback, or clearing up, passes."""
STEP_POINTS = (
    "file.written",
    "file.flushed",
    "file.renamed",
    "ledger.before_commit",
    "ledger.committed",
    "chunk.before_commit",
    "chunk.committed",
    "target.merged",
    "target.before_commit",
    "target.committed",
)
"""Each fsync and rename of a file at rest, each commit of the ledger, and each commit of a destination; passed many times.

`chunk`: a chunk goes into a staging table; `target.merged`: the rows are in the target, the control row is not; for a
destination of files, `merged` is the new file at rest, `before_commit` just before the rename."""
ALL_POINTS = (*POINTS, *CHILD_POINTS, *EARLY_POINTS, *REJECT_POINTS, *CARE_POINTS, *STEP_POINTS)


def _wanted(setting: str) -> tuple[str, int, int] | None:
    if not setting:
        return None
    place, _, action = setting.partition("=")
    name, _, number = place.partition(":")
    if name not in ALL_POINTS or action not in SIGNALS:
        raise ValueError(f"{VARIABLE}={setting!r} names no known place or action")
    return name, int(number or 1), SIGNALS[action]


_fault: tuple[str, int, int] | None = None
_record: int | None = None
_lock = threading.Lock()
_passed = 0


def arm(setting: str) -> None:
    """Set what the variable would have set, in a process that began without it; empty: nothing."""
    global _fault, _record
    _fault = _record = None
    if setting.startswith("record="):
        _record = os.open(setting.removeprefix("record="), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    else:
        _fault = _wanted(setting)


def point(name: str) -> None:
    """A place that a test may have named."""
    if _fault is not None and _fault[0] == name:
        _count(_fault[1], _fault[2])
    elif _record is not None:
        os.write(_record, f"{name}\n".encode())


def _count(number: int, sent: int) -> None:
    global _passed
    with _lock:
        _passed += 1
        if _passed != number:
            return
    os.kill(os.getpid(), sent)


arm(os.environ.get(VARIABLE, ""))
