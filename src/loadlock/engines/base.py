"""The contract of an engine: three shapes of work over parts. An engine knows parts and functions, not rules.

Functions given to an engine must be picklable (module-level functions, `functools.partial` of them with picklable
arguments): a cluster sends them to other machines. They may be called again for the same part after a failure, so they
must be pure or idempotent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, TypeVar

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
R = TypeVar("R")


class Engine(Protocol):
    """Runs the three shapes of work. `close` ends its workers; leaving a `with` block closes."""

    name: ClassVar[str]

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def map(self, function: Callable[[T], R], parts: Iterable[T]) -> Iterator[R]:
        """`function` of each part, results in the parts' order, a bounded number of parts in flight.

        The first error ends the work: parts not yet begun are not begun, running ones are waited for, then it is raised.
        Closing the iterator early does the same without an error.
        """
        ...

    def by_key(
        self,
        function: Callable[[pa.Table], pa.Table],
        tables: Iterable[pa.Table],
        keys: Sequence[str],
    ) -> Iterator[pa.Table]:
        """`function` of tables that each hold all rows of their keys (equal keys are never split), in no stated order.

        Rows within a table come in the order given. Memory is bounded by the largest partition; partitions spill to disk.
        """
        ...

    def whole(self, query: str, views: dict[str, Sequence[str]]) -> pa.Table:
        """The result of one DuckDB query over all rows; `views` maps a view's name to Parquet files. Out of core."""
        ...

    def close(self) -> None:
        """End all workers; called again it does nothing."""
        ...
