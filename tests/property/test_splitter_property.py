"""The vectorised splitter against a slow reference with the same rules, on random files and buffer sizes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadlock.intake._csv_exact import FieldParser, Shape
from loadlock.intake._csv_join import LOOK_LINES
from loadlock.intake.splitter import Records, Rules, Splitter, Status

Found = tuple[int, int, int, str]
"""Offset, length, line, and what it is."""
Values = tuple[list[str] | None, str]


class Reference:
    """Character by character, one physical line after the other, without NumPy or regular expressions."""

    def __init__(self, data: bytes, fields: int, shape: Shape, limit: int = 1 << 20) -> None:
        self.data, self.fields, self.shape, self.limit = data, fields, shape, limit
        self.lines = self._lines()

    def _lines(self) -> list[tuple[int, int, int]]:
        """Start, end and next of each physical line."""
        found, start, at = [], 0, 0
        while at < len(self.data):
            step = self._end_at(at)
            if step:
                found.append((start, at, at + step))
                start = at = at + step
            else:
                at += 1
        if start < len(self.data):
            found.append((start, len(self.data), len(self.data)))
        return found

    def _end_at(self, at: int) -> int:
        pair = self.data[at : at + 2] == b"\r\n"
        if self.shape.record_end == b"\r\n":
            return 2 if pair else 0
        if pair:
            return 2
        byte = self.data[at : at + 1]
        return int(byte == b"\n" or (byte == b"\r" and self.shape.record_end == b"\r"))

    def parse(self, raw: str) -> Values:
        """Values and None-or-fault of one candidate record."""
        values, at = [], 0
        delimiter = self.shape.delimiter.decode()
        quote = self.shape.quote.decode()
        while True:
            begin = at
            while at < len(raw) and raw[at] in " \t" and raw[at] != delimiter:
                at += 1
            if quote and raw[at : at + 1] == quote:
                value, at, state = self._quoted(raw, at + 1, delimiter, quote)
                if state:
                    return None, state
            else:
                end = raw.find(delimiter, begin)
                at = len(raw) if end < 0 else end
                value = raw[begin:at]
                if quote and quote in value:
                    return None, "stray"
            values.append(value)
            if at >= len(raw):
                return values, ""
            at += 1

    @staticmethod
    def _quoted(raw: str, at: int, delimiter: str, quote: str) -> tuple[str, int, str]:
        value = ""
        while True:
            if at >= len(raw):
                return value, at, "open"
            if raw[at] != quote:
                value += raw[at]
                at += 1
            elif raw[at + 1 : at + 2] == quote:
                value += quote
                at += 2
            else:
                break
        at += 1
        while at < len(raw) and raw[at] in " \t" and raw[at] != delimiter:
            at += 1
        return value, at, "" if at >= len(raw) or raw[at] == delimiter else "stray"

    def _text(self, start: int, end: int) -> str:
        return self.data[start:end].decode("latin-1")

    def _is_blank(self, line: tuple[int, int, int]) -> bool:
        return not self._text(*line[:2]).strip(" \t\r" + self.shape.delimiter.decode())

    def _row_like(self, line: tuple[int, int, int]) -> bool:
        values, fault = self.parse(self._text(*line[:2]))
        count = self.data[line[0] : line[1]].count(self.shape.delimiter) + 1
        return (count if fault or values is None else len(values)) == self.fields and not self._is_blank(line)

    def _quotes(self, line: tuple[int, int, int]) -> int:
        return self.data[line[0] : line[1]].count(self.shape.quote) if self.shape.quote else 0

    def _last_line(self, first: int) -> int | None:
        """The line that closes the quote left open by line `first`, if all of it is one record or one reject."""
        closing, verdict = self._group(first)
        if verdict == "misfit":
            third, of_second = self._group(closing)
            near = self.lines[third][1] - self.lines[first][0] <= self.limit
            return None if of_second == "fits" and near else closing
        return closing if verdict == "fits" else None

    def _group(self, first: int) -> tuple[int, str]:
        """The next line with an odd number of quotes, and whether all up to there `fits`, is a `misfit`, or neither."""
        closing = first + 1
        while closing < len(self.lines) and self._quotes(self.lines[closing]) % 2 == 0:
            closing += 1
        if closing >= len(self.lines):
            return first, ""
        between = self.lines[first + 1 : closing]
        rows = [self._row_like(line) for line in between]
        start, end = self.lines[first][0], self.lines[closing][1]
        values, fault = self.parse(self._text(start, end))
        if fault or values is None or end - start > self.limit or self._swallows(rows):
            return closing, ""
        if self._fits(values):
            return closing, "fits"
        return closing, "misfit" if not any(rows) and closing - first <= LOOK_LINES else ""

    def _swallows(self, rows: list[bool]) -> bool:
        if self.fields > 1 and len(rows) >= LOOK_LINES and sum(rows[:LOOK_LINES]) * 10 >= LOOK_LINES * 9:
            return True
        if 2 <= self.fields <= 4 and len(rows) >= 8 and sum(rows) * 5 >= len(rows) * 4:
            return True
        return self.fields >= 5 and sum(rows) * 2 > len(rows)

    def _fits(self, values: list[str]) -> bool:
        return len(values) == self.fields or (
            len(values) > self.fields and not "".join(values[self.fields :]).strip(" \t\r\n")
        )

    def records(self) -> list[Found]:
        found, at = [], 0
        while at < len(self.lines):
            start, end, _ = self.lines[at]
            last = at
            if self._quotes(self.lines[at]) % 2:
                last = self._last_line(at) or at
                end = self.lines[last][1]
            if self._is_blank((start, end, 0)):
                found.append((start, end - start, at, "blank"))
            else:
                values, fault = self.parse(self._text(start, end))
                kind = fault or ("row" if values is not None and self._fits(values) else "fields")
                found.append((start, end - start, at, kind))
            at = last + 1
        return found


KINDS = {
    Status.PLAIN: "row",
    Status.EXACT: "row",
    Status.BLANK: "blank",
    Status.FIELD_COUNT: "fields",
    Status.STRAY_QUOTE: "stray",
    Status.OPEN_QUOTE: "open",
}


def split_in_blocks(splitter: Splitter, data: bytes, block: int) -> list[Found]:
    """What the splitter finds when the data comes in blocks of this size."""
    found: list[Found] = []
    buffer, base, line = b"", 0, 0
    for at in range(0, len(data) + 1, block):
        buffer += data[at : at + block]
        final = at + block > len(data)
        records = splitter.split(buffer, final=final)
        found += _found(records, base, line)
        base += records.consumed
        line += records.lines
        buffer = buffer[records.consumed :]
    assert not buffer
    return found


def _found(records: Records, base: int, line: int) -> list[Found]:
    columns = zip(records.start, records.end, records.line, records.status, strict=True)
    return [(int(s) + base, int(e - s), int(at) + line, KINDS[Status(int(kind))]) for s, e, at, kind in columns]


TOKENS = [b"a", b"bc", b'"x"', b'"y,z"', b'"q""q"', b'"', b"", b'"m\nn"', b"\xc3\xa9", b'p"q', b'"k"z', b' "s" ', b"  "]
WEIGHTS = [8, 8, 6, 5, 4, 1, 6, 2, 4, 0.7, 0.7, 1, 1]
MORE = [b'"\n"', b'"', b'",\n"', b'"a\r\nb"', b'""', b'"""', b'"l\n\n\n2"']


