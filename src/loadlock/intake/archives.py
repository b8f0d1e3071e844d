"""From one file as it was sent to its sources: itself, or each member of the archive that it is, however deep they lie.

Compression and archives are told by their bytes, not by their names. Members that can be read where they lie are (zip, plain
tar); those that can only be read in order (a packed tar, an archive within another) are written to the spool once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from loadlock.errors import SourceError
from loadlock.intake._blobs import Blob, FileBlob, Spool, Stamp, ZipBlob, changed
from loadlock.intake._enc_beside import Beside, is_worth_it
from loadlock.intake._enc_survey import Survey
from loadlock.intake._members import base_name
from loadlock.intake._streams import (
    BLOCK_BYTES,
    HEAD_BYTES,
    Meter,
    Peeked,
    Stream,
    Watched,
    blocks_of,
    compression_of,
    unpacked,
)
from loadlock.intake._tar import TarReader, is_tar
from loadlock.intake._zip import is_zip, zip_members
from loadlock.intake.base import ExpansionLimits
from loadlock.model import SourceFile

_PLACES = 14
"""Pieces of a sample between the head and the end of a file."""


@dataclass(kw_only=True)
class LocalSource:
    """A `ByteSource` of bytes on this machine's disk."""

    file: SourceFile
    blob: Blob
    meter: Meter
    spool: Spool
    """Kept while a source may lie in it."""
    survey: Survey | None = field(default=None, repr=False, compare=False)
    """What was seen of its encoding while its digest was taken, where somebody looked."""

    def open(self) -> Iterator[bytes]:
        """Blocks of the decompressed bytes. SourceError for damage, over-expansion, or a change since the digest was taken."""
        return self._blocks(BLOCK_BYTES, self.file.sha256)

    def scan(self) -> Iterator[bytes]:
        """Like `open`, without comparing the digest: for a look at the whole file before it is read."""
        return self._blocks(BLOCK_BYTES, None)

    def head(self, size: int = 1 << 20) -> bytes:
        """The first bytes, fewer where the file is shorter."""
        return next(self._blocks(size, None), b"")

    def plain(self) -> FileBlob | None:
        """The file (or range of one) in which the bytes lie as they are; None where they are packed."""
        blob = self.blob
        return blob if isinstance(blob, FileBlob) and compression_of(_first_bytes(blob)) is None else None

    def sample(self, size: int = 4 << 20) -> list[bytes]:
        """Head, end and places all over a plain file, about `size` bytes; only the head where seeking is costly."""
        blob = self.plain()
        if blob is None or blob.size <= size:
            return [self.head(size)]
        long, short = size // 4, size // (4 * _PLACES)
        step = (blob.size - 2 * long) // _PLACES
        # characters of four bytes are not cut
        between = [(long + number * step & ~3, short) for number in range(_PLACES)]
        with blob.path.open("rb") as stream:
            pieces = []
            last = blob.size - long & ~3
            for place, length in ((0, long), *between, (last, blob.size - last)):
                stream.seek(blob.offset + place)
                pieces.append(stream.read(length))
        return pieces

    def _blocks(self, block_bytes: int, digest: str | None) -> Iterator[bytes]:
        with self.blob.opened() as raw:
            watched = Watched(raw, digest=digest is not None)
            stream, _ = unpacked(watched, watched, self.meter, self.file.path)
            yield from blocks_of(stream, block_bytes)
            watched.drain()
        if digest is not None and watched.hexdigest() != digest:
            raise changed(self.file.path)


def sources_in(
    path: Path, *, label: str, name: str, limits: ExpansionLimits, spool: Spool, look: bool = False
) -> list[LocalSource]:
    """The sources of the file at `path`, in the order in which they stand there; `label` and `name` are its own.

    Takes the digest of each, so reads the file once; with `look` a plain file is surveyed for its encoding in passing.
    SourceError for what is damaged or must not be expanded.
    """
    stamp = Stamp.of(path)
    walk = _Walk(meter=Meter(label, stamp.size, limits), spool=spool, look=look)
    return list(walk.sources(FileBlob(path=path, stamp=stamp), _Where(label=label, name=name)))


@dataclass(frozen=True, kw_only=True)
class _Where:
    """Where a blob stands: what it is called, how deep it lies, its digest where that was taken already."""

    label: str
    name: str
    depth: int = 0
    digest: str | None = None

    def inside(self, member: str, *, layers: int = 0, digest: str | None = None) -> _Where:
        label, depth = f"{self.label}!{member}", self.depth + layers + 1
        return _Where(label=label, name=base_name(member), depth=depth, digest=digest)


