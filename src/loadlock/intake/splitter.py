"""Cuts CSV bytes into records: vectorised for plain records, exact for doubtful ones, resynchronising at line ends.

A record is one physical line, or several where a quoted field holds line ends. From an open quote the splitter looks
ahead to the next line with an odd number of quotes; the lines in between belong to the record only if the whole
parses strictly to the wanted number of fields, stays within the record limit and does not look like rows of its own.
Otherwise the line with the open quote is a reject by itself and the next line starts afresh. So one bad quote costs one
row, and the result does not depend on where the buffers are cut.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from loadlock.intake._csv_exact import FieldParser, Fields, Shape
from loadlock.intake._csv_lines import LF, Flags, Lines, Positions, View, find_lines, lone_returns, view_of
from loadlock.intake._csv_quotes import Quotes

_Entry = TypeVar("_Entry")
BOM = b"\xef\xbb\xbf"
LINES_AT_ONCE = 1 << 17
"""Lines that are split at a time: bounds memory where lines are very short."""
SHORT_LINE = 16
"""Bytes; with lines shorter than this on average, `SHORT_BYTES` are split at a time."""
SHORT_BYTES = 1 << 20
LOOK_LINES = 64
"""Lines after an open quote that decide, where they all look like rows, that the quote was never meant to span them."""


class Status(IntEnum):
    """What a record is. From `FIELD_COUNT` on: rejects."""

    PLAIN = 0
    EXACT = 1
    """A row whose values were parsed one by one (`Records.exact`)."""
    BLANK = 2
    HEADER = 3
    COMMENT = 4
    FIELD_COUNT = 10
    STRAY_QUOTE = 11
    OPEN_QUOTE = 12
    NUL_BYTE = 13
    INVALID_ENCODING = 14
    TOO_LONG = 15


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the splitter takes for a row."""

    fields: int | None = None
    """Wanted number of fields; None = any (for finding the dialect)."""
    least: int | None = None
    """A row may lack fields down to this number (unnamed columns at the end); None = none."""
    header: bytes = b""
    """The header's own bytes: equal records are repeated headers."""
    comment: bytes = b""
    record_limit: int = 16 << 20
    tolerate: frozenset[str] = frozenset()


@dataclass
class Records:
    """The records of a buffer, as columns. Positions are relative to the buffer; `end` excludes the record end."""

    start: Positions
    end: Positions
    next: Positions
    line: Positions
    """0-based physical line within the buffer."""
    status: npt.NDArray[np.uint8]
    fields: Positions
    """Number of fields found (0 where it was not counted)."""
    trim: Positions
    """Bytes of empty trailing fields to leave out of the row."""
    exact: dict[int, list[bytes | None]]
    """Values of the `EXACT` records, by index."""
    where: dict[int, int]
    """1-based field of a quote fault, by index."""
    consumed: int
    lines: int
    """Physical lines consumed."""
    more: bool = False
    """Whether complete lines were left over only to bound memory."""
    counts: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.start)


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
        if self._has_short_lines(data):
            records = self._split(data[:SHORT_BYTES], final=False)
            if records.consumed:
                records.more = True
                return records
        return self._split(data, final=final)

    def _has_short_lines(self, data: bytes) -> bool:
        """Whether lines are so short that indexing all of `data` at once would need much memory."""
        looked = 1 << 14
        return len(data) > SHORT_BYTES and data.count(self.shape.record_end[-1:], 0, looked) > looked // SHORT_LINE

    def _split(self, data: bytes, *, final: bool) -> Records:
        view = view_of(data, self.shape)
        lines = find_lines(view.octets, self.shape.record_end, final=final)
        if len(lines) > LINES_AT_ONCE:
            cut = int(lines.next[LINES_AT_ONCE - 1])
            records = _Split(self, data[:cut], view.upto(cut), lines.first(LINES_AT_ONCE), False).records()
            if records.consumed:
                records.more = True
                return records
        if not len(lines):
            # nothing to index in a piece of a very long line
            data, view = b"", view.upto(0)
        return _Split(self, data, view, lines, final).records()


