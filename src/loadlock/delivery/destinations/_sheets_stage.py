"""The hidden staging tab: chunks written by measured bytes, read back at once, receipts that survive a crash."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from loadlock.delivery.destinations._sheets_cells import Encoder
from loadlock.delivery.destinations._sheets_rows import fingerprint, read_rows, same, total
from loadlock.delivery.destinations._sheets_state import Names, State, Tab, add_rows, create, number, read_state
from loadlock.delivery.destinations._sheets_survey import Keyed, joined, keyed, read_stage
from loadlock.errors import RefusedError, UnavailableError, VerifyError
from loadlock.model import Chunk
from loadlock.rows import FILE
from loadlock.sheets.wire import Json, PayloadTooBigError, Wire

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from loadlock.delivery.base import DeliveryColumn

SLOW_SECONDS = 30.0
"""A write that takes longer makes the next ones smaller."""
SMALLEST_BYTES = 65_536
_BEFORE, _BEHIND = b'{"majorDimension":"ROWS","values":[', b"]}"


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """One chunk in the staging tab."""

    chunk: str
    first: int
    rows: int
    parts: tuple[tuple[int, str], ...]
    """Rows and fingerprint of each range written."""
    sum: int
    """The sum of the rows' hashes."""
    by_file: tuple[tuple[int, int], ...]
    """Source file and number of rows, stretch by stretch."""
    nulls: tuple[int, ...]
    """Text columns in which nulls were sent."""
    empties: tuple[int, ...]
    """Text columns in which empty texts were sent."""

    @classmethod
    def read(cls, value: Json) -> Receipt:
        return cls(
            chunk=value["chunk"],
            first=value["first"],
            rows=value["rows"],
            parts=tuple((rows, known) for rows, known in value["parts"]),
            sum=value["sum"],
            by_file=tuple((file, rows) for file, rows in value["by_file"]),
            nulls=tuple(value["nulls"]),
            empties=tuple(value["empties"]),
        )


