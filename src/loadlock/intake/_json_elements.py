"""The elements of a JSON array (or objects one behind the other) as records; rejects for what is between and broken."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np

from loadlock.intake._json_resync import alike, find_record, parsed
from loadlock.intake._json_scan import Skipper, structure, value_end
from loadlock.intake._json_sink import RecordSink, Region
from loadlock.intake._json_sound import are_values, not_utf8, refused
from loadlock.intake._json_spans import Spans
from loadlock.intake._json_window import TextWindow
from loadlock.intake.base import SourceOptions
from loadlock.model import Problem

Follows = Literal["record", "close", "more", "end"]

_TOKEN = re.compile(rb'[ \t\r\n]++|,|(?:"(?:[^"\\]|\\(?:.|\Z))*+(?:"|\Z)|[^,"])++', re.DOTALL)
_KEY_BEHIND = re.compile(rb'[ \t\r\n]*,[ \t\r\n]*"([^"\\]*)"')
_OPENING = re.compile(rb'"(?:[^"\\]|\\.)*+"|[{\[]', re.DOTALL)
_NARROW = 32 << 10
"""Bytes looked at in one go behind a damaged record; more as soon as all is well again."""
_SUSPICIOUS = 32 << 10
_WIDE = 1 << 62


class Elements:
    """Takes records from the window until the array is closed. Call `step` until it returns False."""

    def __init__(self, window: TextWindow, sink: RecordSink, options: SourceOptions) -> None:
        self._window = window
        self._sink = sink
        self._depth_limit = options.depth_limit
        self._limit = options.record_limit
        self._separated = True
        self._expect: Literal["first", "comma", "value"] = "first"
        self._comma: int | None = None
        self._model: bytes | None = None
        self._longest = 0
        self._reach = _WIDE
        self._lost: tuple[Region, Skipper] | None = None
        self._truncated = False
        self._final = False
        self._waiting = False
        self.started = False
        self.closed = False

    def begin(self, *, separated: bool) -> None:
        """Start behind an array's bracket; or (not `separated`) at the first of several objects."""
        self.started, self.closed = True, False
        self._separated = separated
        # a document that is one long object has its records in an array inside of it
        self._sink.hint = "" if separated else "; if its records lie in an array inside of it, set `records_path`"
        self._expect = "first"
        self._truncated = False

    def step(self, final: bool) -> bool:
        """Take what the window holds. True: call again; False: closed, or more text is needed."""
        if self._lost:
            return self._find_lost(final)
        window = self._window
        low, high = window.at, min(len(window.data), window.at + self._reach)
        if low >= high or self.closed:
            return False
        whole = high == len(window.data)
        self._final = final and whole
        scan = Spans(window.data, high, structure(window.data, low, high), separated=self._separated)
        self._waiting = False
        if not self._take(scan, held=scan.held(final=final and whole)):
            self._reach = _NARROW
            return not self._waiting
        return self._behind(scan, high, final=final and whole) or self._widen(whole)

    def _widen(self, whole: bool) -> bool:
        self._reach = min(_WIDE, self._reach * 2)
        return not whole and not self.closed and not self._waiting

    def _take(self, scan: Spans, *, held: int) -> bool:
        """Take the complete records of a scan but the last `held`; False where it must be scanned anew."""
        count = len(scan.ends) - held
        number = 0
        for stop in [*(stop for stop in scan.irregular() if stop < count), count]:
            damaged = number < stop and self._separated and scan.has_text_behind(stop - 1)
            good = stop - 1 if damaged else stop
            if number < good and not self._run(scan, number, good):
                return False
            if damaged:
                return self._gap(int(scan.starts[good]), "record") and self._taint(int(scan.starts[good]))
            number = stop
        return True

    def _run(self, scan: Spans, first: int, last: int) -> bool:
        """Records with regular separators between them: the good ones at once, the odd ones one by one."""
        if not self._gap(int(scan.starts[first]), "record"):
            return False
        begin = first
        for odd in [*self._odd(scan, first, last), last]:
            self._add(scan, begin, odd)
            begin = odd + 1
            if odd < last and not self._look(scan, odd):
                return False
        self._window.at = int(scan.ends[last - 1])
        return True

    def _odd(self, scan: Spans, first: int, last: int) -> list[int]:
        """The records from `first` to before `last` that need a closer look, in order."""
        start, end = int(scan.starts[first]), int(scan.ends[last - 1])
        found = np.flatnonzero(
            (scan.depths[first:last] > self._depth_limit) | (scan.sizes[first:last] > self._limit)
        ).tolist()
        if not (self._separated and are_values(self._window.data[start:end], scan.sizes[first:last])):
            found += refused(scan.texts(first, last))
        bad = np.concatenate([self._window.undecoded(start, end), not_utf8(self._window.data, start, end)])
        found += (np.searchsorted(scan.starts[first:last], bad, side="right") - 1).tolist()
        return [first + number for number in sorted(set(found))]

    def _add(self, scan: Spans, first: int, last: int) -> None:
        if first >= last:
            return
        self._sink.store(scan.starts[first:last], scan.ends[first:last])
        self._expect = "comma"
        self._model = self._window.data[int(scan.starts[last - 1]) : int(scan.ends[last - 1])]
        self._longest = max(self._longest, int(scan.sizes[first:last].max()))

    def _look(self, scan: Spans, number: int) -> bool:
        """A record that is odd. False where its end is in doubt and records behind it were found."""
        start, end = int(scan.starts[number]), int(scan.ends[number])
        verdict = self._sink.verdict(start, end)
        if verdict.problem is None:
            self._sink.accept(start, end, verdict)
            self._expect = "comma"
            return True
        data = self._window.data
        matching = data[end - 1 : end] == (b"}" if data[start : start + 1] == b"{" else b"]")
        if self._model is not None or not matching:
            found = find_record(self._window.data, start, end, self._model)
            if found:
                self._resume_at(start, found, verdict.problem)
                return False
        self._sink.reject_for(start, end, verdict.problem)
        self._expect = "comma"
        return True

    def _resume_at(self, start: int, found: tuple[int, int], problem: Problem) -> None:
        end = self._window.trim(start, found[0])
        if problem.code in ("invalid_json", "truncated"):
            # said of the damaged record alone, not of all that it seemed to swallow
            problem = self._sink.verdict(start, end).problem or problem
        self._sink.reject_for(start, end, problem)
        self._window.at = found[1]
        self._expect = "value"

    def scalar(self, start: int, end: int) -> None:
        """A value without brackets: a record if it is valid, else a reject."""
        verdict = self._sink.verdict(start, end)
        if verdict.problem is None:
            self._sink.accept(start, end, verdict)
        else:
            self._sink.reject_for(start, end, verdict.problem)
        self._expect = "comma"

    def _behind(self, scan: Spans, high: int, *, final: bool) -> bool:
        """What follows the complete records: an unfinished one, the closing bracket, something stray, or the end."""
        if scan.stray is not None:
            return self._stray(scan, scan.stray)
        if scan.unfinished is not None and scan.held(final=final) == 0:
            if not self._gap(scan.unfinished, "record"):
                return not self._waiting
            return self._unfinished(scan.unfinished, high, final=final)
        if scan.close is not None:
            if not self._gap(scan.close, "close"):
                return not self._waiting
            self._window.at = scan.close + 1
            self.closed = True
            return False
        if scan.held(final=final) == 0 and not self._gap(high, "end" if final else "more"):
            return not self._waiting
        return False

    def _gap(self, stop: int, follows: Follows) -> bool:
        """Read what stands between two records, from the window's place to `stop`: a comma, values, or junk.

        False where there was junk between objects: then the window stands behind it, or waits for more text.
        """
        window = self._window
        if not self._separated:
            start = window.skip_space(window.at)
            window.at = min(start, stop)
            return start >= stop or self._junk(start)
        for match in _TOKEN.finditer(window.data, window.at, stop):
            token, start = match[0], match.start()
            if token == b",":
                self._take_comma(start)
            elif token[:1] not in b" \t\r\n":
                touches = match.end() == stop
                if touches and follows == "more" and stop - start <= self._limit:
                    window.at = start
                    return True
                if touches and follows == "record":
                    return self._taint(start)
                if not self._segment(start, window.trim(start, match.end()), ends_file=touches and follows == "end"):
                    return False
        window.at = stop
        if follows == "record":
            if self._expect == "comma":
                self._sink.reject(stop, stop, "a comma is missing before the record")
            self._expect = "value"
        elif follows == "close" and self._expect == "value" and self._comma is not None:
            comma = self._comma - window.base
            # where the window has moved on since, only the place of the bracket is left to name
            start, end = (comma, comma + 1) if comma >= 0 else (stop, stop)
            self._sink.reject(start, end, "a comma before the closing bracket")
        return True

    def _taint(self, start: int) -> bool:
        """Text right before a bracket: what the bracket opens is no record, but a part of something damaged."""
        window = self._window
        window.at = start
        if self._resync(start) or self._waiting:
            return False
        # without its start it can't be told from its neighbours: all up to the closing bracket is one reject
        opening = next(match.start() for match in _OPENING.finditer(window.data, start) if match[0] in b"{[")
        end = value_end(window.data, opening, len(window.data))
        if end is None and not self._final:
            self._waiting = True
            return False
        stop = end or window.trim(start, len(window.data))
        self._sink.reject(start, stop, "text that belongs to no record")
        window.at = stop
        self._expect = "comma"
        return False

    def _resync(self, start: int) -> bool:
        """Go on at the next record like those before; the text up to there is one reject. False if there is none."""
        window = self._window
        if self._model is None:
            return False
        found = find_record(window.data, start, len(window.data), self._model)
        if found is None:
            self._waiting = not self._final and len(window.data) - start <= self._limit
            return False
        self._sink.reject(start, max(start, window.trim(start, found[0])), "text that belongs to no record")
        window.at, self._expect = found[1], "value"
        return True

    def _junk(self, start: int) -> bool:
        """Text between objects that is no object: one reject up to the next object like those before. Returns False."""
        window = self._window
        window.at = start
        if not self._resync(start) and not self._waiting:
            found = find_record(window.data, start, len(window.data), None)
            end = found[0] if found else len(window.data)
            self._sink.reject(start, window.trim(start, end), "text that belongs to no record")
            window.at = found[1] if found else end
        return False

    def _take_comma(self, at: int) -> None:
        wrong = self._expect != "comma"
        if wrong:
            self._sink.reject(at, at + 1, "a value is missing before the comma")
        self._expect = "value"
        # a comma is rejected once, also where a closing bracket follows it
        self._comma = None if wrong else self._window.base + at

    def _segment(self, start: int, end: int, *, ends_file: bool) -> bool:
        """A value without brackets, or junk. False where the window moved on behind it, or waits for more text."""
        if ends_file:
            # what stands at the very end of the file may have lost its rest
            self._sink.reject(start, end, "the file ends inside the array", "truncated")
            self._truncated = True
            return True
        verdict = self._sink.verdict(start, end)
        if self._expect != "comma" and verdict.problem is None:
            self._sink.accept(start, end, verdict)
            self._expect = "comma"
            return True
        self._window.at = start
        if self._resync(start) or self._waiting:
            return False
        if self._expect != "comma" and verdict.problem:
            self._sink.reject_for(start, end, verdict.problem)
        else:
            self._sink.reject(start, end, "text that belongs to no record")
        self._expect = "comma"
        return True

    def _stray(self, scan: Spans, place: int) -> bool:
        """A closing bracket that closes nothing, or an array among objects."""
        window = self._window
        if not self._separated:
            if self._gap(place, "end"):
                self._junk(place)
            return not self._waiting
        start = window.at
        if len(scan.ends):
            # the record before may have been closed too early; it was held back
            last = len(scan.ends) - 1
            text = window.data[int(scan.starts[last]) : int(scan.ends[last])]
            if not self._gap(int(scan.starts[last]), "record"):
                return not self._waiting
            start = int(scan.starts[last])
            if self._is_whole(text, int(scan.ends[last])):
                self.scalar(start, int(scan.ends[last]))
                window.at = int(scan.ends[last])
                start = window.skip_space(window.at)
        # with a quote missing, much that follows seemed to be text: the bracket may stand far behind the fault
        window.at = start
        if self._resync(start) or self._waiting:
            return not self._waiting
        self._sink.reject(start, place + 1, "a closing bracket that closes nothing")
        self._expect = "comma"
        window.at = place + 1
        return True

    def _is_whole(self, text: bytes, behind: int) -> bool:
        """Whether a record has all that the one before had, so that a fault behind it is none of its own.

        Without one before: whether the text behind begins with a key that the record has already.
        """
        like, value = (parsed(self._model) if self._model else None), parsed(text)
        if isinstance(like, dict) and isinstance(value, dict):
            return like.keys() <= value.keys()
        key = _KEY_BEHIND.match(self._window.data, behind)
        if like is None and isinstance(value, dict):
            return key is not None and key[1].decode("utf-8", "replace") in value
        return like is not None and alike(like, value)

    def _unfinished(self, start: int, high: int, *, final: bool) -> bool:
        """A record whose end is not in sight: damaged, cut off, too long, or just not read yet."""
        window = self._window
        tail = high - start
        suspicious = self._model is not None and tail > max(_SUSPICIOUS, 8 * self._longest)
        if final or suspicious:
            found = find_record(window.data, start, high, self._model)
            if found:
                problem = self._sink.verdict(start, found[0]).problem
                self._resume_at(start, found, problem or Problem(code="invalid_json", message="a damaged record"))
                self._reach = _NARROW
                return True
        if final:
            end = window.trim(start, high)
            verdict = self._sink.verdict(start, end, truncated=True)
            if verdict.problem:
                self._sink.reject_for(start, end, verdict.problem)
            self._truncated = True
            window.at = high
            return False
        if high == len(window.data) and tail > self._limit:
            reason = f"the record is longer than {self._limit:,} bytes{self._sink.hint}"
            self._lost = self._sink.open_region(reason, "record_too_long"), Skipper(0)
            return True
        return False

    def _find_lost(self, final: bool) -> bool:
        """Within a record that is too long: drop text up to its end, or up to a record like those before."""
        assert self._lost is not None
        region, skipper = self._lost
        window = self._window
        piece = window.data[window.at :]
        skipped = skipper.feed(piece) if piece else None
        end = len(window.data) if skipped is None else window.at + skipped
        found = find_record(window.data, window.at, end, self._model) if self._model is not None else None
        window.at = found[0] if found else end
        if found or skipped is not None or final:
            self._sink.close_region(region)
            self._lost = None
            self._truncated = not found and skipped is None
            self._expect = "value" if found else "comma"
            window.at = found[1] if found else end
            return True
        return False

    def resume(self, *, first: bool) -> bool:
        """Behind an array that closed too early: go on at a record like those before, if the window holds one."""
        window = self._window
        if not first or self._model is None:
            return False
        found = find_record(window.data, window.at - 1, len(window.data), self._model)
        if found is None:
            return False
        self._sink.reject(
            window.at, max(window.at, window.trim(window.at, found[1])), "the array is closed, and goes on"
        )
        window.at = found[1]
        self.closed = False
        self._expect = "value"
        return True

    def end_of_file(self, reason: str) -> None:
        """The file ended before the document did; said once, by the unfinished record if there is one."""
        if not self._truncated:
            self._sink.reject(len(self._window.data), len(self._window.data), reason, "truncated")
