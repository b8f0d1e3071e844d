"""Reads one XML document in a sliding window: its records, and behind damaged ones the next that can be read.

A fault ends a parser for good. So the next record's start tag is looked for, what stands before it is one reject, and
a new parser goes on from there, told of the elements that were open.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from xml.parsers import expat

from loadlock.errors import SourceError
from loadlock.intake._options import own_options
from loadlock.intake._xml_events import Events, FaultError, ForbiddenError, Open, new_parser
from loadlock.intake._xml_options import XmlOptions
from loadlock.intake._xml_path import RecordPath, found_path, said_path
from loadlock.intake._xml_sink import XmlSink
from loadlock.intake.base import ByteSource, RawPart, SourceOptions
from loadlock.intake.encoding import EncodingFound, codec_name, detect
from loadlock.model import FileReport, Problem
from loadlock.rows import RAW_LIMIT

NAME = "xml"
_HEAD_BYTES = 4 << 20
_FEED_BYTES = 128 << 10
_FIRST_BYTES = 4 << 10
_REREAD_BYTES = 2 << 20
"""Text read again behind records without an end, before a start within a record counts as the fault it mostly is."""
_DECLARED = re.compile(rb"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")


@dataclass(frozen=True, kw_only=True)
class _Lost:
    """A range that will be one reject, while its end is looked for. Positions are of the text."""

    start: int
    offset: int
    line: int
    problem: Problem
    raw: bytes
    """Its first original bytes, of the text up to `kept`."""
    kept: int
    scanned: int
    """Where to go on looking."""
    scanned_line: int
    depth: int = 0
    """Records open one within another, whose ends come first; 0 where the next start is what counts."""


class XmlReader:
    """Reads one file once. Holds one record, at most `record_limit` and a few blocks."""

    def __init__(self, source: ByteSource, options: SourceOptions) -> None:
        own = own_options(XmlOptions, options)
        self._path_of_file = source.file.path
        self._limit = options.record_limit
        self._found = _encoding(source, options)
        self._sink = XmlSink(source, options, self._found)
        self._said = options.records_path is not None
        self._path = said_path(options.records_path) if options.records_path is not None else _find(source, self._found)
        self._events = Events(self._path, own.repeated_paths(), options.depth_limit, self._done)
        self._tag = re.compile(rb"<" + re.escape(self._path.names[-1].encode()) + rb"(?=[\s/>])")
        self._pair = re.compile(rb"<(/?)" + re.escape(self._path.names[-1].encode()) + rb"(?=[\s/>])[^<>]*?(/?)>")
        self._ancestors: list[str] = list(self._path.names[:-1])
        self._window = bytearray()
        self._start = 0
        self._fed = 0
        self._parsed = 0
        """Behind what the parser has been given."""
        self._shift = self._line_shift = 0
        self._parser = self._new_parser()
        self._lost: _Lost | None = None
        self._begun = -1
        """Where the parser was put last."""
        self._reread = 0
        self._filled = False

    def report(self) -> FileReport:
        """The file's report, with the path of its records."""
        reasons = [f"records_path: {self._path.reason}"]
        return replace(self._sink.report(NAME), dialect={"records_path": str(self._path), "reasons": reasons})

    def parts(self) -> Iterator[RawPart]:
        """The file's parts in order. SourceError for documents that are refused, or lack the path given."""
        for block in self._sink.stream.blocks():
            for at in range(0, len(block), _FEED_BYTES):
                self._take(block[at : at + _FEED_BYTES])
                self._sink.hand_on()
                yield from self._sink.out.full_parts()
            self._sink.stream.forget(self._start)
        if self._filled:
            self._finish()
        self._sink.hand_on()
        self._check_found()
        yield from self._sink.out.full_parts(final=True)

    def _take(self, data: bytes) -> None:
        self._filled = self._filled or bool(data.strip())
        self._window += data
        self._fed += len(data)
        if self._lost is None and self._fed - self._parsed >= self._waiting():
            self._parse_rest()
        self._recover()
        self._trim()

    def _waiting(self) -> int:
        """How much text a long tag waits for: as much again as it has, since a parser begins it anew each time."""
        pending = self._parsed - self._shift - self._parser.CurrentByteIndex
        return pending if pending > 4 * _FEED_BYTES else 0

    def _parse_rest(self) -> None:
        self._parse(bytes(self._window[self._parsed - self._start :]))

    def _finish(self) -> None:
        """No more text comes."""
        if self._lost is None:
            self._parse_rest()
            self._recover()
        while self._lost is None:
            if self._parse(b"", final=True):
                record = self._events.record
                if record is not None and record.ended:
                    # the document's root is the record: nothing came behind it that could show its end
                    self._events.finish(self._fed - self._shift - _spaces_behind(self._window))
                return
            self._recover()
        self._close_lost(self._fed)

    def _recover(self) -> None:
        """Go on behind a fault, as often as one is found in the text at hand."""
        while self._lost is not None and (start := self._restart()) is not None:
            size = _FIRST_BYTES
            # a little first: the next fault may be near, and what is behind it is not to be copied each time
            while start < self._fed and self._parse(self._window[start - self._start : start - self._start + size]):
                start, size = start + size, size * 2

    def _parse(self, data: bytes | bytearray, *, final: bool = False) -> bool:
        """Feed the parser; False where it finds a fault."""
        try:
            self._parser.Parse(data, final)
            self._parsed += len(data)
            if not final:
                self._check_length()
        except expat.ExpatError as error:
            said = expat.errors.messages.get(error.code, "not well-formed")
            self._fault(said, self._parser.ErrorByteIndex, self._parser.ErrorLineNumber, final=final)
            return False
        except FaultError as error:
            self._fault(str(error), self._parser.CurrentByteIndex, self._parser.CurrentLineNumber, code=error.code)
            return False
        except ForbiddenError as error:
            raise SourceError(
                f"{self._path_of_file} is refused: {error}", hint="Ask the sender for a document without it."
            ) from error
        return True

    def _check_length(self) -> None:
        """A record or a tag that goes on and on must not be held."""
        record = self._events.record
        if record is not None and not record.ended and not record.raw:
            start = record.start + self._shift
            if self._parsed - start > self._limit:
                if not self._events.recursive and self._tag.search(self._window, start + 1 - self._start):
                    raise FaultError("the element is not closed before the next one begins")
                if not record.code:
                    said = f"the record is longer than the limit of {self._limit:,} bytes"
                    self._events.give_up("record_too_long", said)
                record.offset = self._sink.stream.offset(start)
                record.raw = self._cut(start, self._parsed)[0]
        if self._parsed - self._shift - self._parser.CurrentByteIndex > self._limit + 8 * _FEED_BYTES:
            raise FaultError(
                f"a tag or comment is longer than the limit of {self._limit:,} bytes", code="record_too_long"
            )

    def _fault(self, said: str, index: int, line: int, *, code: str = "invalid_xml", final: bool = False) -> None:
        """Begin a reject at the record that is open, else at the fault itself."""
        events = self._events
        at, line = index + self._shift, line + self._line_shift
        if self._window[max(0, at - 2 - self._start) : at - self._start] == b"</":
            # a wrong end tag is found at its name
            at -= 2
        if events.record is not None and events.record.ended:
            events.finish(at - self._shift)
        record, start, start_line = events.record, at, line
        if record is not None:
            start, start_line = record.start + self._shift, record.line + self._line_shift
            self._ancestors = events.stack[: record.depth - 1]
        scan = at if record is None else start + 1
        if scan == self._begun or code == "record_too_long":
            # not the same place again
            scan += 1
        self._reread += at - scan
        events.impatient = self._reread > _REREAD_BYTES and not events.recursive
        raw = record.raw if record is not None and record.raw else self._cut(start, at + 4)[0]
        if final:
            said, code = "the file ends before its elements are closed", "truncated"
        elif code == "invalid_xml" and not _is_utf8(raw[: max(0, at - start) + 4]):
            said, code = f"not valid in {self._found.name}", "invalid_encoding"
        offset = self._sink.stream.offset(start) if record is None or record.offset is None else record.offset
        message = f"{said}: line {line:,}, byte {self._sink.stream.offset(at):,}"
        events.forget()
        self._lost = _Lost(
            start=start,
            offset=offset,
            line=start_line,
            problem=Problem(code=code, message=message),
            raw=raw if record is not None and record.raw else b"",
            kept=start,
            scanned=max(scan, self._start),
            scanned_line=start_line + self._newlines(start, scan),
            # records within the damaged one, where there may be such, are no records of their own
            depth=int(record is not None and events.recursive),
        )

    def _restart(self) -> int | None:
        """Look for the next record's start and put a new parser before it: where it is, None if it isn't here yet."""
        lost = self._lost
        assert lost is not None
        if lost.depth:
            self._lost = lost = self._outward(lost)
        match = None if lost.depth else self._tag.search(self._window, lost.scanned - self._start)
        stop = match.start() + self._start if match else max(lost.scanned, self._unsure())
        line = lost.scanned_line + self._newlines(lost.scanned, stop)
        if len(lost.raw) < RAW_LIMIT and lost.kept >= self._start:
            raw, kept = self._cut(lost.kept, stop if match else self._fed)
            self._lost = lost = replace(lost, raw=(lost.raw + raw)[:RAW_LIMIT], kept=kept)
        if match is None:
            self._lost = replace(lost, scanned=stop, scanned_line=line)
            return None
        self._close_lost(stop)
        self._begun = stop
        prefix = "".join(f"<{name}>" for name in self._ancestors).encode()
        self._parser = self._new_parser()
        try:
            self._parser.Parse(prefix, False)
        except expat.ExpatError:
            # the path was found in damaged text: no parser takes its names
            self._events.forget()
            self._parser, prefix = self._new_parser(), b""
        self._shift, self._line_shift, self._parsed = stop - len(prefix), line - 1, stop
        return stop

    def _unsure(self) -> int:
        """From where on a tag may begin that is not whole yet."""
        tail = self._window.rfind(b"<", -RAW_LIMIT)
        return self._fed if tail < 0 else self._start + tail

    def _outward(self, lost: _Lost) -> _Lost:
        """Look for the end of a damaged record that may hold others: as many end tags as start tags."""
        depth, at = lost.depth, lost.scanned
        for match in self._pair.finditer(self._window, lost.scanned - self._start):
            at = match.end() + self._start
            depth += -1 if match[1] else 0 if match[2] else 1
            if not depth:
                break
        return replace(lost, depth=depth, scanned=at, scanned_line=lost.scanned_line + self._newlines(lost.scanned, at))

    def _new_parser(self) -> Any:
        parser = new_parser()
        self._events.attach(parser)
        return parser

    def _close_lost(self, end: int) -> None:
        """The range that was lost ends here; one of no length is no reject, unless the file ends in it."""
        lost, self._lost = self._lost, None
        assert lost is not None
        if end > lost.start or lost.problem.code == "truncated":
            length = self._sink.stream.offset(end) - lost.offset
            self._sink.reject(lost.problem, line=lost.line, offset=lost.offset, length=length, raw=lost.raw[:length])

    def _done(self, record: Open, end: int) -> None:
        """A record from the events."""
        if self._events.stack != self._ancestors:
            self._ancestors = list(self._events.stack)
        start, stop, line = record.start + self._shift, end + self._shift, record.line + self._line_shift
        if record.offset is None:
            if not record.code and self._sink.take(record.value, start, stop, line):
                return
            record.offset, record.raw = self._sink.stream.offset(start), self._cut(start, stop)[0]
        length = self._sink.stream.offset(stop) - record.offset
        code, said = (record.code, record.message) if record.code else self._sink.why_not(start, stop)
        problem = Problem(code=code, message=f"{said}: line {line:,}, byte {record.offset:,}")
        self._sink.reject(problem, line=line, offset=record.offset, length=length, raw=record.raw)

    def _cut(self, start: int, end: int) -> tuple[bytes, int]:
        """The original bytes of a range of the text, as many as a reject keeps, and where in the text they end."""
        text = bytes(self._window[start - self._start : min(end - self._start, start - self._start + RAW_LIMIT)])
        if self._found.name == "utf-8":
            return text, start + len(text)
        whole = text.decode("utf-8", "ignore").encode()
        return self._sink.stream.raw(whole, start), start + len(whole)

    def _newlines(self, start: int, end: int) -> int:
        begin = max(start, self._start)
        return self._window.count(b"\n", begin - self._start, max(begin, end) - self._start)

    def _trim(self) -> None:
        """Forget the text before what is still open."""
        record = self._events.record
        if self._lost is not None:
            keep = self._lost.scanned
        elif record is not None and not record.raw:
            keep = record.start + self._shift
        else:
            keep = self._shift + max(0, self._parser.CurrentByteIndex)
        keep = min(max(keep, self._start), self._fed)
        del self._window[: keep - self._start]
        self._start = keep

    def _check_found(self) -> None:
        """A path that leads nowhere is a mistake, unless the elements around it are there, empty."""
        tally, events = self._sink.out.tally, self._events
        if not self._said or tally.staged or tally.rejected or events.parent_seen or events.outside <= 1:
            return
        raise SourceError(
            f"{self._path_of_file} holds no element {self._path}",
            hint="Look at the names in the file; leave `records_path` out to have it found.",
        )


def _find(source: ByteSource, found: EncodingFound) -> RecordPath:
    head = source.head(_HEAD_BYTES)[found.bom_bytes :]
    text = head if found.name == "utf-8" else head.decode(found.name, "replace").encode()
    return found_path(text) or RecordPath(names=("?",), absolute=True, reason="no element was found")


def _encoding(source: ByteSource, options: SourceOptions) -> EncodingFound:
    """Pinned, byte order mark, the document's own declaration, or found out."""
    declared = _DECLARED.match(source.head(1024))
    if options.encoding or declared is None:
        return detect(source, options)
    name = declared[1].decode()
    try:
        codec_name(name)
    except SourceError as error:
        raise SourceError(
            f"{source.file.path} declares the unknown encoding {name!r}", hint="Pin it: --option encoding=cp1252."
        ) from error
    found = detect(source, replace(options, encoding=name))
    return replace(found, how="declared")


def _is_utf8(text: bytes) -> bool:
    """Whether the text is UTF-8, a character cut off at its end aside."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(text) - 3 and error.reason == "unexpected end of data"
    return True


def _spaces_behind(text: bytearray) -> int:
    return len(text) - len(text.rstrip())
