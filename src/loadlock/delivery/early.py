"""A delivery through a staging table whose rows are sent before the batch is judged.

Its chunks have names of their own: a run that is cut off begins the load anew, since it can't know which rows waited. Once the
batch is judged and nothing was refused, the receipts get the names that a later load would give them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from loadlock.delivery.chunks import CHUNK_ROWS, EARLY, name_chunk
from loadlock.delivery.staged import StagedDelivery
from loadlock.model import Chunk

_WHOLE = 1.5
"""A part of up to so many times the rows of a chunk is one chunk."""


class EarlyDelivery(StagedDelivery):
    """After `load` of what came: `take_back` what lost, `load` what waited, `settle`."""

    def _named(self, chunk: Chunk) -> Chunk:
        return replace(chunk, id=EARLY + chunk.id)

    def settle(self, parts: Iterable[tuple[int, int, int]]) -> None:
        """All is sent: (seq, rows, digest) of each part without the rows that lost."""
        found = list(parts)
        if self.refused or any(rows >= _WHOLE * CHUNK_ROWS for _, rows, _ in found):
            return
        delivery = self.job.delivery_id
        self._session.settle([name_chunk(delivery, seq, 0, rows, digest) for seq, rows, digest in found])
