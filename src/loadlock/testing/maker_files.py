"""Writes the maker's files and, beside them, the truth: where each record lies and what must become of it."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loadlock.testing.maker_faults import REJECTED_AT_INTAKE, Faults
from loadlock.testing.maker_render import Chosen
from loadlock.testing.maker_values import Values, Vocabulary, make_values

BLOCK = 100_000
"""Records made at once."""


class Shape(Protocol):
    """How the records of one file are written."""

    def header(self) -> str: ...

    def render(self, rng: np.random.Generator, words: Vocabulary, values: Values, chosen: Chosen) -> pa.Array: ...


@dataclass(frozen=True, kw_only=True)
class FileSpec:
    """One file of a batch. `share` of the batch's records; `blank_lines` of the records have blank lines before them."""

    name: str
    share: float
    shape: Shape
    faults: Mapping[str, float]
    encoding: str = "utf-8"
    """`utf-8`, `utf-8-sig` or `utf-16`."""
    blank_lines: float = 0.0
    absent: Sequence[str] = ()
    """Columns that the file does not have."""


@dataclass
class Truth:
    """Collects and writes the truth of a batch."""

    folder: Path
    types: Mapping[str, str]
    counts: Counter[str] = field(default_factory=Counter)
    files: dict[str, dict[str, int]] = field(default_factory=dict)
    stack: ExitStack = field(default_factory=ExitStack)
    writer: Any = None

    @property
    def schema(self) -> pa.Schema:
        places = [("_file", pa.string()), ("_row", pa.int64()), ("_line", pa.int64()), ("_offset", pa.int64())]
        reasons = [("_code", pa.string()), ("_column", pa.string())]
        return pa.schema([*places, *reasons, *((name, pa.string()) for name in self.types)])

    def add(self, places: Mapping[str, Any], values: Values, chosen: Chosen, absent: Sequence[str]) -> None:
        """One block of records; `places` are the columns from `_file` to `_offset`."""
        count = len(values.clean["order_id"])
        codes: list[str | None] = [None] * count
        columns: list[str | None] = [None] * count
        for record, (code, column) in values.codes.items():
            codes[record], columns[record] = code, column
        for kind, code in REJECTED_AT_INTAKE.items():
            for record in chosen.get(kind, np.array([], np.int64)).tolist():
                codes[record] = code
        loads = pa.array([code is None for code in codes])
        null = pa.scalar(None, pa.string())
        texts = {name: null if name in absent else values.clean[name] for name in self.types}
        table = pa.table(
            {
                **{
                    name: pa.repeat(value, count) if isinstance(value, str) else value for name, value in places.items()
                },
                "_code": pa.array(codes, pa.string()),
                "_column": pa.array(columns, pa.string()),
                # what is rejected has no right values
                **{name: pc.if_else(loads, value, null) for name, value in texts.items()},
            }
        )
        if self.writer is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / "truth.parquet"
            self.writer = self.stack.enter_context(pq.ParquetWriter(path, self.schema, compression="zstd"))
        self.writer.write_table(table.cast(self.schema))
        self.counts.update(code or "load" for code in codes)

    def close(self, seed: int) -> None:
        """Write the header `truth.json` and complete the truth."""
        self.stack.close()
        document = {
            "key": ["order_id"],
            "types": dict(self.types),
            "records": sum(self.counts.values()),
            "load": self.counts["load"],
            "rejects": {code: count for code, count in sorted(self.counts.items()) if code != "load"},
            "files": self.files,
            "seed": seed,
        }
        text = json.dumps(document, indent=2, ensure_ascii=False)
        (self.folder / "truth.json").write_text(text + "\n", encoding="utf-8")


