"""One CSV record, exactly: its fields, or what is wrong with it. Pure Python, for records in doubt.

The vectorised splitter decides about plain records; everything else comes here: padded quotes, escapes, delimiters of
several characters, stray quotes, tolerated faults. White space between delimiter and quote counts as padding up to
`PAD_LIMIT` characters on each side.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

PAD_LIMIT = 64
_SPACE = b" \t"
BOM = b"\xef\xbb\xbf"
PAGE_BREAK, END_OF_FILE = b"\x0c", b"\x1a"
"""What printers and old systems want between pages and at the end: alone in a line, or before a record, no data."""


@dataclass(frozen=True)
class Shape:
    """A dialect in bytes, as the splitter uses it."""

    delimiter: bytes = b","
    """Empty: one column."""
    quote: bytes = b'"'
    """Empty: no quoting."""
    escape: bool = False
    """Whether a backslash escapes the next character."""
    record_end: bytes = b"\n"
    """`\\n`: LF and CRLF end a record; `\\r`: a lone CR does too; `\\r\\n`: only CRLF; anything else: exactly this."""

    @property
    def simple(self) -> bool:
        """Whether Arrow's parser can read plain records of this shape."""
        standard = self.record_end in (b"\n", b"\r", b"\r\n")
        single = len(self.delimiter) <= 1 and len(self.quote) <= 1
        return standard and single and (self.delimiter + self.quote).isascii()

    @property
    def marks(self) -> tuple[bytes, ...]:
        """What may stand before a record and is no part of it: a byte order mark (concatenated files), a page break."""
        return (BOM,) if self.delimiter.startswith(PAGE_BREAK) else (BOM, PAGE_BREAK)

    @property
    def plain_quotes(self) -> bool:
        """Whether quotes and delimiters are single bytes that nothing escapes."""
        return not self.escape and len(self.delimiter) <= 1 and len(self.quote) == 1

    @property
    def padding(self) -> bytes:
        """White space that may stand between delimiter and quote (never the delimiter itself)."""
        return bytes(byte for byte in _SPACE if byte not in self.delimiter)

    @property
    def blank_bytes(self) -> bytes:
        """The bytes (besides a longer delimiter) that a blank line may hold."""
        return b" \t\r" + PAGE_BREAK + END_OF_FILE + (self.delimiter if len(self.delimiter) == 1 else b"")


@dataclass(frozen=True)
class Fields:
    """What a record holds. `fault` is None, `stray_quote` or `open_quote`, in field number `where` (1-based)."""

    values: list[bytes]
    quoted: list[int] = field(default_factory=list)
    """Which fields (0-based) are quoted."""
    padded: int = 0
    fault: str | None = None
    where: int = 0


