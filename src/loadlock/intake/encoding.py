"""Which encoding a file has, with evidence. Looks at the whole file: its head is often pure ASCII."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from loadlock.intake._enc_choose import choose, reads_better_as_utf8, words_of
from loadlock.intake._enc_mojibake import Mojibake
from loadlock.intake._enc_survey import Survey, survey
from loadlock.intake._enc_wide import bom_of, iso_2022, wide_by_nuls
from loadlock.intake.base import ByteSource, SourceOptions
from loadlock.intake.decode import (
    Positions,
    codec_name,
    decode_record,
    faults,
    is_ascii_compatible,
    is_single_byte,
    is_utf8,
    to_utf8,
    utf8_faults,
)

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
    "wide_by_nuls",
]

UTF8_BAD_LINES = 0.5
"""A file is UTF-8 with some foreign lines while no more than this share of its lines with high bytes is faulty.

Text in another encoding is hardly ever valid UTF-8 by chance, so many good lines prove it, whatever the rest is.
"""
LOW_CONFIDENCE = 0.5
_SAMPLES = 3
_SAMPLE_BYTES = 200


@dataclass(frozen=True, kw_only=True)
class EncodingFound:
    """A file's encoding and why we think so."""

    name: str
    """The Python codec's name; UTF-16 and UTF-32 always with their byte order."""
    how: str
    """`pinned`, `bom`, `nul_pattern`, `utf8`, `detected` or `fallback`."""
    confidence: float
    runner_up: str | None = None
    language: str | None = None
    """That most words with non-ASCII letters fit, where the encoding was detected by them."""
    high_bytes: int | None = None
    """Bytes from 0x80 on; None where they were not counted (UTF-16, UTF-32)."""
    bom_bytes: int = 0
    """Length of the byte order mark at the start of the file."""
    bad_lines: int = 0
    """Lines with high bytes that are not valid UTF-8, where the whole file was looked at."""
    fallback: str = "cp1252"
    """The encoding to try for a record that is not valid in `name`."""
    mixed: bool = False
    """Whether some lines are UTF-8 though the file is not: records that are valid UTF-8 are read so."""
    samples: tuple[tuple[str, str | None], ...] = ()
    """Up to three lines, as read in `name` and in `runner_up`."""
    mojibake: Mojibake = field(default_factory=Mojibake)
    faults: Positions | None = field(default=None, repr=False, compare=False)
    """Offsets in the file of the bytes that are no part of UTF-8; None where they are not known or too many."""

    @property
    def low_confidence(self) -> bool:
        """Whether a person should look at it."""
        return self.confidence < LOW_CONFIDENCE

    def to_json(self) -> dict[str, Any]:
        """As stored in `FileReport.encoding`."""
        return {
            "name": self.name,
            "how": self.how,
            "confidence": round(self.confidence, 3),
            "low_confidence": self.low_confidence,
            "runner_up": self.runner_up,
            "language": self.language,
            "high_bytes": self.high_bytes,
            "bom_bytes": self.bom_bytes,
            "bad_lines": self.bad_lines,
            "fallback": self.fallback,
            "mixed": self.mixed,
            "mojibake": self.mojibake.to_json(),
            "notes": self.notes(),
            "samples": [{"text": text, "runner_up": other} for text, other in self.samples],
        }

    def counts(self) -> dict[str, int]:
        """For `FileReport.counts`."""
        return {"mojibake_lines": self.mojibake.lines} if self.mojibake.lines else {}

    def notes(self) -> list[str]:
        """What a person should know or decide, as sentences."""
        found = []
        if self.low_confidence:
            other = f", or {self.runner_up}" if self.runner_up else ""
            found.append(f"the encoding may be {self.name}{other}: compare the sample lines and pin `encoding`")
        if self.how == "pinned" and self.runner_up:
            found.append(f"pinned to {self.name}, but it looks like {self.runner_up}: compare the sample lines")
        if self.mixed:
            found.append(
                f"some rows are UTF-8 though the file is {self.name}; they are read so and marked in `_encoding`"
            )
        found += self.mojibake.notes()
        return found


def detect(source: ByteSource, options: SourceOptions) -> EncodingFound:
    """Find the encoding of a file: pinned, byte order mark, NUL pattern, strict UTF-8 of the whole, detection, fallback.

    All of it is read, whatever decides, to count and to find what is odd. Raises SourceError for an unknown pinned name.
    """
    head = source.head()
    bom_name, bom = bom_of(head)
    if options.encoding and options.encoding != "auto":
        return _pinned(source, options, bom_name, bom)
    if bom_name and bom_name != "utf-8":
        return _wide(source, EncodingFound(name=bom_name, how="bom", confidence=1.0, bom_bytes=bom))
    wide = None if bom_name else wide_by_nuls(head)
    if wide:
        return _wide(source, EncodingFound(name=wide, how="nul_pattern", confidence=0.95))
    seen, fallback = _surveyed(source), codec_name(options.fallback_encoding)
    if bom_name:
        return _utf8(seen, EncodingFound(name="utf-8", how="bom", confidence=1.0, bom_bytes=bom, fallback=fallback))
    return _by_survey(seen, fallback)