@dataclass(kw_only=True)
class FileMaker:
    """Makes one file block by block."""

    spec: FileSpec
    rng: np.random.Generator
    words: Vocabulary
    dealer: Faults
    truth: Truth
    line: int = 1
    offset: int = 0
    row: int = 0

    def make(self, folder: Path, first_id: int, count: int) -> Path:
        """Write `count` records with ids from `first_id`; returns the file's path."""
        path = folder / self.spec.name
        with ExitStack() as stack:
            out = _open(path, stack)
            self._start(out)
            blank = 0
            for start in range(0, count, BLOCK):
                blank += self._block(out, first_id + start, min(BLOCK, count - start))
            if self.spec.shape.header().startswith("["):
                out.write(b"\n]\n")
        self.truth.files[self.spec.name] = {"records": count, "blank": blank}
        return path

    def _start(self, out: BinaryIO) -> None:
        text = self.spec.shape.header()
        head = text.encode(self.spec.encoding)
        out.write(head)
        self.offset, self.line = len(head), 1 + text.count("\n")

    def _block(self, out: BinaryIO, first_id: int, count: int) -> int:
        """Write one block; returns the blank lines in it."""
        values = make_values(self.rng, self.words, first_id, count)
        chosen = self.dealer.deal(values, self.spec.faults)
        records = self.spec.shape.render(self.rng, self.words, values, chosen)
        if self.spec.shape.header().startswith("["):
            # the comma and line end between two records stand before the second one
            before = np.full(count, 2)
            before[0] = 2 if self.row else 0
            gap, per_line = b",\n", 2
        else:
            before = np.where(self.rng.random(count) < self.spec.blank_lines, self.rng.integers(1, 3, count), 0)
            gap, per_line = b"\n", 1
        self._write(out, records, before // per_line, gap)
        lengths = self._lengths(records)
        breaks = pc.count_substring(records, b"\n").to_numpy()
        width = 2 if self.spec.encoding == "utf-16" else 1
        ends = np.cumsum(lengths + before * width)
        lines = np.cumsum(breaks + before // per_line)
        places = {
            "_file": self.spec.name,
            "_row": pa.array(np.arange(self.row + 1, self.row + count + 1)),
            "_line": pa.array(self.line + lines - breaks),
            "_offset": pa.array(self.offset + ends - lengths),
        }
        self.truth.add(places, values, chosen, self.spec.absent)
        self.row, self.line, self.offset = self.row + count, self.line + int(lines[-1]), self.offset + int(ends[-1])
        return 0 if per_line == 2 else int(before.sum())

    def _lengths(self, records: pa.Array) -> np.ndarray[Any, Any]:
        """Bytes of each record in the file."""
        if self.spec.encoding == "utf-16":
            return np.asarray(pc.utf8_length(records.cast(pa.string())).to_numpy()) * 2
        return np.asarray(pc.binary_length(records).to_numpy())

    def _write(self, out: BinaryIO, records: pa.Array, gaps: np.ndarray[Any, Any], gap: bytes) -> None:
        """The records, each with its gaps before it."""
        fill = pa.array([gap * number for number in range(int(gaps.max()) + 1)], pa.binary()).take(pa.array(gaps))
        whole = pc.binary_join_element_wise(fill, records, b"")
        _, offsets, data = whole.buffers()
        ends = np.frombuffer(offsets, np.int32)
        content = bytes(memoryview(data)[ends[whole.offset] : ends[whole.offset + len(whole)]])
        if self.spec.encoding == "utf-16":
            # the byte order mark is written with the header only
            content = content.decode().encode(f"utf-16-{_byte_order()}")
        out.write(content)


def _byte_order() -> str:
    import sys

    return "le" if sys.byteorder == "little" else "be"


def _open(path: Path, stack: ExitStack) -> BinaryIO:
    """The file for writing, compressed as its name says. Nothing in it depends on the time."""
    raw = stack.enter_context(path.open("wb"))
    if path.suffix == ".gz":
        return stack.enter_context(gzip.GzipFile("", "wb", compresslevel=3, fileobj=raw, mtime=0))  # type: ignore[return-value]
    if path.suffix == ".zst":
        stream: BinaryIO = stack.enter_context(pa.CompressedOutputStream(raw, "zstd"))
        return stream
    return raw
