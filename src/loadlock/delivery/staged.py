"""A delivery through a staging table: rows can be taken out of it again before the publish."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from loadlock.delivery.chunks import EARLY, name_chunk
from loadlock.delivery.clashes import Clash
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.refusals import problem_of
from loadlock.digest import MODULUS
from loadlock.errors import RowsRefusedError
from loadlock.model import Chunk
from loadlock.rows import FILE

if TYPE_CHECKING:
    import pyarrow as pa

Tables = Callable[[], Iterable[tuple[int, "pa.Table"]]]
_PLACE = "_loadlock_place"


class StagedDelivery(Delivery):
    """After `load`: `take_back`, `reject_clashes`. Direct loads have no use for either."""

    def take_back(self, rows: pa.Table, by: tuple[str, ...] = ()) -> None:
        """Take rows that were sent out of the staging table again, by these columns (the key, unless others tell rows apart)."""
        import pyarrow.compute as pc

        digest = self._digests.of(rows)
        # by that name a later load knows that the staging table is not what its own chunks make
        name = EARLY + name_chunk(self.job.delivery_id, 0, 0, rows.num_rows, digest).id
        chunk = Chunk(id=name, seq=0, rows=-rows.num_rows, digest=-digest % MODULUS)
        self.ask(lambda payload: self._session.take_back(chunk, payload, by or self.job.key), rows)
        self.rows_sent -= rows.num_rows
        self._digest = (self._digest - digest) % MODULUS
        if self._compared is not self._digests and self._digest_compared is not None:
            self._digest_compared = (self._digest_compared - self._compared.of(rows)) % MODULUS
        self._by_file -= Counter({one["values"]: one["counts"] for one in pc.value_counts(rows[FILE]).to_pylist()})

    def reject_clashes(self, sent: Tables) -> None:
        """Reject the rows that another unique index of the target would refuse at the publish. `sent` gives the parts once more;
        it is asked only where there are such rows."""
        if not self._opened().staged:
            return
        # one index after the other: a row may break two, and one that is kept out may have freed a value that another takes
        while (clashes := self._retry.call(self._session.clashes)) and self._reject(clashes[0], sent):
            pass

    def _reject(self, clash: Clash, sent: Tables) -> bool:
        """False where the rows can't be told, since the server shows a value in another way: the publish will refuse them."""
        import pyarrow as pa

        found = [some for _, part in sent() if (some := _of(part, clash.rows)).num_rows]
        rows = pa.concat_tables(found) if found else None
        if rows is None or rows.num_rows != clash.rows.num_rows:
            return False
        problems = (problem_of(RowsRefusedError(clash.refusal)),)
        for place in range(rows.num_rows):
            self.refuse(rows.slice(place, 1), problems)
        self.take_back(rows, tuple(clash.rows.column_names))
        return True


def _of(part: pa.Table, wanted: pa.Table) -> pa.Table:
    """The rows of a part with these values."""
    import pyarrow as pa

    names = wanted.column_names
    numbered = part.select(names).append_column(_PLACE, pa.array(range(part.num_rows), pa.int64()))
    found = numbered.join(wanted.cast(numbered.select(names).schema), keys=names, join_type="left semi")
    return part.take(found[_PLACE].combine_chunks().sort())
