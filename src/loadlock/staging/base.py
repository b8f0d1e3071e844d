"""The contract of staging: parts at rest, immutable, written whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from loadlock.model import PartKey, PartRef

if TYPE_CHECKING:
    import pyarrow as pa


class Staging(Protocol):
    """Where raw, clean and rejected rows lie between the stages.

    A part is visible whole or not at all, also after a crash. The ledger's list of parts is the truth: a part that is
    not listed is debris, which `remove` or writing it again clears. Thread-safe: several parts may be written at once.
    """

    def write(self, key: PartKey, table: pa.Table, *, file_index: int | None = None) -> PartRef:
        """Write a part durably (fsynced before it is named). Called again with the same key, it replaces debris."""
        ...

    def read(self, ref: PartRef, *, columns: list[str] | None = None) -> pa.Table:
        """The part's rows in the order written, with the types written. Raises WorkspaceError if it is gone or damaged."""
        ...

    def bind(self, connection: Any, name: str, refs: list[PartRef], *, columns: list[str] | None = None) -> None:
        """Create the view `name` over these parts (union by name) in a DuckDB connection, for SQL over a batch.

        Never loads all parts into memory at once where the store can stream.
        """
        ...

    def remove(self, batch: str, *, scope: str | None = None) -> None:
        """Delete all parts of a batch (or of one scope of it), listed or not. Nothing there is no error."""
        ...
