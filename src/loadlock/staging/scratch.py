"""Parts that nobody keeps, beside those at rest: for work that looks at a batch and must touch nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadlock.model import PartKey, PartRef
from loadlock.staging.base import Staging

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class ScratchStaging:
    """Reads the parts of `kept`; parts of scopes that begin with `scope` are written to and read from `scratch`."""

    kept: Staging
    scratch: Staging
    scope: str

    def write(self, key: PartKey, table: pa.Table, *, file_index: int | None = None) -> PartRef:
        """See `Staging.write`. A part of any other scope is refused: it would be one of those at rest."""
        if not key.scope.startswith(self.scope):
            raise ValueError(f"{key} is no part of {self.scope}")
        return self.scratch.write(key, table, file_index=file_index)

    def read(self, ref: PartRef, *, columns: list[str] | None = None) -> pa.Table:
        """See `Staging.read`."""
        return self._of(ref).read(ref, columns=columns)

    def bind(self, connection: Any, name: str, refs: list[PartRef], *, columns: list[str] | None = None) -> None:
        """See `Staging.bind`; the parts are all of one side."""
        (self._of(refs[0]) if refs else self.scratch).bind(connection, name, refs, columns=columns)

    def remove(self, batch: str, *, scope: str | None = None) -> None:
        """Delete scratch parts alone."""
        self.scratch.remove(batch, scope=scope)

    def _of(self, ref: PartRef) -> Staging:
        return self.scratch if ref.key.scope.startswith(self.scope) else self.kept