@dataclass(kw_only=True)
class Stage:
    """The staging tab of one delivery."""

    wire: Wire
    names: Names
    columns: tuple[DeliveryColumn, ...]
    encoder: Encoder
    most_bytes: int
    tab: Tab
    key: tuple[str, ...] = ()
    """Columns that tell rows apart, where the mode needs them."""
    receipts: dict[str, Receipt] = field(default_factory=dict)
    pending: list[Receipt] = field(default_factory=list)
    """Receipts not yet in the spreadsheet: they go with the next batch."""
    known: dict[str, Keyed] = field(default_factory=dict)
    """Keys and hashes of chunks, where a key was asked for."""
    budget: int = 0

    def __post_init__(self) -> None:
        self.budget = self.most_bytes

    def remember(self, state: State) -> None:
        """Take the tab's size and receipts from the spreadsheet; `pending` keeps what it lacks."""
        tab = state.by_id(self.names.stage)
        if tab is None:
            raise RefusedError("the staging sheet is gone: another run took over", hint="Run again.")
        self.tab = tab
        stored = [v for v in state.metadata.values() if v.get("_sheet") == tab.sheet_id and "chunk" in v]
        known = {value["chunk"]: Receipt.read(value) for value in stored}
        self.pending = [receipt for receipt in self.pending if receipt.chunk not in known]
        self.receipts = known | {receipt.chunk: receipt for receipt in self.pending}

    @property
    def rows(self) -> int:
        return sum(receipt.rows for receipt in self.receipts.values())

    @property
    def ordered(self) -> list[Receipt]:
        return sorted(self.receipts.values(), key=lambda receipt: receipt.first)

    def counts_by_file(self) -> dict[int, int]:
        counts: Counter[int] = Counter()
        for receipt in self.receipts.values():
            for file, rows in receipt.by_file:
                counts[file] += rows
        return dict(counts)

    def files(self) -> np.ndarray[Any, Any]:
        """The source file of each row, in order."""
        import numpy as np

        stretches = [stretch for receipt in self.ordered for stretch in receipt.by_file]
        numbers = np.array([file for file, _ in stretches], np.int64)
        return np.repeat(numbers, [rows for _, rows in stretches])

    def keyed(self) -> Keyed:
        """Keys and hashes of all rows, in order; those of a run that was cut off are read from the tab."""
        for receipt in self.ordered:
            if receipt.chunk not in self.known:
                self.known[receipt.chunk] = self._read(receipt)
        return joined([self.known[receipt.chunk] for receipt in self.ordered])

    def _read(self, receipt: Receipt) -> Keyed:
        at = (receipt.first, receipt.first + receipt.rows)
        return read_stage(self.wire, self.tab, at, self.columns, self.key, escaped=self.encoder.escapes)

    @property
    def sum(self) -> int:
        """The sum of all rows' hashes."""
        return sum(receipt.sum for receipt in self.receipts.values()) % 2**64

    def texts(self, name: str) -> set[int]:
        """Text columns with `nulls` or `empties`, by their places among the sorted names: people may move columns."""
        names = sorted(column.name for column in self.columns)
        places = {place for receipt in self.receipts.values() for place in getattr(receipt, name)}
        return {names.index(self.columns[place].name) for place in places}

    def grow(self, rows: int) -> None:
        """Make room, and write down what was loaded before."""
        requests = [add_rows(self.tab.sheet_id, rows - self.tab.rows)] if rows > self.tab.rows else []
        requests += self.receipt_requests()
        if requests:
            self._grow(requests)
            self.pending.clear()
            self.tab = replace(self.tab, rows=max(rows, self.tab.rows))

    def _grow(self, requests: list[Json]) -> None:
        waiting = len(self.pending)
        try:
            self.wire.batch(requests)
        except RefusedError as error:
            # a receipt that is there already: the request before, which got no answer, has come through late
            self.remember(read_state(self.wire))
            if len(self.pending) == waiting:
                raise
            raise UnavailableError("a request without an answer was carried out late", wait_seconds=0.0) from error

    def receipt_requests(self) -> list[Json]:
        return [create(self._mark(receipt), asdict(receipt), self.tab.sheet_id) for receipt in self.pending]

    def _mark(self, receipt: Receipt) -> int:
        return number(self.names.stage_title, receipt.chunk, "receipt")

    def load(self, chunk: Chunk, rows: pa.Table) -> None:
        """Write a chunk at the end and read it back."""
        first = self.rows
        values = rows.drop_columns([FILE])
        parts, found = [], []
        for count, known, back in self._written(values, first):
            parts.append((count, known))
            found.append(back)
        read = joined(found)
        if self.key:
            self.known[chunk.id] = read
        receipt = Receipt(
            chunk=chunk.id,
            first=first,
            rows=rows.num_rows,
            parts=tuple(parts),
            sum=total(read.hashes),
            by_file=tuple(_stretches(rows)),
            nulls=tuple(_texts(values, self.columns, nulls=True)),
            empties=tuple(_texts(values, self.columns, nulls=False)),
        )
        self.receipts[chunk.id] = receipt
        self.pending.append(receipt)

    def _written(self, values: pa.Table, first: int) -> Iterable[tuple[int, str, Keyed]]:
        done = 0
        while done < values.num_rows:
            for count, body in self.encoder.bodies(values.slice(done), self.budget - len(_BEFORE) - len(_BEHIND)):
                budget = self.budget
                try:
                    yield (count, *self._range(first + done, count, body))
                except PayloadTooBigError:
                    if count == 1:
                        raise
                    self.budget = len(body) // 2
                    break
                done += count
                if self.budget != budget:
                    break

    def _range(self, row: int, count: int, body: bytes) -> tuple[str, Keyed]:
        """Write one range and read it back; once more where it differs. Returns the fingerprint of what was read."""
        at, places = self.tab.a1(row, row + count, 0, len(self.columns)), range(len(self.columns))
        for _ in range(2):
            begun = time.monotonic()
            self.wire.put(at, _BEFORE + body + _BEHIND)
            self._adapt(time.monotonic() - begun)
            found = read_rows(self.wire, self.tab, places, row, row + count)
            if same(b"[" + body + b"]", found):
                return fingerprint(found), keyed(found, count, self.columns, self.key, escaped=self.encoder.escapes)
        raise VerifyError(f"{at} was written twice and is read as something else; the sheet itself was not touched")

    def _adapt(self, seconds: float) -> None:
        if seconds > SLOW_SECONDS:
            self.budget = max(SMALLEST_BYTES, self.budget // 2)
        elif seconds < SLOW_SECONDS / 4:
            self.budget = min(self.most_bytes, self.wire.refused_bytes // 2, self.budget + self.budget // 4)


def _stretches(rows: pa.Table) -> Iterable[tuple[int, int]]:
    """Source files in the rows' order: file and number of rows."""
    import pyarrow.compute as pc

    runs = pc.run_end_encode(rows[FILE].combine_chunks())
    ends = [0, *runs.run_ends.to_pylist()]
    return [(file, end - start) for file, start, end in zip(runs.values.to_pylist(), ends, ends[1:], strict=False)]


def _texts(values: pa.Table, columns: Iterable[DeliveryColumn], *, nulls: bool) -> Iterable[int]:
    """Text columns with nulls, or with empty texts."""
    import pyarrow.compute as pc

    for place, column in enumerate(columns):
        if column.type.kind == "text":
            cells = values.column(place)
            if cells.null_count if nulls else pc.any(pc.equal(pc.binary_length(cells), 0)).as_py():
                yield place


def published_record(row: dict[str, Any], stage: Stage, more: Json) -> Json:
    """The marker's value: the control row, how to read empty cells, the sum of the rows' hashes, and more."""
    mixed = sorted(stage.texts("nulls") & stage.texts("empties"))
    record = {**row, "empty": sorted(stage.texts("empties")), "mixed": mixed, "sum": stage.sum, **more}
    record["published_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if len(json.dumps(record)) > 8_000:
        record["by_file"] = "{}"
    return record
