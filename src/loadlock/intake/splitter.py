"""Cuts CSV bytes into records: vectorised for plain records, exact for doubtful ones, resynchronising at line ends.

A record is one physical line, or several where a quoted field holds line ends. From an open quote the splitter looks
ahead to the next line with an odd number of quotes; the lines in between belong to the record only if the whole
parses strictly to the wanted number of fields, stays within the record limit and does not look like rows of its own.
Otherwise the line with the open quote is a reject by itself and the next line starts afresh. So one bad quote costs one
row, and the result does not depend on where the buffers are cut.
"""

from __future__ import annotations

from loadlock.intake._csv_exact import FieldParser, Shape
from loadlock.intake._csv_lines import find_lines, view_of
from loadlock.intake._csv_records import BOM, Records, Rules, Status
from loadlock.intake._csv_split import Split

__all__ = ["BOM", "Records", "Rules", "Splitter", "Status"]

LINES_AT_ONCE = 1 << 17
"""Lines that are split at a time: bounds memory where lines are very short."""
LOOK_BYTES = 1 << 14


class Splitter:
    """Splits buffers that begin at a record's start. Holds no state between calls."""

    def __init__(self, shape: Shape, rules: Rules) -> None:
        self.shape = shape
        self.rules = rules
        self.parser = FieldParser(shape)

    def split(self, data: bytes, *, final: bool) -> Records:
        """The records that `data` decides; what follows `consumed` must be given again with more data behind it.

        Where `more` is set, `data` holds further complete lines: give the rest again before adding to it.
        """
        window = self._window(data)
        if window < len(data):
            records = self._split(data[:window], final=False)
            if records.consumed:
                records.more = True
                return records
        return self._split(data, final=final)

    def _window(self, data: bytes) -> int:
        """Bytes that hold about `LINES_AT_ONCE` lines, judged by the first ones."""
        lines = data.count(self.shape.record_end[-1:], 0, LOOK_BYTES)
        return LINES_AT_ONCE * LOOK_BYTES // lines if lines else len(data)

    def _split(self, data: bytes, *, final: bool) -> Records:
        view = view_of(data, self.shape)
        lines = find_lines(view.octets, self.shape.record_end, final=final)
        if len(lines) > LINES_AT_ONCE:
            cut = int(lines.next[LINES_AT_ONCE - 1])
            records = Split(self, data[:cut], view.upto(cut), lines.first(LINES_AT_ONCE), False).records()
            if records.consumed:
                records.more = True
                return records
        if not len(lines):
            # nothing to index in a piece of a very long line
            data, view = b"", view.upto(0)
        return Split(self, data, view, lines, final).records()
