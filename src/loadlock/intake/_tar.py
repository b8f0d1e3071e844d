"""Tar archives, read in one pass and to the letter.

Python's `tarfile` takes a damaged header, or a missing end mark, for the end of the archive: what stands before it would
pass for the whole. Here each is an error. POSIX.1-1988 (ustar), POSIX.1-2001 (pax) and GNU's long names are read.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from loadlock.errors import SourceError
from loadlock.intake._members import check_name, is_data, refuse
from loadlock.intake._streams import BLOCK_BYTES, Stream, damaged

_BLOCK = 512
_END = bytes(_BLOCK)
_NAME_BYTES = 1 << 20
"""Most bytes that the long name or the extended header of a member may have."""
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_VOLUME_LABEL = b"V"
_LINKS = (tarfile.LNKTYPE, tarfile.SYMTYPE)
_PACK_AGAIN = "Pack the files themselves, as with tar --dereference --hard-dereference."


def is_tar(head: bytes) -> bool:
    """Whether a file's first 512 bytes are the header of a tar member, by its checksum."""
    try:
        tarfile.TarInfo.frombuf(head[:_BLOCK], "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class TarMember:
    """A file of the archive; its bytes stand at `offset` of the tar stream."""

    name: str
    offset: int
    size: int


class TarReader:
    """The files of a tar stream, in order. `blocks` gives the current one's bytes; what is not asked for is skipped.

    SourceError for damage, a missing end mark, anything behind the end, names that point outside, links and devices.
    """

    def __init__(self, stream: Stream, name: str) -> None:
        self._stream = stream
        self._name = name
        self._at = 0
        self._left = 0
        self._padding = 0
        self._defaults: dict[str, str] = {}
        self.found = 0

    def members(self) -> Iterator[TarMember]:
        """Each file that is data (hidden ones and a Mac's shadow files are left out)."""
        extra: dict[str, str] = {}
        while info := self._header():
            if info.type in (tarfile.XGLTYPE, *_PAX, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
                extra |= self._extended(info)
                continue
            known, extra = {**self._defaults, **extra}, {}
            self._expect(_size(known, info.size))
            if member := self._file(info, known):
                self.found += 1
                yield member
            self._skip()
        self._check_end()

    def blocks(self) -> Iterator[bytes]:
        """The rest of the current file's bytes."""
        while self._left:
            data = self._stream.read(min(self._left, BLOCK_BYTES))
            if not data:
                raise self._damaged("it ends too early")
            self._at += len(data)
            self._left -= len(data)
            yield data

    def _header(self) -> tarfile.TarInfo | None:
        block = self._exactly(_BLOCK)
        if not block:
            raise self._damaged("its end mark is missing")
        if block == _END:
            return None
        try:
            return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.TarError as error:
            raise self._damaged(f"the header at byte {self._at - _BLOCK:,} is broken ({error})") from error

    def _file(self, info: tarfile.TarInfo, known: dict[str, str]) -> TarMember | None:
        name = known.get("path", info.name)
        if info.type in (tarfile.DIRTYPE, _VOLUME_LABEL) or not is_data(name):
            check_name(self._name, name) if info.type == tarfile.DIRTYPE else None
            return None
        check_name(self._name, name)
        if info.type in _LINKS:
            raise refuse(self._name, name, "a link, no file", _PACK_AGAIN)
        if info.type == tarfile.GNUTYPE_SPARSE or any(key.startswith("GNU.sparse") for key in known):
            raise refuse(self._name, name, "stored as a sparse file", "Pack it again without --sparse.")
        if info.type not in _FILES:
            raise refuse(self._name, name, "no regular file", _PACK_AGAIN)
        return TarMember(name=name, offset=self._at, size=self._left)

    def _extended(self, info: tarfile.TarInfo) -> dict[str, str]:
        """What the header says of the next member (or, kept here, of all that follow)."""
        if not 0 <= info.size <= _NAME_BYTES:
            raise self._damaged(f"an extended header of {info.size:,} bytes")
        self._expect(info.size)
        data = b"".join(self.blocks())
        self._skip()
        if info.type == tarfile.GNUTYPE_LONGLINK:
            return {}
        if info.type == tarfile.GNUTYPE_LONGNAME:
            return {"path": data.rstrip(b"\0").decode("utf-8", "surrogateescape")}
        found = self._records(data)
        if info.type == tarfile.XGLTYPE:
            self._defaults |= found
            return {}
        return found

    def _records(self, data: bytes) -> dict[str, str]:
        """The `length key=value` lines of a pax header."""
        found: dict[str, str] = {}
        at = 0
        while at < len(data) and data[at] != 0:
            length, _, _ = data[at : at + 20].partition(b" ")
            if not length.isdigit() or int(length) <= len(length) + 2:
                raise self._damaged("an extended header is broken")
            key, sign, value = data[at + len(length) + 1 : at + int(length) - 1].partition(b"=")
            if not sign or data[at + int(length) - 1 : at + int(length)] != b"\n":
                raise self._damaged("an extended header is broken")
            found[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
            at += int(length)
        return found

    def _expect(self, size: int) -> None:
        if size < 0:
            raise self._damaged("a member's size is below zero")
        self._left = size
        self._padding = -size % _BLOCK

    def _skip(self) -> None:
        for _ in self.blocks():
            pass
        if len(self._exactly(self._padding)) < self._padding:
            raise self._damaged("it ends too early")
        self._padding = 0

    def _check_end(self) -> None:
        """Nothing but zeros may stand behind the end mark: the members of a second archive would be lost."""
        while data := self._stream.read(1 << 20):
            if data.count(0) != len(data):
                raise SourceError(
                    f"{self._name} holds more bytes behind its end",
                    hint="If it is several archives joined into one, send them one by one.",
                )

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (more := self._stream.read(size - len(data))):
            data += more
        self._at += len(data)
        if data and len(data) < size:
            raise self._damaged("it ends too early")
        return data

    def _damaged(self, reason: str) -> SourceError:
        return damaged(self._name, reason)


def _size(known: dict[str, str], size: int) -> int:
    text = known.get("size", "")
    return int(text) if text.isdecimal() and len(text) < 20 else size