def random_file(rng: random.Random, fields: int) -> tuple[bytes, Shape]:
    tokens, weights = TOKENS + MORE, WEIGHTS + [0.5] * len(MORE)
    rows = []
    for _ in range(rng.randint(1, 12)):
        width = fields if rng.random() < 0.85 else rng.randint(1, fields + 2)
        rows.append(b",".join(rng.choices(tokens, weights, k=width)))
    ends = rng.choice([[b"\n"], [b"\r\n"], [b"\r"], [b"\n", b"\r\n"], [b"\n", b"\r", b"\r\n"]])
    body = b"".join(row + rng.choice(ends) for row in rows)
    if rng.random() < 0.3:
        body = body.rstrip(b"\r\n")
    record_end = b"\r" if b"\r" in ends else rng.choice([b"\n", b"\n", b"\r\n"])
    return body, Shape(b",", b'"', False, record_end)


@pytest.mark.parametrize("seed", range(6))
def test_random_files_split_as_the_reference_says(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(250):
        fields = rng.choice([1, 2, 3, 3, 5])
        data, shape = random_file(rng, fields)
        splitter = Splitter(shape, Rules(fields=fields))
        expected = Reference(data, fields, shape).records()
        for block in (rng.randint(1, 40), len(data) + 1):
            assert split_in_blocks(splitter, data, block) == expected, (data, shape, fields, block)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([b",", b'"', b"\n", b"\r", b"a", b" ", b"bb", b'""', b'","', b"\r\n"]), max_size=40),
    st.sampled_from([b"\n", b"\r", b"\r\n"]),
    st.integers(1, 4),
    st.integers(1, 50),
)
def test_any_bytes_split_as_the_reference_says(pieces: list[bytes], ends: bytes, fields: int, block: int) -> None:
    data = b"".join(pieces)
    shape = Shape(b",", b'"', False, ends)
    splitter = Splitter(shape, Rules(fields=fields))
    assert split_in_blocks(splitter, data, block) == Reference(data, fields, shape).records()


