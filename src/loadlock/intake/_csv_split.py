"""One call of the splitter: classifies every line of a buffer that can be decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from loadlock.bits import Ranks, bits_of
from loadlock.intake._csv_exact import Fields
from loadlock.intake._csv_join import Joining
from loadlock.intake._csv_lines import LF, Flags, Lines, Positions, View, find_lines, lone_returns, view_of
from loadlock.intake._csv_quotes import Quotes
from loadlock.intake._csv_records import Records, Status

if TYPE_CHECKING:
    from loadlock.intake.splitter import Splitter

_MANY = 1000
"""Lines in doubt from which on one pass over the whole buffer is faster than a look at each."""
_Entry = TypeVar("_Entry")


class Split:
    """One call of `Splitter.split`."""

    def __init__(self, splitter: Splitter, data: bytes, view: View, lines: Lines, final: bool) -> None:
        self.rules, self.parser, self.shape = splitter.rules, splitter.parser, splitter.shape
        self.data, self.view, self.lines, self.final = data, view, lines, final
        for mark in self.shape.marks:
            self._pass(mark)
        self.quotes = Quotes(view, lines, self.shape)
        self.delimiters = self.quotes.delimiters
        size = len(lines)
        self.status = np.zeros(size, dtype=np.uint8)
        self.fields = self.delimiters + 1
        self.last = np.arange(size)
        self.head = np.ones(size, dtype=bool)
        self.size = size
        self.trim = np.zeros(size, dtype=np.int64)
        self.exact: dict[int, list[bytes | None]] = {}
        self.where: dict[int, int] = {}
        self.counts: dict[str, int] = {}

    def records(self) -> Records:
        """Classify every line that can be decided, in the order of precedence."""
        self._set_apart()
        doubtful = self._join_lines()
        self._check_single_lines(doubtful)
        self._mark_unusual(doubtful)
        self._judge_fields(doubtful)
        doubtful |= self.status == Status.EXACT
        for index in np.flatnonzero((doubtful & self.head)[: self.size]).tolist():
            self._judge_exactly(index)
        self._mark_headers_and_nuls()
        return self._result()

    def _pass(self, mark: bytes) -> None:
        """Let lines that begin with a byte order mark (concatenated files) or a page break begin behind it."""
        # one byte is looked up much faster than three
        at = self.data.find(mark) if mark[:1] in self.data else -1
        while at >= 0:
            line = int(np.searchsorted(self.lines.start, at, "right")) - 1
            if 0 <= line < len(self.lines) and self.lines.start[line] == at and at < self.lines.end[line]:
                self.lines.start[line] += len(mark)
            at = self.data.find(mark, at + len(mark))

    def _set_apart(self) -> None:
        """Lines that are no records whatever stands around them: too long, comments, blank."""
        lines = self.lines
        length = lines.end - lines.start
        self.status[length > self.rules.record_limit] = Status.TOO_LONG
        if self.rules.comment:
            for index in range(self.size):
                if self.data.startswith(self.rules.comment, int(lines.start[index])) and not self.status[index]:
                    self.status[index] = Status.COMMENT
        blank = (length == 0) & (self.status == 0)
        if len(self.view.octets):
            self._mark_white(blank)
        self.status[blank] = Status.BLANK

    def _mark_white(self, blank: Flags) -> None:
        """Add the lines of white space and delimiters only to those that are blank."""
        lines, octets, delimiter = self.lines, self.view.octets, self.shape.delimiter
        length = lines.end - lines.start
        white = np.zeros(256, dtype=bool)
        white[np.frombuffer(self.shape.blank_bytes, dtype=np.uint8)] = True
        if len(delimiter) > 1:
            white[[self.view.delimiter, self.view.delimiter_last]] = True
        first = octets[np.minimum(lines.start, len(octets) - 1)]
        last = octets[np.maximum(lines.end - 1, 0)]
        maybe = white[first] & white[last] & (length > 0) & (self.status == 0)
        blank |= maybe & (self.delimiters * len(delimiter) == length)
        unsure = np.flatnonzero(maybe & ~blank)
        if len(unsure) > _MANY and len(delimiter) == 1:
            others = Ranks(bits_of(~white[octets]))
            blank[unsure] = others.before(lines.end[unsure]) == others.before(lines.start[unsure])
            return
        for index in unsure.tolist():
            raw = self.data[lines.start[index] : lines.end[index]]
            if self.delimiters[index] and len(delimiter) > 1:
                raw = raw.replace(delimiter, b"")
            blank[index] = not raw.translate(None, self.shape.blank_bytes)

    def _join_lines(self) -> Flags:
        """Join lines with an odd number of quotes to records of several lines; returns which odd lines stay alone."""
        joining = Joining(self.lines, self.quotes, self.status == 0, self.rules)
        joined = joining.join(self.data, self.parser, final=self.final)
        if joined.cut is not None:
            # everything from there on is for the next call
            self.size = joined.cut
        self.last[joined.first] = joined.last
        inside = np.zeros(len(self.head) + 1, dtype=np.int64)
        inside[joined.first + 1] += 1
        inside[joined.last + 1] -= 1
        self.head &= np.cumsum(inside[:-1]) == 0
        self.fields[joined.first] = joined.fields
        self.status[joined.first[joined.padded]] = Status.EXACT
        alone = np.zeros(len(self.head), dtype=bool)
        alone[joined.alone] = True
        return alone

    def _check_single_lines(self, doubtful: Flags) -> None:
        """Mark lines whose quotes are misplaced, or in place only because white space may stand beside them."""
        chosen = self.head & (self.status == 0)
        chosen[self.size :] = False
        self.status[chosen & self.quotes.padded] = Status.EXACT
        doubtful |= chosen & self.quotes.faulty
        if self.shape.plain_quotes and "stray_quotes" not in self.rules.tolerate:
            self._refuse_quotes(np.flatnonzero(doubtful))
            doubtful[:] = False

    def _refuse_quotes(self, lines: Positions) -> None:
        """Lines that no other reading could save: misplaced quotes, or one that is never closed."""
        self.status[lines] = np.where(self.quotes.never_closed[lines], Status.OPEN_QUOTE, Status.STRAY_QUOTE)
        self.fields[lines] = 0
        self.where.update(zip(lines.tolist(), self.quotes.fault_field[lines].tolist(), strict=True))

    def _mark_unusual(self, doubtful: Flags) -> None:
        """Rows that Arrow's parser would read otherwise: escapes, long delimiters, line ends that end no record."""
        row = self.head & (self.status == Status.PLAIN)
        if not self.shape.simple:
            self.status[row & ~doubtful] = Status.EXACT
            return
        inner = [self.view.backslashes]
        if b"\r" in self.data and self.shape.record_end != b"\r":
            inner.append(lone_returns(np.frombuffer(self.data, dtype=np.uint8), final=True))
        if self.shape.record_end == b"\r\n":
            feeds = np.flatnonzero(self.view.octets == LF)
            inner.append(feeds[~np.isin(feeds, self.lines.next - 1)])
        at = np.concatenate(inner)
        if len(at):
            owner = self._owner(at)
            owner = owner[owner >= 0]
            self.status[owner[row[owner] & ~doubtful[owner]]] = Status.EXACT

    def _owner(self, at: Positions) -> Positions:
        """The record's first line for each position in the data; -1 behind the last complete line."""
        line = np.searchsorted(self.lines.next, at, "right")
        heads = np.maximum.accumulate(np.where(self.head, np.arange(len(self.head)), 0)) if len(self.head) else line
        known = line < len(self.lines)
        owner = np.full(len(at), -1, dtype=np.int64)
        owner[known] = heads[line[known]]
        return np.unique(owner)

    def _judge_fields(self, doubtful: Flags) -> None:
        """Compare the number of fields of whole records with the wanted one."""
        wanted = self.rules.fields
        if wanted is None:
            return
        row = self.head & (self.status <= Status.EXACT) & ~doubtful
        row[self.size :] = False
        wrong = np.flatnonzero(row & (self.fields != wanted))
        if not len(wrong):
            return
        extra = self.fields[wrong] - wanted
        end = self.lines.end[self.last[wrong]]
        empty_tail = (extra > 0) & (len(self.shape.delimiter) == 1) & (self.status[wrong] == Status.PLAIN)
        empty_tail[empty_tail] = self._empty_tail(end[empty_tail], extra[empty_tail])
        self.trim[wrong[empty_tail]] = extra[empty_tail]
        self._count("trailing_empty", int(empty_tail.sum()))
        rest = wrong[~empty_tail]
        maybe = self._may_be_tolerated(rest)
        self.status[rest[~maybe]] = Status.FIELD_COUNT
        doubtful[rest[maybe]] = True

    def _empty_tail(self, end: Positions, extra: Positions) -> Flags:
        """Whether the record's last `extra` fields are empty and unquoted: nothing but delimiters at its end."""
        good = np.ones(len(end), dtype=bool)
        for back in range(int(extra.max()) if len(extra) else 0):
            still = good & (extra > back)
            if not still.any():
                break
            good &= ~still | (self.view.octets[np.maximum(end - 1 - back, 0)] == self.view.delimiter_last)
        return good

    def _may_be_tolerated(self, records: Positions) -> Flags:
        """Which records of another field count are worth an exact look."""
        wanted = self.rules.fields or 0
        fields = self.fields[records]
        least = wanted if self.rules.least is None else self.rules.least
        short = (fields < wanted) & ((fields >= least) | ("pad_short" in self.rules.tolerate))
        final_byte = self.view.octets[np.maximum(self.lines.end[self.last[records]] - 1, 0)]
        soft = np.isin(final_byte, np.frombuffer(b" \t\r\n" + self.shape.quote + self.shape.delimiter[-1:], np.uint8))
        if self.view.delimiter_last >= 0:
            soft |= final_byte == self.view.delimiter_last
        longer = (fields > wanted) & (soft | bool(self.rules.tolerate & {"drop_extra", "merge_tail"}))
        return np.asarray(short | longer)

    def _judge_exactly(self, index: int) -> None:
        """Parse one record on its own and decide."""
        raw = self.data[self.lines.start[index] : self.lines.end[self.last[index]]]
        found = self.parser.parse(raw)
        if found.fault is not None:
            values = self._literal(raw) if "stray_quotes" in self.rules.tolerate else None
            if values is None:
                self.status[index] = Status.STRAY_QUOTE if found.fault == "stray_quote" else Status.OPEN_QUOTE
                self.fields[index], self.where[index] = 0, found.where
            else:
                self._accept(index, list(values), "stray_quotes")
            return
        self.fields[index] = len(found.values)
        self._count("padded_quotes", found.padded)
        self._fit(index, raw, found)

    def _literal(self, raw: bytes) -> list[bytes] | None:
        return None if self.rules.fields is None else self.parser.parse_literal(raw, self.rules.fields)

    def _fit(self, index: int, raw: bytes, found: Fields) -> None:
        """Bring a well-formed record to the wanted number of fields where that is harmless or asked for."""
        wanted, values = self.rules.fields, list(found.values)
        tolerate = self.rules.tolerate
        if wanted is None or len(values) == wanted:
            self._accept(index, values)
        elif len(values) < wanted:
            least = wanted if self.rules.least is None else self.rules.least
            if len(values) >= least:
                self._accept(index, [*values, *[None] * (wanted - len(values))], "missing_unnamed")
            elif "pad_short" in tolerate:
                self._accept(index, [*values, *[None] * (wanted - len(values))], "pad_short")
            else:
                self.status[index] = Status.FIELD_COUNT
        elif not any(value.strip(b" \t\r\n") for value in values[wanted:]):
            self._accept(index, values[:wanted], "trailing_empty")
            self.trim[index] = len(values) - wanted
        elif "merge_tail" in tolerate:
            self._accept(index, [*values[: wanted - 1], self.parser.tail(raw, wanted - 1)], "merge_tail")
        elif "drop_extra" in tolerate:
            self._accept(index, values[:wanted], "drop_extra")
        else:
            self.status[index] = Status.FIELD_COUNT

    def _accept(self, index: int, values: list[bytes] | list[bytes | None], counted: str | None = None) -> None:
        self.status[index] = Status.EXACT
        self.exact[index] = list(values)
        if counted:
            self._count(counted, 1)

    def _mark_headers_and_nuls(self) -> None:
        header = self.rules.header
        if header:
            self._mark_headers(header)
        if b"\0" in self.data:
            owner = self._owner(np.flatnonzero(np.frombuffer(self.data, dtype=np.uint8) == 0))
            owner = owner[(owner >= 0) & (owner < self.size)]
            bad = owner[~np.isin(self.status[owner], (Status.BLANK, Status.COMMENT, Status.TOO_LONG, Status.HEADER))]
            self.status[bad] = Status.NUL_BYTE
            self.trim[bad] = 0

    def _mark_headers(self, header: bytes) -> None:
        lines = self.lines
        length = lines.end[self.last] - lines.start
        same = np.flatnonzero(self.head & (length == len(header)) & (self.status != Status.BLANK))
        for back in (0, len(header) // 3, len(header) // 2, len(header) - 1):
            same = same[self.view.octets[lines.start[same] + back] == self._header_byte(header, back)]
        for index in same[same < self.size].tolist():
            if self.data.startswith(header, int(lines.start[index])):
                self.status[index] = Status.HEADER
                self.trim[index] = 0
                self.exact.pop(index, None)
                self._count("repeated_header", 1)

    def _header_byte(self, header: bytes, at: int) -> int:
        return int(view_of(header, self.shape).octets[at])

    def _count(self, name: str, number: int) -> None:
        if number:
            self.counts[name] = self.counts.get(name, 0) + number

    def _result(self) -> Records:
        lines = self.lines
        head = np.flatnonzero(self.head[: self.size])
        last = self.last[head]
        consumed = int(lines.next[self.size - 1]) if self.size else 0
        return Records(
            start=lines.start[head],
            end=lines.end[last],
            next=lines.next[last],
            line=self._line_numbers(head),
            status=self.status[head],
            fields=self.fields[head],
            trim=self.trim[head],
            exact=_renumber(self.exact, head, self.status == Status.EXACT),
            where=_renumber(self.where, head, np.isin(self.status, (Status.STRAY_QUOTE, Status.OPEN_QUOTE))),
            consumed=consumed,
            lines=self._line_count(consumed),
            counts=self.counts,
        )

    def _line_numbers(self, head: Positions) -> Positions:
        if not len(self.view.backslashes):
            return head
        real = find_lines(np.frombuffer(self.data, dtype=np.uint8), self.shape.record_end, final=self.final)
        return np.searchsorted(real.next, self.lines.start[head], "right")

    def _line_count(self, consumed: int) -> int:
        if not len(self.view.backslashes):
            return self.size
        real = find_lines(np.frombuffer(self.data, dtype=np.uint8), self.shape.record_end, final=self.final)
        return int(np.searchsorted(real.next, consumed, "right"))


def _renumber(found: dict[int, _Entry], head: Positions, keep: Flags) -> dict[int, _Entry]:
    """Entries by first line → entries by record, where `keep` says so."""
    lines = np.fromiter(found, dtype=np.int64, count=len(found))
    kept = lines[keep[lines]]
    return dict(zip(np.searchsorted(head, kept).tolist(), map(found.__getitem__, kept.tolist()), strict=True))
