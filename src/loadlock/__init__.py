"""Loadlock: dirty files in, a verified table out.

Importing this package loads no driver, no DuckDB and no PyArrow; they come with the first verb that needs them.
"""

from loadlock._version import __version__
from loadlock.api import Pipeline, check, resume, rule
from loadlock.batch_api import Batch
from loadlock.errors import (
    BalanceError,
    DeliveryError,
    InterruptedRunError,
    LoadlockError,
    LockedError,
    PipelineError,
    SourceError,
    StoppedError,
    UsageError,
    VerifyError,
    WorkspaceError,
)
from loadlock.model import Balance, Problem, Receipt, RunStatus, WriteMode

__all__ = [
    "Balance",
    "BalanceError",
    "Batch",
    "DeliveryError",
    "InterruptedRunError",
    "LoadlockError",
    "LockedError",
    "Pipeline",
    "PipelineError",
    "Problem",
    "Receipt",
    "RunStatus",
    "SourceError",
    "StoppedError",
    "UsageError",
    "VerifyError",
    "WorkspaceError",
    "WriteMode",
    "__version__",
    "check",
    "resume",
    "rule",
]
