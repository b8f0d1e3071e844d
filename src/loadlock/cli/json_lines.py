"""Logs for machines: each line of standard error is one JSON object, with its time, level and event."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from loadlock.errors import LoadlockError
from loadlock.model import Stage

VARIABLE = "LOADLOCK_LOG"
_SECONDS = 10.0


def wanted(arguments: Sequence[str]) -> bool:
    """Whether a command line (or LOADLOCK_LOG) asks for JSON lines."""
    for given, value in zip(arguments, [*arguments[1:], ""], strict=True):
        if given == "--log":
            return value == "json"
        if given.startswith("--log="):
            return given == "--log=json"
    return os.environ.get(VARIABLE) == "json"


def write(event: str, *, level: str = "info", **fields: Any) -> None:
    """One line."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = {"at": at, "level": level, "event": event, **fields}
    print(json.dumps(line, ensure_ascii=False, default=str), file=sys.stderr, flush=True)  # noqa: T201


def write_error(error: LoadlockError) -> None:
    """The line of an error that ends the command."""
    write(
        "error", level="error", kind=type(error).__name__, message=str(error), hint=error.hint,
        run=error.run, exit_code=error.exit_code,
    )  # fmt: skip


class JsonLines:
    """Progress as lines: a stage's begin and end, how far it is every ten seconds, and what there is to say."""

    def __init__(self) -> None:
        self._begun: dict[Stage, float] = {}
        self._done: dict[Stage, dict[str, Any]] = {}
        self._last = 0.0

    def begin(self, stage: Stage, *, total: int | None, unit: str) -> None:
        self._begun[stage] = self._last = time.monotonic()
        self._done[stage] = {"done": 0, "rows": 0, "total": total, "unit": unit}
        write("stage_begun", stage=str(stage), total=total, unit=unit)

    def advance(self, stage: Stage, *, done: int, rows: int = 0) -> None:
        state = self._done[stage]
        state["done"] += done
        state["rows"] += rows
        if time.monotonic() - self._last >= _SECONDS:
            self._last = time.monotonic()
            self._write("stage_progress", stage)

    def end(self, stage: Stage) -> None:
        self._write("stage_done", stage)

    def say(self, text: str) -> None:
        write("note", message=text)

    def _write(self, event: str, stage: Stage) -> None:
        write(event, stage=str(stage), **self._done[stage], seconds=round(time.monotonic() - self._begun[stage], 3))
