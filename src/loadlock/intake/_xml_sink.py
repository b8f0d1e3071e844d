"""Where XML records and faults go: placed in the original file, and handed on as rows and rejects."""

from __future__ import annotations

from typing import Any

import numpy as np

from loadlock.intake._json_records import PartBuilder, Records
from loadlock.intake._json_stream import TextStream
from loadlock.intake._xml_events import json_text
from loadlock.intake.base import ByteSource, SourceOptions
from loadlock.intake.encoding import EncodingFound
from loadlock.model import FileReport, Problem


class XmlSink:
    """Collects records until they are handed on together. Positions are of the text."""

    def __init__(self, source: ByteSource, options: SourceOptions, found: EncodingFound) -> None:
        self.stream = TextStream(source, found)
        self.out = PartBuilder(source.file, options.part_bytes, sound=True)
        self._found = found
        self._limit = options.record_limit
        self._texts: list[bytes] = []
        self._places: list[tuple[int, int, int]] = []

    def report(self, name: str) -> FileReport:
        """What was counted."""
        size = self.stream.size_bytes + self._found.bom_bytes
        return self.out.tally.report(name, encoding=self._found.to_json(), preamble=self._found.bom_bytes, size=size)

    def take(self, value: Any, start: int, stop: int, line: int) -> bool:
        """Take a record; False where it can't be a row: `why_not` says why."""
        if stop - start > self._limit or len(self.stream.undecoded(start, stop)):
            return False
        text = json_text(value)
        if text is None:
            return False
        self._texts.append(text)
        self._places.append((start, stop, line))
        return True

    def why_not(self, start: int, stop: int) -> tuple[str, str]:
        """Code and words for a record that was not taken."""
        if stop - start > self._limit:
            return "record_too_long", f"the record has {stop - start:,} bytes; the limit is {self._limit:,}"
        if len(self.stream.undecoded(start, stop)):
            return "invalid_encoding", f"not valid in {self._found.name}"
        return "nested_too_deep", "elements are nested too deeply to be written as JSON"

    def hand_on(self) -> None:
        """Give the records taken so far to the part builder."""
        if not self._texts:
            return
        texts, places = self._texts, np.array(self._places, dtype=np.int64)
        self._texts, self._places = [], []
        offsets = self.stream.offsets(places[:, 0])
        self.out.add(
            Records(
                text=b"".join(texts),
                sizes=np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)),
                rows=np.arange(self.out.next_row, self.out.next_row + len(texts)),
                lines=places[:, 2].copy(),
                offsets=offsets,
                lengths=self.stream.offsets(places[:, 1]) - offsets,
            )
        )

    def reject(self, problem: Problem, *, line: int, offset: int, length: int, raw: bytes) -> None:
        """A reject behind the records taken so far; offset and length are of the original file."""
        self.hand_on()
        self.out.reject(problem, row=self.out.next_row, line=line, offset=offset, length=length, raw=raw)