def _blocks(source: ByteSource) -> Iterator[bytes]:
    """The file's blocks for a look at them; their digest is compared when they are read."""
    blocks: Iterator[bytes] = getattr(source, "scan", source.open)()
    return blocks


def _surveyed(source: ByteSource) -> Survey:
    """All bytes looked at: now, or when the source's digest was taken."""
    seen: Survey | None = getattr(source, "survey", None)
    return survey(_blocks(source)) if seen is None else seen


def _pinned(source: ByteSource, options: SourceOptions, bom_name: str | None, bom: int) -> EncodingFound:
    codec = codec_name(options.encoding or "utf-8")
    if codec in ("utf-16", "utf-32"):
        # without a mark these mean the machine's order in Python; files without one are mostly little-endian
        codec = bom_name if bom_name and bom_name.startswith(codec) else f"{codec}-le"
    marked = bom if codec == bom_name else 0
    # nearly all bytes are text in a code page, but hardly any are UTF-8 by chance
    fallback = codec_name(options.fallback_encoding) if codec == "utf-8" else "utf-8"
    found = EncodingFound(name=codec, how="pinned", confidence=1.0, bom_bytes=marked, fallback=fallback)
    if codec.startswith(("utf-16", "utf-32")):
        return _wide(source, found)
    seen = _surveyed(source)
    if codec == "utf-8":
        return _utf8(seen, found)
    better = seen.high_bytes and seen.bad_lines <= UTF8_BAD_LINES * seen.high_lines and is_single_byte(codec)
    found = replace(found, high_bytes=seen.high_bytes, bad_lines=seen.bad_lines, runner_up="utf-8" if better else None)
    return replace(found, samples=_samples(found, seen.good.lines if better else seen.bad.lines))


def _wide(source: ByteSource, found: EncodingFound) -> EncodingFound:
    """UTF-16 or UTF-32: the text is looked at for mojibake and samples."""
    seen = survey(_decoded(_blocks(source), found.name))
    lines = [line.decode("utf-8", "replace") for line in seen.good.lines[:_SAMPLES]]
    samples = tuple((line.rstrip("\r\n").lstrip("\ufeff")[:_SAMPLE_BYTES], None) for line in lines)
    return replace(found, mojibake=seen.mojibake, samples=samples)


def _decoded(blocks: Iterable[bytes], codec: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(codec)("replace")
    for block in blocks:
        yield decoder.decode(block).encode("utf-8", "replace")


def _by_survey(seen: Survey, fallback: str) -> EncodingFound:
    stateful = None if seen.high_bytes else iso_2022(seen.escaped.lines)
    if stateful:
        found = EncodingFound(name=stateful, how="detected", confidence=0.99, high_bytes=0, runner_up="utf-8")
        return replace(found, samples=_samples(found, seen.escaped.lines))
    if seen.bad_lines <= UTF8_BAD_LINES * seen.high_lines:
        share = seen.bad_lines / max(seen.high_lines, 1)
        return _utf8(seen, EncodingFound(name="utf-8", how="utf8", confidence=1.0 - share, fallback=fallback))
    choice = choose(words_of(seen.bad.lines), fallback)
    found = EncodingFound(
        name=choice.name,
        how=choice.how,
        confidence=choice.confidence,
        runner_up=choice.runner_up,
        language=choice.language,
        high_bytes=seen.high_bytes,
        bad_lines=seen.bad_lines,
        fallback="utf-8",
        mixed=reads_better_as_utf8(words_of(seen.good.lines), choice.name),
    )
    return replace(found, samples=_samples(found, seen.bad.lines))


def _utf8(seen: Survey, found: EncodingFound) -> EncodingFound:
    """UTF-8, perhaps with lines of another encoding: that one is guessed from these lines alone."""
    found = replace(
        found, high_bytes=seen.high_bytes, bad_lines=seen.bad_lines, mojibake=seen.mojibake, faults=seen.faults
    )
    if seen.bad_lines:
        words = [word for word in words_of(seen.bad.lines) if not is_utf8(word)]
        found = replace(found, fallback=choose(words, found.fallback).name)
    runner_up = found.fallback if found.high_bytes and found.how != "pinned" else None
    return replace(found, runner_up=runner_up, samples=_samples(found, seen.bad.lines or seen.good.lines))


def _samples(found: EncodingFound, lines: list[bytes]) -> tuple[tuple[str, str | None], ...]:
    readings = []
    for raw in lines[:_SAMPLES]:
        shown = raw.rstrip(b"\r\n")[:_SAMPLE_BYTES]
        other = found.runner_up or found.fallback
        readings.append((shown.decode(found.name, "replace"), shown.decode(other, "replace")))
    return tuple(readings)
