"""A delivery through a staging table whose rows are sent before the batch is judged.

Its chunks have names of their own: a run that is cut off begins the load anew, since it can't know which rows waited. Once the
batch is judged and nothing was refused, the receipts get the names that a later load would give them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from loadlock.delivery.chunks import CHUNK_ROWS, EARLY, name_chunk
from loadlock.delivery.deliver import Delivery
from loadlock.digest import MODULUS
from loadlock.model import Chunk
from loadlock.rows import FILE

if TYPE_CHECKING:
    import pyarrow as pa

_WHOLE = 1.5
"""A part of up to so many times the rows of a chunk is one chunk."""


class EarlyDelivery(Delivery):
    """After `load` of what came: `take_back` what lost, `load` what waited, `settle`."""

    def _named(self, chunk: Chunk) -> Chunk:
        return replace(chunk, id=EARLY + chunk.id)

    def take_back(self, rows: pa.Table) -> None:
        """Take rows that were sent out of the staging table again."""
        import pyarrow.compute as pc

        digest = self._digests.of(rows)
        name = self._named(name_chunk(self.job.delivery_id, 0, 0, rows.num_rows, digest)).id
        chunk = Chunk(id=name, seq=0, rows=-rows.num_rows, digest=-digest % MODULUS)
        self.ask(lambda payload: self._session.take_back(chunk, payload), rows)
        self.rows_sent -= rows.num_rows
        self._digest = (self._digest - digest) % MODULUS
        if self._compared is not self._digests and self._digest_compared is not None:
            self._digest_compared = (self._digest_compared - self._compared.of(rows)) % MODULUS
        self._by_file -= Counter({one["values"]: one["counts"] for one in pc.value_counts(rows[FILE]).to_pylist()})

    def settle(self, parts: Iterable[tuple[int, int, int]]) -> None:
        """All is sent: (seq, rows, digest) of each part without the rows that lost."""
        found = list(parts)
        if self.refused or any(rows >= _WHOLE * CHUNK_ROWS for _, rows, _ in found):
            return
        delivery = self.job.delivery_id
        self._session.settle([name_chunk(delivery, seq, 0, rows, digest) for seq, rows, digest in found])
