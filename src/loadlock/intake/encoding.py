"""Which encoding a file has, with evidence. Looks at the whole file: its head is often pure ASCII."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from loadlock.intake import _guess
from loadlock.intake.base import ByteSource, SourceOptions
from loadlock.intake.decode import (
    Octets,
    Positions,
    codec_name,
    decode_record,
    faults,
    is_ascii_compatible,
    is_utf8,
    to_utf8,
    utf8_faults,
)
from loadlock.intake.files import LocalSource

__all__ = [
    "EncodingFound",
    "bom_of",
    "codec_name",
    "decode_record",
    "detect",
    "faults",
    "is_ascii_compatible",
    "is_utf8",
    "to_utf8",
    "utf8_faults",
]

UTF8_BAD_LINES = 0.5
"""A file is UTF-8 with some foreign lines while no more than this share of its lines with high bytes is faulty.

Text in another encoding is hardly ever valid UTF-8 by chance, so many good lines prove it, whatever the rest is.
"""

_PIECE_BYTES = 16 << 10
_SLICE_BYTES = 256 << 10

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True, kw_only=True)
class EncodingFound:
    """A file's encoding and why we think so."""

    name: str
    """The Python codec's name; UTF-16 and UTF-32 always with their byte order."""
    how: str
    """`pinned`, `bom`, `nul_pattern`, `utf8`, `detected` or `fallback`."""
    confidence: float
    runner_up: str | None = None
    high_bytes: int | None = None
    """Bytes from 0x80 on; None where they were not counted (pinned, UTF-16, UTF-32)."""
    bom_bytes: int = 0
    """Length of the byte order mark at the start of the file."""
    bad_lines: int = 0
    """Lines with high bytes that are not valid UTF-8, where the whole file was looked at."""
    fallback: str = "cp1252"
    """The encoding to try for a record that is not valid in `name`."""
    samples: tuple[tuple[str, str | None], ...] = ()
    """Up to three lines, as read in `name` and in `runner_up`."""

    def to_json(self) -> dict[str, Any]:
        """As stored in `FileReport.encoding`; `low_confidence` marks what a person should look at."""
        return {
            "name": self.name,
            "how": self.how,
            "confidence": round(self.confidence, 3),
            "low_confidence": self.confidence < 0.5,
            "runner_up": self.runner_up,
            "high_bytes": self.high_bytes,
            "bom_bytes": self.bom_bytes,
            "bad_lines": self.bad_lines,
            "fallback": self.fallback,
            "samples": [{"text": text, "runner_up": other} for text, other in self.samples],
        }


def detect(source: ByteSource, options: SourceOptions) -> EncodingFound:
    """Find the encoding of a file: pinned, byte order mark, NUL pattern, strict UTF-8 of the whole, detection, fallback.

    Reads the file once unless its head decides. Raises SourceError for an unknown pinned encoding.
    """
    head = source.head()
    bom_name, bom = bom_of(head)
    if options.encoding and options.encoding != "auto":
        return _pinned(options, bom_name, bom)
    if bom_name and bom_name != "utf-8":
        return EncodingFound(name=bom_name, how="bom", confidence=1.0, bom_bytes=bom)
    wide = None if bom_name else _guess.wide_by_nuls(head)
    if wide:
        return EncodingFound(name=wide, how="nul_pattern", confidence=0.95)
    survey = _survey(source, options.fallback_encoding)
    if bom_name:
        return _utf8(survey, EncodingFound(name="utf-8", how="bom", confidence=1.0, bom_bytes=bom))
    return _by_survey(survey)


def _pinned(options: SourceOptions, bom_name: str | None, bom: int) -> EncodingFound:
    codec = codec_name(options.encoding or "utf-8")
    if codec in ("utf-16", "utf-32"):
        # without a mark these mean the machine's order in Python; files without one are mostly little-endian
        codec = bom_name if bom_name and bom_name.startswith(codec) else f"{codec}-le"
    marked = bom if codec == bom_name else 0
    fallback = codec_name(options.fallback_encoding)
    return EncodingFound(name=codec, how="pinned", confidence=1.0, bom_bytes=marked, fallback=fallback)


def bom_of(head: bytes) -> tuple[str | None, int]:
    """The encoding that a byte order mark says, and the length of the mark."""
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name, len(mark)
    return None, 0


@dataclass
class _Survey:
    """What one pass over the bytes found."""

    fallback: str
    high_bytes: int = 0
    high_lines: int = 0
    bad_lines: int = 0
    lines: _guess.Sample = field(default_factory=_guess.Sample)
    bad: _guess.Sample = field(default_factory=_guess.Sample)
    escaped: _guess.Sample = field(default_factory=_guess.Sample)


