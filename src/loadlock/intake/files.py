"""Source files: found by path, folder or pattern, opened as decompressed bytes, watched for change while they are read."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import stat
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from loadlock.errors import SourceError
from loadlock.intake._expand import ExpansionLimits, Stamp, compression, expanded, open_zip, raw_blocks
from loadlock.model import SourceFile

__all__ = ["ExpansionLimits", "LocalSource", "find_files", "open_sources"]

BLOCK_BYTES = 4 << 20
"""Size of the blocks that `open` yields."""


@dataclass(kw_only=True)
class LocalSource:
    """A `ByteSource` of a local file, or of a member of a zip archive."""

    file: SourceFile
    path: Path
    stamp: Stamp
    """Size and time of the file when its digest was taken."""
    member: str | None = None
    limits: ExpansionLimits = field(default_factory=ExpansionLimits)

    def open(self) -> Iterator[bytes]:
        """Blocks of the decompressed bytes. SourceError for damage, over-expansion, or a change since the digest was taken."""
        digest = None if self.member else self.file.sha256
        return expanded(self.path, stamp=self.stamp, digest=digest, member=self.member, limits=self.limits)

    def scan(self) -> Iterator[bytes]:
        """Like `open`, without comparing the digest: for a look at the whole file before it is read."""
        return expanded(self.path, stamp=self.stamp, digest=None, member=self.member, limits=self.limits)

    def head(self, size: int = 1 << 20) -> bytes:
        """The first bytes, fewer where the file is shorter."""
        pieces: list[bytes] = []
        blocks = expanded(
            self.path, stamp=self.stamp, digest=None, member=self.member, limits=self.limits, block_bytes=size
        )
        for block in blocks:
            pieces.append(block)
            if sum(map(len, pieces)) >= size:
                break
        return b"".join(pieces)[:size]

    def sample(self, size: int = 4 << 20) -> list[bytes]:
        """Head, middle and end of a plain file; only the head of a compressed one."""
        if self.member or self.stamp.size <= size or compression(self.path) is not None:
            return [self.head(size)]
        third = size // 3
        with self.path.open("rb") as stream:
            pieces = []
            for place in (0, (self.stamp.size - third) // 2, self.stamp.size - third):
                stream.seek(place)
                pieces.append(stream.read(third))
        return pieces


def find_files(patterns: Sequence[str], base: Path) -> list[Path]:
    """The files that paths, folders (their files, not deeper) and glob patterns name, each once, in natural order.

    Relative ones start at `base`; hidden files are left out of folders and patterns. SourceError for a path that is
    missing, unreadable or no regular file, a folder without files and a pattern that matches nothing.
    """
    found: dict[Path, Path] = {}
    for pattern in patterns:
        for path in _matches(pattern, base):
            found.setdefault(path.resolve(), path)
    return sorted(found.values(), key=lambda path: _natural(str(path)))


def _matches(pattern: str, base: Path) -> list[Path]:
    path = base / Path(pattern).expanduser()
    if path.is_dir():
        return _folder(path)
    if not os.path.lexists(path) and glob.has_magic(pattern):
        return _globbed(path)
    return [_checked(path)]


def _folder(path: Path) -> list[Path]:
    try:
        inside = sorted(path.iterdir())
    except PermissionError as error:
        raise SourceError(f"no permission to list the folder {path}", hint="Grant read and execute rights.") from error
    files = [_checked(entry) for entry in inside if not entry.name.startswith(".") and not entry.is_dir()]
    if not files:
        raise SourceError(f"the folder {path} holds no files", hint="Folders are not searched deeper; use a pattern.")
    return files


def _globbed(path: Path) -> list[Path]:
    names = [Path(name) for name in glob.glob(str(path), recursive=True)]  # noqa: PTH207 (absolute patterns)
    files = [_checked(name) for name in names if not name.is_dir()]
    if not files:
        raise SourceError(f"the pattern {path} matches no file", hint="Check the folder and the spelling.")
    return files


def _checked(path: Path) -> Path:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise SourceError(
            f"there is no file {path}",
            hint="Check the path; relative ones start at the folder of the pipeline, or at the current folder.",
        ) from error
    except OSError as error:
        raise SourceError(f"can't look at {path}: {error.strerror}", hint="Check rights and path.") from error
    if not stat.S_ISREG(mode):
        raise SourceError(f"{path} is no regular file", hint="Give a file, a folder or a pattern.")
    if not os.access(path, os.R_OK):
        raise SourceError(f"no permission to read {path}", hint="Grant read rights to the user that runs this.")
    return path


def _natural(text: str) -> list[tuple[int, int, str]]:
    """A sort key in which `part-9` stands before `part-10`."""
    return [(0, int(piece), "") if piece.isdigit() else (1, 0, piece) for piece in re.findall(r"\d+|\D+", text)]


def open_sources(paths: Sequence[Path], *, limits: ExpansionLimits | None = None) -> list[LocalSource]:
    """One source for each file, for each member of a zip archive; in the order of the batch (name, then digest).

    Takes each file's digest, so reads it once. SourceError for what can't be read, or must not be expanded.
    """
    limits = limits or ExpansionLimits()
    sources = [source for path in paths for source in _open_one(path, limits)]
    sources.sort(key=lambda source: (source.file.name, source.file.sha256, source.file.path))
    return [replace(source, file=replace(source.file, index=index)) for index, source in enumerate(sources)]


def _open_one(path: Path, limits: ExpansionLimits) -> list[LocalSource]:
    path = _checked(path).absolute()
    stamp = Stamp.of(path)
    if compression(path) == "zip":
        return _members(path, stamp, limits)
    digest = hashlib.sha256()
    for block in raw_blocks(path, stamp, BLOCK_BYTES):
        digest.update(block)
    file = SourceFile(index=0, path=str(path), name=path.name, size_bytes=stamp.size, sha256=digest.hexdigest())
    return [LocalSource(file=file, path=path, stamp=stamp, limits=limits)]


def _members(path: Path, stamp: Stamp, limits: ExpansionLimits) -> list[LocalSource]:
    with open_zip(path) as archive:
        infos = [info for info in archive.infolist() if _is_data(info.filename) and not info.is_dir()]
    _refuse_office(path, {info.filename for info in infos})
    if not infos:
        raise SourceError(f"the archive {path} holds no files", hint="Ask the sender for another archive.")
    return [_member(path, stamp, info, limits) for info in infos]


def _is_data(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return not any(part == "__MACOSX" or (part.startswith(".") and part != "..") for part in parts)


def _refuse_office(path: Path, names: set[str]) -> None:
    if "[Content_Types].xml" in names or "content.xml" in names:
        kind = "an Excel workbook" if any(name.startswith("xl/") for name in names) else "an office document"
        raise SourceError(f"{path} is {kind}, no data file in text", hint="Export the sheet as CSV and load that.")


def _member(path: Path, stamp: Stamp, info: zipfile.ZipInfo, limits: ExpansionLimits) -> LocalSource:
    name = info.filename
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
        raise SourceError(f"the member {name!r} of {path} points outside the archive", hint="Don't trust this archive.")
    if info.flag_bits & 1:
        raise SourceError(f"the member {name!r} of {path} is encrypted", hint="Decrypt it and load the plain file.")
    limits.check(f"{path}!{name}", info.compress_size, info.file_size)
    digest = hashlib.sha256()
    size = 0
    for block in expanded(path, stamp=stamp, digest=None, member=name, limits=limits):
        digest.update(block)
        size += len(block)
    file = SourceFile(
        index=0,
        path=f"{path}!{name}",
        name=PurePosixPath(name).name,
        size_bytes=info.compress_size,
        sha256=digest.hexdigest(),
    )
    return LocalSource(file=file, path=path, stamp=stamp, member=name, limits=limits)
