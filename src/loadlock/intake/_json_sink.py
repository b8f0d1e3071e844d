"""Where the records and faults of a JSON window go: judged, placed in the file, and handed on as rows and rejects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from loadlock.intake._json_records import PartBuilder, Records
from loadlock.intake._json_sound import gather
from loadlock.intake._json_text import Judge, Place, Verdict
from loadlock.intake._json_window import TextWindow
from loadlock.intake.decode import Positions
from loadlock.model import Problem
from loadlock.rows import RAW_LIMIT


@dataclass(frozen=True, kw_only=True)
class Region:
    """The start of a range that will be one reject, while its end is looked for."""

    reason: str
    code: str
    place: Place
    raw: bytes


class RecordSink:
    """Takes places in the window, gives rows and rejects to the part builder."""

    def __init__(self, window: TextWindow, out: PartBuilder, judge: Judge, limit: int) -> None:
        self._window = window
        self._out = out
        self._judge = judge
        self._limit = limit
        self.hint = ""
        """What to do about a record that is too long, for the message."""

    def store(
        self,
        starts: Positions,
        ends: Positions,
        *,
        others: Mapping[int, bytes] | None = None,
        encoding: str | None = None,
    ) -> None:
        """Take the good records at these places. `others`: number → text that stands for the one there."""
        offsets = self._window.offsets(starts)
        number = self._out.next_row
        text, sizes = gather(self._window.data, starts, ends, others or {})
        self._out.add(
            Records(
                text=text,
                sizes=sizes,
                rows=np.arange(number, number + len(starts)),
                lines=self._window.lines(starts),
                offsets=offsets,
                lengths=self._window.offsets(ends) - offsets,
                encodings={0: encoding} if encoding else self._window.foreign(starts, ends),
            )
        )

    def accept(self, start: int, end: int, verdict: Verdict) -> None:
        """Take one record, as text that may have been decoded by another encoding."""
        text = (verdict.text or "").encode()
        self.store(np.array([start]), np.array([end]), others={0: text}, encoding=verdict.encoding)

    def verdict(self, start: int, end: int, *, truncated: bool = False) -> Verdict:
        place = self._window.place(start)
        if end - start > self._limit:
            message = (
                f"the record has {end - start:,} bytes; the limit is {self._limit:,}: line {place.line:,}{self.hint}"
            )
            return Verdict(problem=Problem(code="record_too_long", message=message))
        bad = self._window.undecoded(start, end)
        if len(bad):
            at = self._window.place(int(bad[0]))
            message = f"not valid in the file's encoding: line {at.line:,}, byte {at.offset:,}"
            return Verdict(problem=Problem(code="invalid_encoding", message=message))
        return self._judge.verdict(self._window.data[start:end], place, truncated=truncated)

    def reject(self, start: int, end: int, reason: str, code: str = "invalid_json") -> None:
        """A reject of a range of the window, for a reason that stands for itself."""
        place = self._window.place(start)
        message = f"{reason}: line {place.line:,}, column {place.column:,} (byte {place.offset:,})"
        self.reject_for(start, end, Problem(code=code, message=message))

    def reject_for(self, start: int, end: int, problem: Problem) -> None:
        place, raw = self._window.place(start), self._window.raw(start, end)
        self._out.reject(
            problem, row=self._out.next_row, line=place.line, offset=place.offset, length=len(raw), raw=raw
        )

    def open_region(self, reason: str, code: str = "invalid_json") -> Region:
        """Remember that a reject starts where the window stands."""
        window = self._window
        raw = window.raw(window.at, min(len(window.data), window.at + RAW_LIMIT))
        return Region(reason=reason, code=code, place=window.place(window.at), raw=raw)

    def close_region(self, region: Region) -> None:
        """The reject ends where the window stands."""
        place = region.place
        length = self._window.place(self._window.at).offset - place.offset
        message = f"{region.reason}: line {place.line:,}, column {place.column:,} (byte {place.offset:,})"
        self._out.reject(
            Problem(code=region.code, message=message),
            row=self._out.next_row,
            line=place.line,
            offset=place.offset,
            length=length,
            raw=region.raw[:length],
        )

    def reject_blank(self, reason: str) -> None:
        """A document without a value: one reject for all of its white space."""
        place = Place(line=1, offset=0)
        problem = Problem(code="invalid_json", message=reason)
        self._out.reject(problem, row=1, line=place.line, offset=place.offset, length=0, raw=b"")
