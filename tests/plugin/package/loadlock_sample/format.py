"""pairs: lines of `key=value;key=value` in UTF-8."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pyarrow as pa

from loadlock.intake.base import ByteSource, RawPart, ReadResult, SourceOptions
from loadlock.model import ByteCount, FileReport, Problem, Stage
from loadlock.rows import Place, provenance_fields, reject, reject_table


class PairsFormat:
    """Lines of `key=value;key=value`. Holds the file in memory."""

    name: ClassVar[str] = "pairs"
    summary: ClassVar[str] = "lines of key=value;key=value"
    extensions: ClassVar[tuple[str, ...]] = (".pairs",)

    def sniff(self, head: bytes, name: str) -> float:
        return 0.99 if name.endswith(self.extensions) else 0.0

    def read(self, source: ByteSource, options: SourceOptions) -> ReadResult:
        reader = _Reader(source)
        return ReadResult(parts=reader.parts(), report=reader.report)


class _Reader:
    def __init__(self, source: ByteSource) -> None:
        self.source = source
        self.values: list[dict[str, str]] = []
        self.places: list[tuple[Any, ...]] = []
        self.rejects: list[dict[str, Any]] = []
        self.bytes = ByteCount()

    def parts(self) -> Iterator[RawPart]:
        at = 0
        for number, line in enumerate(b"".join(self.source.open()).splitlines(keepends=True), 1):
            self._line(number, line, at)
            at += len(line)
        names = dict.fromkeys(name for row in self.values for name in row)
        columns = [pa.array([row.get(name) for row in self.values], pa.string()) for name in names]
        fields = provenance_fields()
        columns += [pa.array([place[i] for place in self.places], field.type) for i, field in enumerate(fields)]
        schema = pa.schema([*(pa.field(name, pa.string()) for name in names), *fields])
        yield RawPart(rows=pa.table(columns, schema=schema), rejects=reject_table(self.rejects))

    def _line(self, number: int, line: bytes, at: int) -> None:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        pairs = [pair.partition("=") for pair in text.split(";")]
        if all(mark for _, mark, _ in pairs):
            self.values.append({name: value for name, _, value in pairs})
            self.places.append((self.source.file.name, number, number, at, len(line), None))
            self.bytes += ByteCount(rows=len(line))
            return
        problem = Problem(code="unreadable_range", message="a pair has no `=`")
        self.bytes += ByteCount(rejects=len(line))
        self.rejects.append(
            reject(
                Place(
                    file=self.source.file.index,
                    source_file=self.source.file.name,
                    row=number,
                    line=number,
                    offset=at,
                    length=len(line),
                ),
                problems=[problem],
                stage=Stage.INTAKE,
                raw=line,
            )
        )

    def report(self) -> FileReport:
        names = list(dict.fromkeys(name for row in self.values for name in row))
        staged, rejected = len(self.values), len(self.rejects)
        return FileReport(
            format="pairs",
            encoding={"name": "utf-8", "how": "pinned"},
            header=names,
            bytes=self.bytes,
            received=staged + rejected,
            staged=staged,
            rejected=rejected,
        )