@dataclass(kw_only=True)
class _Walk:
    """One file's way to its sources. Counts members and bytes over all of it."""

    meter: Meter
    spool: Spool
    look: bool = False
    members: int = 0
    expanded: int = 0

    def sources(self, blob: Blob, where: _Where) -> Iterator[LocalSource]:
        """The blob's sources."""
        first = _first_bytes(blob)
        if is_zip(first):
            yield from self._zip(blob, where)
        elif compression_of(first):
            yield from self._packed(blob, where)
        elif is_tar(first):
            yield from self._plain_tar(blob, where)
        elif self.look and where.depth == 0 and is_worth_it(first, blob.size):
            yield self._surveyed(blob, where)
        else:
            yield self._source(blob, where)

    def _packed(self, blob: Blob, where: _Where) -> Iterator[LocalSource]:
        with blob.opened() as raw:
            watched = Watched(raw, digest=False)
            stream, layers = unpacked(watched, watched, self.meter, where.label, where.depth)
            first = stream.peek(HEAD_BYTES)
            if is_tar(first):
                yield from self._tar(stream, where, layers)
                return
            inner = self._zipped(stream, first)
        if inner is None:
            yield self._source(blob, where)
        else:
            deeper = _Where(label=where.label, name=where.name, depth=where.depth + layers)
            yield from self._zip(inner, deeper)

    def _zipped(self, stream: Peeked, first: bytes) -> Blob | None:
        return self.spool.keep(self._counted(stream), plain=True) if is_zip(first) else None

    def _tar(self, stream: Stream, where: _Where, layers: int) -> Iterator[LocalSource]:
        """Members of a tar stream that can only be read in order: each is written to the spool, then looked into."""
        self.meter.check_depth(where.depth + layers + 1)
        reader = TarReader(stream, where.label)
        for member in reader.members():
            self._count_member()
            digest = hashlib.sha256()
            kept = self.spool.keep(self._taken(reader.blocks(), digest))
            deeper = where.inside(member.name, layers=layers, digest=digest.hexdigest())
            yield from self.sources(kept, deeper)
        if not reader.found:
            raise _empty(where.label)

    def _plain_tar(self, blob: Blob, where: _Where) -> Iterator[LocalSource]:
        if not (isinstance(blob, FileBlob) and blob.whole):
            with blob.opened() as stream:
                yield from self._tar(stream, where, 0)
            return
        self.meter.check_depth(where.depth + 1)
        with blob.opened() as stream:
            reader = TarReader(stream, where.label)
            places = []
            for member in reader.members():
                self._count_member()
                digest = hashlib.sha256()
                for block in reader.blocks():
                    digest.update(block)
                places.append((member, digest.hexdigest()))
        if not places:
            raise _empty(where.label)
        for member, found in places:
            piece = FileBlob(path=blob.path, stamp=blob.stamp, offset=member.offset, length=member.size)
            yield from self.sources(piece, where.inside(member.name, digest=found))

    def _zip(self, blob: Blob, where: _Where) -> Iterator[LocalSource]:
        self.meter.check_depth(where.depth + 1)
        if not (isinstance(blob, FileBlob) and blob.whole):
            with blob.opened() as stream:
                blob = self.spool.keep(self._counted(stream), plain=True)
        assert isinstance(blob, FileBlob)
        members = zip_members(blob.path, where.label, self.meter.limits)
        if members is None:
            yield self._source(blob, where)
            return
        if not members:
            raise _empty(where.label)
        self.meter.check(self.expanded + sum(member.size for member in members))
        for member in members:
            self._count_member()
            deeper = where.inside(member.name)
            piece = ZipBlob(path=blob.path, stamp=blob.stamp, member=member, name=deeper.label)
            yield from self.sources(piece, deeper)

    def _source(self, blob: Blob, where: _Where) -> LocalSource:
        digest = where.digest or self._digest(blob, counted=where.depth > 0)
        file = SourceFile(index=0, path=where.label, name=where.name, size_bytes=blob.size, sha256=digest)
        return LocalSource(file=file, blob=blob, meter=self.meter, spool=self.spool)

    def _surveyed(self, blob: Blob, where: _Where) -> LocalSource:
        """The source of a plain file, looked at while its digest is taken."""
        digest, beside = hashlib.sha256(), Beside()
        with blob.opened() as stream:
            for block in beside.watched(blocks_of(stream)):
                digest.update(block)
        source = self._source(blob, replace(where, digest=digest.hexdigest()))
        return replace(source, survey=beside.survey)

    def _digest(self, blob: Blob, *, counted: bool) -> str:
        digest = hashlib.sha256()
        with blob.opened() as stream:
            for block in blocks_of(stream) if not counted else self._counted(stream):
                digest.update(block)
        return digest.hexdigest()

    def _counted(self, stream: Stream) -> Iterator[bytes]:
        return self._taken(blocks_of(stream), None)

    def _taken(self, blocks: Iterator[bytes], digest: hashlib._Hash | None) -> Iterator[bytes]:
        """The blocks, held against the limits and digested on their way."""
        for block in blocks:
            self.expanded += len(block)
            self.meter.check(self.expanded)
            if digest is not None:
                digest.update(block)
            yield block

    def _count_member(self) -> None:
        self.members += 1
        if self.members > self.meter.limits.members:
            raise SourceError(
                f"the archive {self.meter.name} has more than {self.meter.limits.members:,} members",
                hint="If it is meant to be so, raise source.expand_members.",
            )


def _empty(name: str) -> SourceError:
    return SourceError(f"the archive {name} holds no files", hint="Ask the sender for another archive.")


def _first_bytes(blob: Blob) -> bytes:
    with blob.opened() as stream:
        return Peeked(stream).peek(HEAD_BYTES)