def test_the_look_ahead_decides_alike_for_any_block_size() -> None:
    rng = random.Random(5)
    for _ in range(12):
        rows = [b"1,2,3" if rng.random() < 0.95 else b"only text" for _ in range(rng.randint(60, 140))]
        data = b'4,5,"open\n' + b"\n".join(rows) + b'\n7,8,end"\n9,9,9\n'
        shape = Shape()
        splitter = Splitter(shape, Rules(fields=3))
        expected = Reference(data, 3, shape).records()
        for block in (7, 100, 1000):
            assert split_in_blocks(splitter, data, block) == expected


FAULTY_CELLS = [b"a", b'"x"', b'"', b'""', b'"p;q,r\ts"', b'p"q', b'"k"z', b' "s" ', b' "s" t', b'"u', b'v"', b'" "w"']
FAULTY_CELLS += [b"", b" ", b'"y""z"', b'"y"" z', b" " * 65 + b'"n"', b'"n"' + b" " * 64, b'"n"' + b"\t" * 65]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(FAULTY_CELLS), min_size=1, max_size=5), min_size=1, max_size=8),
    st.sampled_from([b",", b";", b"\t", b""]),
    st.sampled_from([b'"', b"'"]),
)
def test_a_fault_of_quotes_is_named_as_by_the_parser_of_single_records(
    cells: list[list[bytes]], delimiter: bytes, quote: bytes
) -> None:
    lines = [(delimiter or b",").join(row).replace(b'"', quote) for row in cells]
    shape = Shape(delimiter=delimiter, quote=quote)
    # more fields than a line of the longest cells has: no two lines make a record, and no line is a row
    records = Splitter(shape, Rules(fields=999)).split(b"\n".join(lines), final=True)
    parser = FieldParser(shape)
    kinds = {"stray_quote": Status.STRAY_QUOTE, "open_quote": Status.OPEN_QUOTE, None: Status.FIELD_COUNT}
    for index, (start, end) in enumerate(zip(records.start.tolist(), records.end.tolist(), strict=True)):
        raw = b"\n".join(lines)[start:end]
        if b"\n" in raw or records.status[index] == Status.BLANK:
            continue
        found = parser.parse(raw)
        assert records.status[index] == kinds[found.fault], raw
        assert records.where.get(index, 0) == found.where, raw
