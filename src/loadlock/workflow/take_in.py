"""Intake and staging: source files to raw parts, every byte accounted for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadlock.engines.memory import give_back
from loadlock.errors import BalanceError
from loadlock.faults import point
from loadlock.intake.base import ByteSource, RawPart, SourceOptions
from loadlock.intake.read import read_file
from loadlock.ledger.base import PartRecord
from loadlock.model import FileReport, PartKey, PartKind, Stage
from loadlock.quarantine.read import count_rejects
from loadlock.rows import ROW
from loadlock.workflow.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from loadlock.intake._enc_survey import Survey

_WRITES_AHEAD = 2
_MOST_DOUBTS = 20
_TIDY_BLOCKS = 16
_NAMES_ONLY = ("column ", "columns ", "the name of column ", "... and ")
"""How notes on the names of columns begin: the report shows them."""


@dataclass(frozen=True, kw_only=True)
class Intake:
    """What taking in needs to know. `scope` is the generation (`g1`)."""

    workspace: Workspace
    batch: str
    generation: int
    options: SourceOptions
    keep_source: bool
    look: Callable[[int, pa.Table, int], None] = lambda seq, rows, file_index: None
    """Shown each raw part that is written: its seq, rows and file."""

    @property
    def scope(self) -> str:
        return f"g{self.generation}"


def take_in(intake: Intake, sources: list[ByteSource], advance: Callable[[int, int], None]) -> None:
    """Stage every file that is not staged yet; then the generation counts. `advance(bytes, rows)` after each part.

    A file whose report is in the ledger is done. What a killed run left of another file is dropped and made again.
    """
    ledger, scope = intake.workspace.ledger, intake.scope
    done = ledger.file_reports(intake.batch, intake.generation)
    for source in sources:
        if source.file.index in done:
            advance(source.file.size_bytes, 0)
            continue
        ledger.drop_parts(intake.batch, scope, file_index=source.file.index)
        report = _stage_file(intake, source, advance)
        point("intake.file_read")
        ledger.save_file_report(intake.batch, intake.generation, source.file.index, report)
        point("intake.file_done")
    ledger.mark_staged(intake.batch, intake.generation)
    point("intake.staged")


def doubts(reports: Mapping[int, FileReport], sources: Sequence[ByteSource]) -> list[str]:
    """What the user should look at before trusting the files: doubtful encodings, mojibake, several tables, totals ..."""
    found = [
        f"{source.file.name}: {note}"
        for source in sources
        if (report := reports.get(source.file.index)) is not None
        for note in (*report.encoding.get("notes", []), *report.notes)
        if not note.startswith(_NAMES_ONLY)
    ]
    rest = len(found) - _MOST_DOUBTS
    return found if rest <= 0 else [*found[:_MOST_DOUBTS], f"and {rest:,} more notes on files: see the report"]


def _stage_file(intake: Intake, source: ByteSource, advance: Callable[[int, int], None]) -> FileReport:
    kept = intake.workspace.sources
    reads = kept.tee(source) if intake.keep_source and not kept.has(source.file) else source
    kept.remember(source)
    result = read_file(_Tidy(reads), intake.options)
    first = _next_seq(intake)
    staged = rejected = 0
    with ThreadPoolExecutor(1, thread_name_prefix="staging") as writer:
        for records in _written(intake, source, result.parts, first, writer):
            rows = sum(record.ref.rows for record in records if record.ref.key.kind == PartKind.RAW)
            staged += rows
            rejected += sum(record.ref.rows for record in records if record.ref.key.kind == PartKind.REJECTS)
            advance(int(records[0].info["bytes"]), rows)
    report = result.report()
    _check(source, report, staged, rejected)
    return report


class _Tidy:
    """A source of which reading leaves no freed memory behind: formats look through a file before they make parts."""

    def __init__(self, source: ByteSource) -> None:
        self.file = source.file
        self._source = source

    @property
    def survey(self) -> Survey | None:
        """What was seen of its encoding when its digest was taken."""
        return getattr(self._source, "survey", None)

    def open(self) -> Iterator[bytes]:
        return _tidied(self._source.open())

    def scan(self) -> Iterator[bytes]:
        """Blocks for a look at them, where the source has a cheaper way to give them."""
        return _tidied(getattr(self._source, "scan", self._source.open)())

    def head(self, size: int = 1 << 20) -> bytes:
        return self._source.head(size)

    def sample(self, size: int = 4 << 20) -> list[bytes]:
        return self._source.sample(size)


def _tidied(blocks: Iterator[bytes]) -> Iterator[bytes]:
    for number, block in enumerate(blocks, 1):
        yield block
        if number % _TIDY_BLOCKS == 0:
            give_back()


def _written(
    intake: Intake, source: ByteSource, parts: Iterator[RawPart], first: int, writer: ThreadPoolExecutor
) -> Iterator[list[PartRecord]]:
    """Parts written and listed behind the reader's back, a bounded number at a time, in order."""
    waiting: deque[Future[list[PartRecord]]] = deque()
    try:
        for seq, part in enumerate(parts, start=first):
            waiting.append(writer.submit(_write, intake, source, seq, part))
            if len(waiting) >= _WRITES_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _write(intake: Intake, source: ByteSource, seq: int, part: RawPart) -> list[PartRecord]:
    staging, index = intake.workspace.staging, source.file.index
    records = []
    spans = [_span(table) for table in (part.rows, part.rejects) if table.num_rows]
    taken = sum(int(length or 0) for table in (part.rows, part.rejects) for length in _lengths(table))
    info: dict[str, Any] = {
        "bytes": taken,
        "first_row": min((low for low, _ in spans), default=0),
        "last_row": max((high for _, high in spans), default=0),
    }
    key = PartKey(batch=intake.batch, scope=intake.scope, kind=PartKind.RAW, seq=seq)
    info["columns"] = list(part.rows.column_names)
    records.append(PartRecord(ref=staging.write(key, part.rows, file_index=index), info=info))
    intake.look(seq, part.rows, index)
    if part.rejects.num_rows:
        key = PartKey(batch=intake.batch, scope=intake.scope, kind=PartKind.REJECTS, seq=seq)
        ref = staging.write(key, part.rejects, file_index=index)
        counts = [[*code, rows] for code, rows in count_rejects(part.rejects).items()]
        records.append(PartRecord(ref=ref, info={"bytes": 0, "counts": counts}))
    point("intake.part_written")
    intake.workspace.ledger.add_parts(records)
    point("intake.part_listed")
    return records


def _span(table: object) -> tuple[int, int]:
    import pyarrow.compute as pc

    ends = pc.min_max(table[ROW])  # type: ignore[index]
    return ends["min"].as_py(), ends["max"].as_py()


def _lengths(table: object) -> list[int | None]:
    import pyarrow.compute as pc

    return [pc.sum(table["_length"]).as_py()]  # type: ignore[index]


def _next_seq(intake: Intake) -> int:
    listed = [
        record.ref.key.seq
        for kind in (PartKind.RAW, PartKind.REJECTS)
        for record in intake.workspace.ledger.parts(intake.batch, intake.scope, kind)
    ]
    return max(listed, default=0) + 1


def _check(source: ByteSource, report: FileReport, staged: int, rejected: int) -> None:
    """The reader's own counts against the rows at rest."""
    if (report.staged, report.rejected) != (staged, rejected) or report.received != staged + rejected:
        raise BalanceError(
            f"{source.file.name}: the reader saw {report.received:,} records ({report.staged:,} rows,"
            f" {report.rejected:,} rejects), but {staged:,} rows and {rejected:,} rejects lie in {Stage.STAGING}"
        )
