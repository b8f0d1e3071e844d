"""The exceptions of Loadlock: what stops a run, never what is wrong with one row.

    LoadlockError                     the root; `exit_code` 1
    ├── UsageError                    wrong command, argument or option; 2
    ├── PipelineError                 the pipeline is wrong (all mistakes at once); 2
    ├── SourceError                   a source is missing, unreadable or changed while read; 2
    │   └── SourceUnavailableError    its place can't be reached now (transient); 7
    ├── WorkspaceError                ledger or staging can't be used; 1
    ├── StoppedError                  a guard stopped the run: budget, check, drift, does not fit; 4
    │   ├── ConflictError             a rollback would undo what others did since; 4
    │   └── BalanceError              rows in and rows out differ: nothing is published; 1
    ├── LockedError                   another run holds the destination table; 5
    ├── VerifyError                   the read-back differs from what was delivered; 6
    ├── InterruptedRunError           stopped by a signal, resumable; 7
    └── DeliveryError                 the destination said no; what to do is in the class
        ├── UnavailableError          wait and try again (transient, resumable); 7
        ├── RowsRefusedError          some rows of this chunk: find them, reject them, go on; 1
        └── RefusedError              refused for good: rights, disk full; 1
            └── DoesNotFitError       the target's columns and the pipeline's don't fit together; 4

A row that is wrong is no exception but a `loadlock.model.Problem`. Messages say what happened, where,
and what to do; they never hold a secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


class LoadlockError(Exception):
    """Root of all errors of Loadlock. `hint` says what to do; `exit_code` is the command's exit code."""

    exit_code = 1
    run: str | None = None
    """The run that this error ended, where there is one."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(LoadlockError):
    """A command, argument or option is wrong."""

    exit_code = 2


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One mistake in a pipeline: where it stands and what to write instead."""

    message: str
    remedy: str
    path: str = ""
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = f"line {self.line}, column {self.column}: " if self.line is not None else ""
        name = f"{self.path}: " if self.path else ""
        return f"{place}{name}{self.message}. {self.remedy}"


class PipelineError(LoadlockError):
    """The pipeline has one mistake or more; `mistakes` holds all of them, in the file's order."""

    exit_code = 2

    def __init__(self, mistakes: list[Mistake], *, source: str = "the pipeline") -> None:
        count = f"{len(mistakes)} mistake" + ("s" if len(mistakes) != 1 else "")
        super().__init__("\n".join([f"{source} has {count}:", *(f"  {mistake}" for mistake in mistakes)]))
        self.mistakes = mistakes
        self.source = source


class SourceError(LoadlockError):
    """A source file is missing, unreadable, not of a known format, or changed while it was read."""

    exit_code = 2


class SourceUnavailableError(SourceError):
    """The place of a source file can't be reached, or breaks off again and again: the same again may go well later."""

    exit_code = 7


class WorkspaceError(LoadlockError):
    """The workspace (ledger, staging) can't be used."""


class StoppedError(LoadlockError):
    """A guard stopped the run before publishing: the destination is as it was."""

    exit_code = 4


class ConflictError(StoppedError):
    """A rollback would undo what others did since. `details` = the conflicts, as JSON."""

    def __init__(self, message: str, *, hint: str | None = None, details: dict[str, Any] | None = None) -> None:
        super().__init__(message, hint=hint)
        self.details = details or {}


class BalanceError(StoppedError):
    """Rows in and rows out of a stage differ. A defect or a damaged workspace: nothing is published."""

    exit_code = 1


class LockedError(LoadlockError):
    """Another run holds the lock of the same destination table or batch."""

    exit_code = 5


class VerifyError(LoadlockError):
    """The destination was read back and differs from what was delivered."""

    exit_code = 6


class InterruptedRunError(LoadlockError):
    """A signal stopped the run; `loadlock resume RUN` finishes it."""

    exit_code = 7


class DeliveryError(LoadlockError):
    """A destination refused something; the subclass tells the caller what to do."""


class UnavailableError(DeliveryError):
    """Transient: wait `wait_seconds`, then send the same again. Nothing of the failed call was kept."""

    exit_code = 7

    def __init__(self, message: str, *, wait_seconds: float = 1.0, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.wait_seconds = wait_seconds


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why the destination refused a row, from the driver's fields. `row` is the index in the chunk, if known."""

    message: str
    code: str | None = None
    constraint: str | None = None
    column: str | None = None
    row: int | None = None


class RowsRefusedError(DeliveryError):
    """The destination refused a row or more of a chunk; nothing of the chunk was kept.

    The caller halves the chunk until each refused row is alone, rejects it and sends the rest.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class RefusedError(DeliveryError):
    """Refused for good: missing rights, a missing table, a full disk. Trying again won't help."""


class DoesNotFitError(RefusedError):
    """The target lacks a column, or one can't hold what the pipeline declares: found before anything was touched."""

    exit_code = 4


@contextmanager
def one_interrupt() -> Iterator[None]:
    """KeyboardInterrupt for every way in which a signal makes itself heard: DuckDB has a RuntimeError of its own for it."""
    try:
        yield
    except RuntimeError as error:
        if str(error) != "Query interrupted":
            raise
        raise KeyboardInterrupt from error
