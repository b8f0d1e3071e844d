"""What a run works on, and the words for how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from loadlock.engines.base import Engine
from loadlock.errors import LoadlockError, StoppedError, UnavailableError
from loadlock.intake.base import ByteSource
from loadlock.intake.files import Keep
from loadlock.ledger.base import BatchRecord, RunRecord
from loadlock.model import RunStatus
from loadlock.pipeline.model import Pipeline
from loadlock.workflow.destinations import BoundDestination
from loadlock.workflow.foreseeing import Confirm
from loadlock.workflow.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """How a run is to be done; none of this changes its result."""

    wait_seconds: float = 0.0
    report: bool = True
    force: bool = False
    confirm: Confirm | None = None
    """Asked before anything is published."""


@dataclass(frozen=True, kw_only=True)
class RunTask:
    """What a run works on."""

    workspace: Workspace
    engine: Engine
    pipeline: Pipeline
    batch: BatchRecord
    sources: list[ByteSource]
    keep: Keep
    """Where the sources lie until they are staged."""
    bound: list[BoundDestination]
    record: RunRecord
    settings: RunSettings


def check_none(rows: int) -> None:
    """A batch without a column has no row either, or its records hold nothing but the arrays of child tables."""
    if rows:
        raise StoppedError(
            f"{rows:,} records have no column of their own, only arrays that go to child tables",
            hint="Declare a column, such as `columns: {row: {from: _row, type: integer}}`.",
        )


def end_of(error: LoadlockError) -> RunStatus:
    """The status of a run that this error ended."""
    if isinstance(error, UnavailableError):
        return RunStatus.INTERRUPTED
    if error.exit_code == StoppedError.exit_code:
        return RunStatus.STOPPED
    return RunStatus.FAILED