class FieldParser:
    """Parses single records of one shape."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._escape = re.compile(
            rb"\\(" + b"|".join(map(re.escape, filter(None, (shape.delimiter, shape.quote)))) + rb"|[\\\r\n])"
        )

    def parse(self, raw: bytes) -> Fields:
        """The fields of one record without its record end; a fault is taken literally up to the next delimiter."""
        shape = self._shape
        if not shape.escape and (not shape.quote or shape.quote not in raw):
            return self._unquoted(raw)
        values: list[bytes] = []
        quoted: list[int] = []
        padded, fault, where, at = 0, None, 0, 0
        while True:
            at = self._take_plain(raw, at, values)
            if at > len(raw):
                return Fields(values, quoted, padded, fault, where)
            match = self._field.match(raw, at)
            if match is None:
                if fault is None:
                    fault, where = self._fault(raw, at), len(values) + 1
                end = self._next_delimiter(raw, at)
                values.append(raw[at:end])
            else:
                end = match.end()
                if match.lastindex == 1:
                    quoted.append(len(values))
                    padded += end - match.start() != len(match[1]) + 2
                values.append(self._value(match))
            if end >= len(raw):
                return Fields(values, quoted, padded, fault, where)
            at = end + len(shape.delimiter)

    def _take_plain(self, raw: bytes, at: int, values: list[bytes]) -> int:
        """Take the fields before the next one with a quote at once; returns where that one starts, or beyond the end."""
        delimiter = self._shape.delimiter
        if self._shape.escape or len(delimiter) != 1:
            return at
        quote = raw.find(self._shape.quote, at)
        stop = len(raw) if quote < 0 else raw.rfind(delimiter, at, quote)
        if stop < 0:
            return at
        values += raw[at:stop].split(delimiter)
        return stop + 1

    def tail(self, raw: bytes, field: int) -> bytes:
        """The record's own bytes from a field (0-based) on."""
        at = 0
        for _ in range(field):
            match = self._field.match(raw, at)
            at = (self._next_delimiter(raw, at) if match is None else match.end()) + len(self._shape.delimiter)
        return raw[at:]

    def parse_literal(self, raw: bytes, fields: int) -> list[bytes] | None:
        """The fields with stray quotes as text, where a reading gives `fields` fields; else None.

        First reading: a quoted field ends at the first quote before a delimiter or the end. Second: a field whose
        quotes are not right is plain text up to the next delimiter.
        """
        for values in (self._loosely_quoted(raw), self.parse(raw).values):
            if len(values) == fields:
                return values
        return None

    @cached_property
    def _field(self) -> re.Pattern[bytes]:
        """Group 1: the inside of a quoted field; group 2: an unquoted field. The delimiter or the end must follow."""
        shape = self._shape
        stop = rb"(?=" + (re.escape(shape.delimiter) + rb"|" if shape.delimiter else b"") + rb"\Z)"
        unquoted = rb"((?:" + self._plain() + rb")*+)" + stop
        if not shape.quote:
            return re.compile(rb"(?!)()|" + unquoted, re.DOTALL)
        return re.compile(self._quoted() + stop + rb"|" + unquoted, re.DOTALL)

    def _plain(self) -> bytes:
        shape = self._shape
        escaped = rb"|\\(?:.|\Z)" if shape.escape else b""
        barred = re.escape(shape.quote) + (rb"\\" if shape.escape else b"")
        if len(shape.delimiter) <= 1:
            return rb"[^" + barred + re.escape(shape.delimiter) + rb"]++" + escaped
        return rb"(?!" + re.escape(shape.delimiter) + rb")" + (rb"[^" + barred + rb"]" if barred else rb".") + escaped

    def _quoted(self) -> bytes:
        quote = re.escape(self._shape.quote)
        pad = rb"[" + self._shape.padding + rb"]{0,%d}" % PAD_LIMIT if self._shape.padding else b""
        inside = rb"[^" + quote + (rb"\\]++|\\." if self._shape.escape else rb"]++") + rb"|" + quote + quote
        return pad + quote + rb"((?:" + inside + rb")*+)" + quote + pad

    @cached_property
    def _opened(self) -> re.Pattern[bytes]:
        pad = rb"[" + self._shape.padding + rb"]{0,%d}" % PAD_LIMIT if self._shape.padding else b""
        return re.compile(pad + re.escape(self._shape.quote))

    @cached_property
    def _closed(self) -> re.Pattern[bytes]:
        return re.compile(self._quoted(), re.DOTALL)

    @cached_property
    def _loose(self) -> re.Pattern[bytes]:
        shape = self._shape
        stop = rb"(?=" + (re.escape(shape.delimiter) + rb"|" if shape.delimiter else b"") + rb"\Z)"
        pad = rb"[" + shape.padding + rb"]{0,%d}" % PAD_LIMIT if shape.padding else b""
        quote = re.escape(shape.quote)
        return re.compile(pad + quote + rb"(.*?)" + quote + pad + stop, re.DOTALL)

    def _fault(self, raw: bytes, at: int) -> str:
        opens = self._shape.quote and self._opened.match(raw, at)
        return "open_quote" if opens and not self._closed.match(raw, at) else "stray_quote"

    def _next_delimiter(self, raw: bytes, at: int) -> int:
        end = raw.find(self._shape.delimiter, at) if self._shape.delimiter else -1
        return len(raw) if end < 0 else end

    def _value(self, match: re.Match[bytes]) -> bytes:
        quote = self._shape.quote
        value = match[1].replace(quote * 2, quote) if match.lastindex == 1 else match[2]
        # only what had to be escaped: `\N` and `\t` stay as received
        return self._escape.sub(rb"\1", value) if self._shape.escape and b"\\" in value else value

    def _unquoted(self, raw: bytes) -> Fields:
        delimiter = self._shape.delimiter
        return Fields(raw.split(delimiter) if delimiter else [raw])

    def _loosely_quoted(self, raw: bytes) -> list[bytes]:
        values, at = [], 0
        while True:
            match = self._loose.match(raw, at) if self._shape.quote else None
            if match is not None:
                values.append(match[1].replace(self._shape.quote * 2, self._shape.quote))
            end = match.end() if match is not None else self._next_delimiter(raw, at)
            if match is None:
                values.append(raw[at:end])
            if end >= len(raw):
                return values
            at = end + len(self._shape.delimiter)
