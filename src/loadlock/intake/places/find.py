"""From what a pipeline's `files:` says to files: local paths, folders and patterns, addresses, standard input."""

from __future__ import annotations

import glob
import os
import re
import stat
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from loadlock.errors import SourceError, SourceUnavailableError, UsageError
from loadlock.intake._streams import blocks_of
from loadlock.intake.places.base import InterruptedFetchError, RemoteFile
from loadlock.intake.places.download import Downloads
from loadlock.sheets import address as sheets

STDIN = "-"
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


class Location(Protocol):
    """A file that was found, not yet read."""

    @property
    def label(self) -> str:
        """Its absolute path, or its address without secrets."""
        ...

    @property
    def name(self) -> str:
        """Its base name."""
        ...

    @property
    def size(self) -> int | None:
        """In bytes, where that is known without a transfer."""
        ...

    def local(self, downloads: Downloads) -> Path:
        """Where its bytes lie on this machine; brings them here first. Raises as `Downloads.fetch` does."""
        ...


@dataclass(frozen=True, kw_only=True)
class LocalFile:
    """A file of this machine."""

    path: Path

    @property
    def label(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def size(self) -> int | None:
        return checked(self.path).stat().st_size

    def local(self, downloads: Downloads) -> Path:
        """The path itself."""
        return checked(self.path)


@dataclass(frozen=True, kw_only=True)
class DistantFile:
    """A file of another place."""

    remote: RemoteFile
    size: int | None = None

    @property
    def label(self) -> str:
        return self.remote.label

    @property
    def name(self) -> str:
        return self.remote.name

    def local(self, downloads: Downloads) -> Path:
        """Fetches it."""
        return downloads.fetch(self.remote).path


@dataclass(frozen=True, kw_only=True)
class StandardInput:
    """What is piped in. It can be read once."""

    label: str = STDIN
    name: str = "stdin"
    size: int | None = None

    def local(self, downloads: Downloads) -> Path:
        """Writes it down."""
        stream: Any = getattr(sys.stdin, "buffer", None)
        if stream is None or sys.stdin.isatty():
            raise UsageError(
                "nothing is piped to standard input", hint="As in: zcat orders.csv.gz | loadlock load - ..."
            )
        return downloads.keep(blocks_of(stream), label=self.label, key=f"stdin {uuid.uuid4()}").path


def is_address(pattern: str) -> bool:
    """Whether a pattern is no local one: an address, or standard input."""
    return pattern == STDIN or _ADDRESS.match(pattern) is not None


def find_files(patterns: Sequence[str], base: Path) -> list[Location]:
    """The files that paths, folders (their files, not deeper), glob patterns and addresses name, each once, in natural order.

    Relative paths start at `base`; hidden files are left out of folders and patterns. SourceError for a path that is
    missing, unreadable or no regular file, a folder without files and a pattern that matches nothing.
    """
    found: dict[object, Location] = {}
    for pattern in patterns:
        for location in _found(pattern, base):
            key = location.path.resolve() if isinstance(location, LocalFile) else _key(location)
            found.setdefault(key, location)
    return sorted(found.values(), key=lambda location: _natural(location.label))


def _found(pattern: str, base: Path) -> Iterator[Location]:
    if pattern == STDIN:
        yield StandardInput()
    elif address := _ADDRESS.match(pattern):
        for remote in _remote(pattern, address[1].lower()):
            yield DistantFile(remote=remote)
    else:
        for path in _matches(pattern, base):
            yield LocalFile(path=path)


def _remote(pattern: str, scheme: str) -> Sequence[RemoteFile]:
    from loadlock.intake.places.http import http_files
    from loadlock.intake.places.stores import KINDS, stored_files

    if scheme == sheets.SCHEME or sheets.canonical(pattern):
        from loadlock.intake.places.sheets import sheet_files

        return sheet_files(pattern)
    if scheme in ("http", "https"):
        return http_files(pattern)
    if scheme in KINDS:
        try:
            return stored_files(pattern)
        except InterruptedFetchError as error:
            raise SourceUnavailableError(
                f"can't reach {scheme}://: {error}",
                hint="Check the address, and whether its place can be reached.",
            ) from error
    known = ", ".join(f"{name}://" for name in ("https", *KINDS, sheets.SCHEME))
    raise UsageError(f"source files can't come from {scheme}://", hint=f"Known are paths, -, {known}.")


def _key(location: Location) -> object:
    return location.remote.key if isinstance(location, DistantFile) else location.label


def _matches(pattern: str, base: Path) -> list[Path]:
    path = base / Path(pattern).expanduser()
    if path.is_dir():
        return _folder(path)
    if not os.path.lexists(path) and glob.has_magic(pattern):
        return _globbed(path)
    return [checked(path)]


def _folder(path: Path) -> list[Path]:
    try:
        inside = sorted(path.iterdir())
    except PermissionError as error:
        raise SourceError(f"no permission to list the folder {path}", hint="Grant read and execute rights.") from error
    files = [_inside(entry, path) for entry in inside if not entry.name.startswith(".") and not entry.is_dir()]
    if not files:
        raise SourceError(f"the folder {path} holds no files", hint="Folders are not searched deeper; use a pattern.")
    return files


def _globbed(path: Path) -> list[Path]:
    names = [Path(name) for name in glob.glob(str(path), recursive=True)]  # noqa: PTH207 (absolute patterns)
    plain = next(parent for parent in path.parents if not glob.has_magic(str(parent)))
    files = [_inside(name, plain) for name in names if not name.is_dir()]
    if not files:
        raise SourceError(f"the pattern {path} matches no file", hint="Check the folder and the spelling.")
    return files


def _inside(path: Path, folder: Path) -> Path:
    """The file, if it lies below the folder: who may drop files there must not lead us to others by a link."""
    checked(path)
    if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
        raise SourceError(
            f"{path} is a link to a file outside {folder}", hint="Name the file itself, or the folder where it lies."
        )
    return path


def checked(path: Path) -> Path:
    """The path, if it is a file that can be read; else SourceError."""
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
