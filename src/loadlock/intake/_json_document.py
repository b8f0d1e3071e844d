"""Reads a JSON document in a sliding window: finds its records, and goes on behind damaged ones.

The reader is always in one state, a method that takes what it can from the window and returns whether it wants to be
called again at once (True) or needs more text (False). At the end of the file each is called once more with `final`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from loadlock.intake._json_elements import Elements
from loadlock.intake._json_envelope import FEATURES, arrays_of_objects, head_of, is_feature_collection, steps
from loadlock.intake._json_path import PathWalk, path_error
from loadlock.intake._json_records import PartBuilder
from loadlock.intake._json_scan import Skipper
from loadlock.intake._json_sink import RecordSink, Region
from loadlock.intake._json_stream import TextStream
from loadlock.intake._json_text import Judge
from loadlock.intake._json_window import TextWindow
from loadlock.intake.base import ByteSource, RawPart, SourceOptions
from loadlock.intake.encoding import detect
from loadlock.model import FileReport

State = Callable[[bool], bool]


class DocumentReader:
    """Reads one file."""

    def __init__(self, source: ByteSource, options: SourceOptions, format_name: str) -> None:
        self._options = options
        self._format = format_name
        self._file, self._source = source.file, source
        self._found = detect(source, options)
        self._path = steps(options.records_path or "")
        self._notes: list[str] = []
        if is_feature_collection(source, self._found, options):
            self._path = (FEATURES,)
            self._notes.append("a GeoJSON feature collection: its features are the records")
        self._stream = TextStream(source, self._found)
        self._window = TextWindow(self._stream)
        self._out = PartBuilder(source.file, options.part_bytes, sound="nan" not in options.tolerate)
        judge = Judge(options, self._found.fallback, self._found.name)
        self._sink = RecordSink(self._window, self._out, judge, options.record_limit)
        self._elements = Elements(self._window, self._sink, options)
        self._state: State = self._top
        self._seen = ""
        """What the document consists of so far: `[` an array, `{` objects, `s` a scalar."""
        self._rest = Skipper(0)
        self._region: Region | None = None

    def report(self) -> FileReport:
        size = self._stream.size_bytes + self._found.bom_bytes
        report = self._out.tally.report(
            self._format, encoding=self._found.to_json(), preamble=self._found.bom_bytes, size=size
        )
        if report.staged == 1 and self._seen == "{" and not self._path:
            self._notes += self._where_records_may_lie()
        return replace(report, notes=[*self._notes, *report.notes])

    def _where_records_may_lie(self) -> list[str]:
        paths = arrays_of_objects(head_of(self._source, self._found))
        if not paths:
            return []
        said = " or ".join(f"`records_path: {path}`" for path in paths)
        return [f"the document is one object, so one record; if its records lie in an array inside of it, set {said}"]

    def parts(self) -> Iterator[RawPart]:
        for block in self._stream.blocks():
            self._window.push(block)
            while self._state(False):
                pass
            yield from self._out.full_parts()
        while self._state(True):
            pass
        yield from self._out.full_parts(final=True)

    def _top(self, final: bool) -> bool:
        """Between the values at the top of the document."""
        window = self._window
        window.at = window.skip_space(window.at)
        if window.at >= len(window.data):
            return final and self._nothing_there()
        first = window.data[window.at : window.at + 1]
        if first == b"[":
            return self._open_array()
        if first == b"{" and self._seen in ("", "{"):
            self._seen = "{"
            self._state = self._walk if self._path else self._objects
            self._walker = PathWalk(window, self._path, self._file.path)
            return True
        if not self._seen:
            self._seen = "s"
            self._state = self._scalar
            return True
        self._state = self._trailing
        return True

    def _nothing_there(self) -> bool:
        self._state = self._done
        if not self._seen and self._stream.size_bytes + self._found.bom_bytes:
            self._sink.reject_blank("the file holds no JSON value")
        return False

    def _done(self, final: bool) -> bool:
        return False

    def _open_array(self) -> bool:
        if self._path:
            raise path_error(self._file.path, self._path, "the document is an array")
        if self._seen:
            self._sink.reject(self._window.at, self._window.at + 1, "a second value behind the end of the document")
        self._seen = "["
        return self._begin_array()

    def _begin_array(self) -> bool:
        self._window.at += 1
        self._elements.begin(separated=True)
        self._state = self._array
        return True

    def _array(self, final: bool) -> bool:
        """Inside the array of records."""
        if self._elements.step(final):
            return True
        if self._elements.closed:
            self._rest = Skipper(len(self._path))
            self._state = self._skip_rest if self._path else self._top
            return True
        if final:
            self._elements.end_of_file("the file ends before the array is closed")
            self._state = self._done
        return False

    def _objects(self, final: bool) -> bool:
        """Objects one behind the other, or the only one."""
        if not self._elements.started:
            self._elements.begin(separated=False)
        return self._elements.step(final)

    def _walk(self, final: bool) -> bool:
        """On the way along the records path."""
        outcome = self._walker.step(final)
        if outcome == "found":
            return self._begin_array()
        if outcome == "fault":
            self._state = self._trailing
            return True
        return outcome == "again"

    def _skip_rest(self, final: bool) -> bool:
        """Behind the records: the rest of the document that holds their array."""
        skipped = self._rest.feed(self._window.data[self._window.at :])
        self._window.at += len(self._window.data) - self._window.at if skipped is None else skipped
        if skipped is not None:
            self._state = self._top
            return True
        if final:
            self._elements.end_of_file("the file ends before the document is closed")
            self._state = self._done
        return False

    def _scalar(self, final: bool) -> bool:
        """A value that is neither object nor array is all that its document holds."""
        window = self._window
        if not final and len(window.data) - window.at <= self._options.record_limit:
            return False
        if not final:
            self._state = self._trailing
            return True
        self._elements.scalar(window.at, window.trim(window.at, len(window.data)))
        window.at = len(window.data)
        self._state = self._done
        return False

    def _trailing(self, final: bool) -> bool:
        """Text that belongs to nothing, up to the end of the file or to a record like those before."""
        if self._elements.resume(first=self._region is None and self._seen == "[" and not self._path):
            self._state = self._array
            return True
        if self._region is None:
            self._region = self._sink.open_region("text that is no part of a JSON document")
        self._window.at = len(self._window.data)
        if final:
            self._sink.close_region(self._region)
            self._state = self._done
        return False