def _survey(source: ByteSource, fallback: str) -> _Survey:
    survey = _Survey(fallback=codec_name(fallback))
    for block in _whole_lines(source.scan() if isinstance(source, LocalSource) else source.open()):
        octets = np.frombuffer(block, dtype=np.uint8)
        high = int(np.count_nonzero(octets & 0x80))
        if high:
            survey.high_bytes += high
            _survey_lines(survey, block, octets)
        if b"\x1b" in block and b"\x1b$" in block:
            survey.escaped.add(block, _line_ends(octets), np.flatnonzero(octets == 0x1B))
    return survey


def _whole_lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The blocks, cut behind a line end (or, in very long lines, behind a character of UTF-8)."""
    tail = b""
    for block in blocks:
        joined = tail + block if tail else block
        cut = joined.rfind(b"\n") + 1 or joined.rfind(b"\r") + 1 or _character_end(joined)
        tail = joined[cut:]
        if cut:
            yield joined[:cut] if tail else joined
    if tail:
        yield tail


def _character_end(data: bytes) -> int:
    """Where the last whole character of UTF-8 ends: at most three bytes before the end of the data."""
    for back in range(1, min(4, len(data) + 1)):
        if data[-back] >= 0xC0:
            return len(data) - back
    return len(data)


def _line_ends(octets: Octets) -> Positions:
    ends = np.flatnonzero(octets == 10)
    return ends if len(ends) else np.flatnonzero(octets == 13)


def _survey_lines(survey: _Survey, block: bytes, octets: Octets) -> None:
    """Count the lines with high bytes and those that are not UTF-8; keep some of both.

    Most of a mixed file is valid: only the pieces that are not are looked at byte by byte.
    """
    good_bytes = 0
    example: tuple[int, int] | None = None
    for start, end in [(0, len(block))] if is_utf8(block) else _pieces(block):
        if is_utf8(block[start:end]):
            good_bytes += end - start
            example = example or (start, min(end, block.find(b"\n", start + _SLICE_BYTES) + 1 or end))
        else:
            piece, part = block[start:end], octets[start:end]
            ends = _line_ends(part)
            survey.high_lines += survey.lines.add(piece, ends, np.flatnonzero(part & 0x80))
            survey.bad_lines += survey.bad.add(piece, ends, utf8_faults(part))
    if example is not None:
        # good lines need no exact count: what one slice of them shows is multiplied
        start, end = example
        part = octets[start:end]
        seen = survey.lines.add(block[start:end], _line_ends(part), np.flatnonzero(part & 0x80))
        survey.high_lines += max(1, seen * good_bytes // (end - start))


def _pieces(block: bytes) -> Iterator[tuple[int, int]]:
    """Ranges of about `_PIECE_BYTES`, each ending behind a line end."""
    start = 0
    while start < len(block):
        end = block.find(b"\n", start + _PIECE_BYTES) + 1 or len(block)
        yield start, end
        start = end


def _by_survey(survey: _Survey) -> EncodingFound:
    stateful = None if survey.high_bytes else _guess.iso_2022(survey.escaped.lines)
    if stateful:
        return EncodingFound(name=stateful, how="detected", confidence=0.99, high_bytes=0)
    if survey.bad_lines <= UTF8_BAD_LINES * survey.high_lines:
        share = survey.bad_lines / max(survey.high_lines, 1)
        return _utf8(survey, EncodingFound(name="utf-8", how="utf8", confidence=1.0 - share))
    guess = _guess.legacy(survey.lines.lines, survey.fallback)
    found = EncodingFound(
        name=guess.name,
        how=guess.how,
        confidence=guess.confidence,
        runner_up=guess.runner_up,
        high_bytes=survey.high_bytes,
        bad_lines=survey.bad_lines,
        fallback="utf-8",
    )
    return replace(found, samples=_samples(found, survey.lines.lines))


def _utf8(survey: _Survey, found: EncodingFound) -> EncodingFound:
    """UTF-8, perhaps with lines of another encoding: that one is guessed from these lines alone."""
    found = replace(found, high_bytes=survey.high_bytes, bad_lines=survey.bad_lines, fallback=survey.fallback)
    if survey.bad_lines:
        found = replace(found, fallback=_guess.legacy(survey.bad.lines, survey.fallback).name)
    return replace(
        found,
        runner_up=found.fallback if found.high_bytes else None,
        samples=_samples(found, survey.bad.lines or survey.lines.lines),
    )


def _samples(found: EncodingFound, lines: list[bytes]) -> tuple[tuple[str, str | None], ...]:
    readings = []
    for raw in lines[:3]:
        shown = raw.rstrip(b"\r\n")[:200]
        other = found.runner_up or found.fallback
        readings.append((shown.decode(found.name, "replace"), shown.decode(other, "replace")))
    return tuple(readings)
