"""Zip archives: their list of members, and the bytes of one of them, each checked by its size and CRC."""

from __future__ import annotations

import bz2
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from loadlock.errors import SourceError
from loadlock.intake._members import check_name, is_data, refuse
from loadlock.intake._streams import DAMAGE, Readable, Section, Stream, damaged, opened
from loadlock.intake.base import ExpansionLimits

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_END = struct.Struct("<4s4H2LH")
_END_MAGIC = b"PK\x05\x06"
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCAL = struct.Struct("<4s22x2H")
_COMMENT_BYTES = 1 << 16
_ENTRY_BYTES = 512
"""Bytes of the list of members allowed for each of them, at an average."""
_ENCRYPTED = 0x1
_STORED, _DEFLATED, _BZIP2, _ZSTD = 0, 8, 12, 93
_OFFICE = ("[Content_Types].xml", "content.xml")
_INPUT_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ZipMember:
    """A file of the archive, as its list of members says."""

    name: str
    raw_name: bytes
    """As it must stand before the member's bytes."""
    at: int
    """Of the member's own header in the file."""
    packed: int
    size: int
    crc: int
    method: int


def is_zip(head: bytes) -> bool:
    """Whether a file with these first bytes is a zip archive (or an office document, which is one too)."""
    return head.startswith(MAGIC)


def zip_members(path: Path, name: str, limits: ExpansionLimits) -> list[ZipMember] | None:
    """The files of the archive that are data; None for an office document.

    SourceError for a damaged list, more members than the limit, encrypted members, links, names that point outside.
    """
    with opened(path) as stream:
        _check_size(stream, name, limits)
        try:
            with zipfile.ZipFile(path) as archive:
                entries = archive.infolist()
        except (*DAMAGE, zipfile.BadZipFile, NotImplementedError, struct.error) as error:
            raise damaged(f"the archive {name}", error) from error
    if {entry.filename for entry in entries} & set(_OFFICE):
        return None
    files = [entry for entry in entries if is_data(entry.filename) and not entry.is_dir()]
    return [_member(name, entry) for entry in files]


def _check_size(stream: IO[bytes], name: str, limits: ExpansionLimits) -> None:
    """Python reads the whole list of members into memory: look at its size first."""
    size = stream.seek(0, 2)
    start = stream.seek(max(0, size - _COMMENT_BYTES - _END.size))
    tail = stream.read()
    at = tail.rfind(_END_MAGIC)
    if at < 0 or len(tail) - at < _END.size:
        raise damaged(f"the archive {name}", "its list of members is missing")
    _, _, _, _, count, listed, _, _ = _END.unpack_from(tail, at)
    if 0xFFFF in (count,) or listed == 0xFFFFFFFF:
        count, listed = _wide(stream, start + at, count, listed)
    if count > limits.members or listed > _ENTRY_BYTES * limits.members:
        raise SourceError(
            f"the archive {name} has {count:,} members, more than {limits.members:,}",
            hint="If it is meant to be so, raise source.expand_members.",
        )


def _wide(stream: IO[bytes], end: int, count: int, listed: int) -> tuple[int, int]:
    """Number and bytes of the entries of an archive with 64-bit sizes; as they were where it has none."""
    if end < _LOCATOR.size:
        return count, listed
    stream.seek(end - _LOCATOR.size)
    magic, _, place, _ = _LOCATOR.unpack(stream.read(_LOCATOR.size))
    if magic != b"PK\x06\x07" or place > end:
        return count, listed
    stream.seek(place)
    record = stream.read(_END64.size)
    if len(record) < _END64.size or not record.startswith(b"PK\x06\x06"):
        return count, listed
    fields = _END64.unpack(record)
    return fields[7], fields[8]


def _member(archive: str, entry: zipfile.ZipInfo) -> ZipMember:
    check_name(archive, entry.filename)
    if entry.flag_bits & _ENCRYPTED:
        raise refuse(archive, entry.filename, "encrypted", "Decrypt it and load the plain file.")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise refuse(archive, entry.filename, "a link, no file", "Pack the files themselves.")
    if entry.compress_type not in _DECODERS:
        method = zipfile.compressor_names.get(entry.compress_type, str(entry.compress_type))  # type: ignore[attr-defined]
        raise refuse(archive, entry.filename, f"packed by the method {method}", "Pack it by the usual one (deflate).")
    encoding = "utf-8" if entry.flag_bits & 0x800 else "cp437"
    return ZipMember(
        name=entry.filename,
        raw_name=entry.orig_filename.encode(encoding, "replace"),
        at=entry.header_offset,
        packed=entry.compress_size,
        size=entry.file_size,
        crc=entry.CRC,
        method=entry.compress_type,
    )


def member_stream(stream: IO[bytes], member: ZipMember, name: str) -> Readable:
    """The member's bytes from the opened archive. SourceError (while they are read, too) where they are not whole."""
    try:
        stream.seek(member.at)
        header = stream.read(_LOCAL.size)
    except (OSError, OverflowError) as error:
        raise damaged(name, "its place is not in the archive") from error
    if len(header) < _LOCAL.size or not header.startswith(b"PK\x03\x04"):
        raise damaged(name, "its header is missing")
    _, name_size, extra_size = _LOCAL.unpack(header)
    if stream.read(name_size) != member.raw_name:
        raise damaged(name, "it has another name than in the list of members")
    section = Section(stream, member.at + _LOCAL.size + name_size + extra_size, member.packed, name)
    return _Checked(_DECODERS[member.method](section), member, name)


class _Checked(Readable):
    """A member's bytes, compared with size and CRC at their end."""

    def __init__(self, stream: Stream, member: ZipMember, name: str) -> None:
        self._stream = stream
        self._member = member
        self._name = name
        self._crc = 0
        self._count = 0

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._stream.read(size)
        except DAMAGE as error:
            raise damaged(self._name, error or "it can't be unpacked") from error
        self._crc = zlib.crc32(data, self._crc)
        self._count += len(data)
        if not data and (self._count, self._crc) != (self._member.size, self._member.crc):
            raise damaged(self._name, "size or checksum is not that of the list of members")
        if self._count > self._member.size:
            raise damaged(self._name, "it is longer than the list of members says")
        return data


class _Inflate(Readable):
    """One compressed stream of a member. EOFError where it is cut off."""

    def __init__(self, stream: Stream, engine: Any) -> None:
        self._stream = stream
        self._engine = engine
        self._ended = False

    def read(self, size: int = -1) -> bytes:
        while not self._engine.eof:
            # after the last input byte the engine may still hold output
            data: bytes = self._engine.decompress(self._feed(), size)
            if data:
                return data
            if self._ended and not self._engine.eof:
                raise EOFError("it ends too early")
        return b""

    def _feed(self) -> bytes:
        left: bytes = getattr(self._engine, "unconsumed_tail", b"")
        if left or not getattr(self._engine, "needs_input", True):
            return left
        data = self._stream.read(_INPUT_BYTES)
        self._ended = not data
        return data


def _zstd(section: Section) -> Stream:
    import pyarrow as pa

    stream: Stream = pa.CompressedInputStream(pa.PythonFile(section, mode="r"), "zstd")
    return stream


_DECODERS: dict[int, Callable[[Section], Stream]] = {
    _STORED: lambda section: section,
    _DEFLATED: lambda section: _Inflate(section, zlib.decompressobj(-15)),
    _BZIP2: lambda section: _Inflate(section, bz2.BZ2Decompressor()),
    _ZSTD: _zstd,
}