class _Split:
    """One call of `Splitter.split`."""

    def __init__(self, splitter: Splitter, data: bytes, view: View, lines: Lines, final: bool) -> None:
        self.rules, self.parser, self.shape = splitter.rules, splitter.parser, splitter.shape
        self.data, self.view, self.lines, self.final = data, view, lines, final
        self.quotes = Quotes(view, lines, self.shape)
        self.delimiters = self.quotes.delimiters()
        self._pass_boms()
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

    def _pass_boms(self) -> None:
        """Let lines that begin with a byte order mark (concatenated files) begin behind it."""
        # one byte is looked up much faster than three
        at = self.data.find(BOM) if BOM[:1] in self.data else -1
        while at >= 0:
            line = int(np.searchsorted(self.lines.start, at, "right")) - 1
            if 0 <= line < len(self.lines) and self.lines.start[line] == at and at < self.lines.end[line]:
                self.lines.start[line] += len(BOM)
            at = self.data.find(BOM, at + len(BOM))

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
        edges = np.frombuffer(self.shape.blank_bytes, dtype=np.uint8)
        if len(self.view.octets):
            octets = self.view.octets
            first = octets[np.minimum(lines.start, len(octets) - 1)]
            last = octets[np.maximum(lines.end - 1, 0)]
            edge = np.zeros(256, dtype=bool)
            edge[edges] = True
            if len(self.shape.delimiter) > 1:
                edge[[self.view.delimiter, self.view.delimiter_last]] = True
            maybe = edge[first] & edge[last] & (length > 0) & (self.quotes.count == 0) & (self.status == 0)
            blank |= maybe & (self.delimiters * len(self.shape.delimiter) == length)
            for index in np.flatnonzero(maybe & ~blank).tolist():
                raw = self.data[lines.start[index] : lines.end[index]]
                if self.delimiters[index] and len(self.shape.delimiter) > 1:
                    raw = raw.replace(self.shape.delimiter, b"")
                blank[index] = not raw.translate(None, self.shape.blank_bytes)
        self.status[blank] = Status.BLANK

    def _join_lines(self) -> Flags:
        """Join lines with an odd number of quotes to records of several lines; returns which odd lines stay alone."""
        alone = np.zeros(self.size, dtype=bool)
        odd = np.flatnonzero((self.quotes.count & 1).astype(bool) & (self.status == 0))
        if not len(odd):
            return alone
        joinable, covered, padded = self._joinable(odd)
        at, count = 0, len(odd)
        while at < count:
            first = int(odd[at])
            if joinable[at]:
                last = int(odd[at + 1])
                self._join(first, last, int(covered[at]), bool(padded[at]))
                at += 2
                continue
            if at + 1 == count and self._may_close_later(first):
                self._cut(first)
                break
            alone[first] = True
            at += 1
        return alone

    def _join(self, first: int, last: int, covered: int, padded: bool) -> None:
        self.last[first] = last
        self.head[first + 1 : last + 1] = False
        self.fields[first] = int(self.delimiters[first : last + 1].sum()) - covered + 1
        if padded:
            self.status[first] = Status.EXACT

    def _joinable(self, odd: Positions) -> tuple[Flags, Positions, Flags]:
        """For each odd line: whether it and the lines up to the next odd one make a record."""
        count = len(odd)
        good, padded = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
        covered = np.zeros(count, dtype=np.int64)
        total = np.concatenate([[0], np.cumsum(self.delimiters)])
        # neighbours share a line, so every second pair is checked at a time; the second half only where it may matter
        for parity in (0, 1):
            pairs = np.arange(parity, count - 1, 2)
            if not len(pairs) or (parity and good[0 : count - 1 : 2].all()):
                continue
            first, last = odd[pairs], odd[pairs + 1]
            check = self.quotes.check(first, last)
            fields = total[last + 1] - total[first] - check.covered + 1
            placed = check.good & self._one_record(first, last)
            good[pairs] = placed & self._right_count(fields, first, last, placed)
            padded[pairs], covered[pairs] = check.padded, check.covered
        return good, covered, padded

    def _right_count(self, fields: Positions, first: Positions, last: Positions, placed: Flags) -> Flags:
        """Whether the groups of lines have a number of fields that makes a row; only looked at where `placed`."""
        if self.rules.fields is None:
            return np.ones(len(first), dtype=bool)
        within: Flags = self._accepts(fields)
        if "pad_short" in self.rules.tolerate:
            within |= fields < self.rules.fields
        if self.rules.tolerate & {"drop_extra", "merge_tail"}:
            within |= fields > self.rules.fields
        for pair in np.flatnonzero(placed & ~within & (fields > self.rules.fields)).tolist():
            raw = self.data[self.lines.start[first[pair]] : self.lines.end[last[pair]]]
            within[pair] = not any(value.strip() for value in self.parser.parse(raw).values[self.rules.fields :])
        return within

    def _accepts(self, fields: Positions) -> Flags:
        wanted = self.rules.fields
        if wanted is None:
            return np.ones(len(fields), dtype=bool)
        least = wanted if self.rules.least is None else self.rules.least
        return (fields >= least) & (fields <= wanted)

    def _one_record(self, first: Positions, last: Positions) -> Flags:
        """Whether lines `first` to `last` may be one record: not longer than the limit, no rows swallowed."""
        short = self.lines.end[last] - self.lines.start[first] <= self.rules.record_limit
        rows = self._row_like()
        between = last - first - 1
        swallowed = self._looks_like_rows(rows[last] - rows[first + 1], between)
        early = np.minimum(first + 1 + LOOK_LINES, last)
        swallowed |= (between >= LOOK_LINES) & self._many_rows(rows[early] - rows[first + 1])
        result: Flags = short & ~swallowed
        return result

    def _row_like(self) -> Positions:
        """Running number of lines before each line that have the wanted number of fields by themselves."""
        alike = (self.fields == self.rules.fields) & (self.status == 0)
        return np.concatenate([[0], np.cumsum(alike)])

    def _looks_like_rows(self, rows: Positions, between: Positions) -> Flags:
        wanted = self.rules.fields or 1
        if wanted == 1:
            return np.zeros(len(rows), dtype=bool)
        if wanted <= 4:
            # prose in quotes often has a comma or two in a line
            return (between >= 8) & (rows * 5 >= between * 4)
        return (between >= 1) & (rows * 2 > between)

    def _many_rows(self, rows: Positions) -> Flags:
        return np.asarray(rows * 10 >= LOOK_LINES * 9) & ((self.rules.fields or 1) > 1)

    def _may_close_later(self, first: int) -> bool:
        """Whether the open quote of the last odd line may be closed by data that is yet to come."""
        if self.final or len(self.data) - int(self.lines.start[first]) > self.rules.record_limit + 2:
            return False
        if self.size - first - 1 >= LOOK_LINES:
            rows = self._row_like()
            return not bool(self._many_rows(rows[first + 1 + LOOK_LINES] - rows[first + 1]))
        return True

    def _cut(self, line: int) -> None:
        """Leave everything from `line` on for the next call."""
        self.size = line

    def _check_single_lines(self, doubtful: Flags) -> None:
        """Take delimiters in quotes off the field count of lines with an even number of quotes; mark misplaced quotes."""
        count = self.quotes.count
        chosen = np.flatnonzero((count > 0) & ((count & 1) == 0) & self.head & (self.status == 0))
        chosen = chosen[chosen < self.size]
        if not len(chosen):
            return
        check = self.quotes.check(chosen, chosen)
        self.fields[chosen] -= check.covered
        self.status[chosen[check.padded & check.good]] = Status.EXACT
        doubtful[chosen[~check.good]] = True

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
        soft = np.isin(final_byte, np.frombuffer(b" \t" + self.shape.quote + self.shape.delimiter[-1:], np.uint8))
        if self.view.delimiter_last >= 0:
            soft |= final_byte == self.view.delimiter_last
        longer = (fields > wanted) & (soft | bool(self.rules.tolerate & {"drop_extra", "merge_tail"}))
        return np.asarray(short | longer)

    def _judge_exactly(self, index: int) -> None:
        """Parse one record on its own and decide."""
        raw = self.data[self.lines.start[index] : self.lines.end[self.last[index]]]
        found = self.parser.parse(raw)
        if found.fault is not None:
            values = self._literal(raw)
            if values is None:
                stray = found.fault == "stray_quote"
                self.status[index] = Status.STRAY_QUOTE if stray else Status.OPEN_QUOTE
                self.fields[index], self.where[index] = 0, found.where
                return
            self._accept(index, list(values), "stray_quotes")
            return
        self.fields[index] = len(found.values)
        self._count("padded_quotes", found.padded)
        self._fit(index, raw, found)

    def _literal(self, raw: bytes) -> list[bytes] | None:
        if "stray_quotes" not in self.rules.tolerate or self.rules.fields is None:
            return None
        return self.parser.parse_literal(raw, self.rules.fields)

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
        elif not any(value.strip() for value in values[wanted:]):
            self._accept(index, values[:wanted], "trailing_empty")
        elif "merge_tail" in tolerate:
            self._accept(index, [*values[: wanted - 1], raw[found.spans[wanted - 1] :]], "merge_tail")
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
    lines = [line for line in found if keep[line]]
    return dict(zip(np.searchsorted(head, lines).tolist(), (found[line] for line in lines), strict=True))
