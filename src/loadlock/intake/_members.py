"""What members of archives may be: their names, their kinds."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from loadlock.errors import SourceError

_DRIVE = re.compile(r"[A-Za-z]:")
_DISTRUST = "Don't trust this archive; ask the sender for one with plain file names."


def is_data(name: str) -> bool:
    """Whether a member is meant to be read: not hidden, none of a Mac's shadow files."""
    parts = _parts(name)
    return bool(parts) and not any(part == "__MACOSX" or (part.startswith(".") and part != "..") for part in parts)


def check_name(archive: str, name: str) -> None:
    """SourceError for a name that points outside the folder the archive would be unpacked in."""
    posix = name.replace("\\", "/")
    if posix.startswith("/") or ".." in _parts(name) or _DRIVE.match(posix) or "\0" in name:
        raise SourceError(f"the member {name!r} of {archive} points outside the archive", hint=_DISTRUST)


def refuse(archive: str, name: str, kind: str, hint: str) -> SourceError:
    """The error for a member that is no plain file."""
    return SourceError(f"the member {name!r} of {archive} is {kind}", hint=hint)


def base_name(name: str) -> str:
    """The last part of a member's name."""
    return (_parts(name) or (name,))[-1]


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part for part in PurePosixPath(name.replace("\\", "/")).parts if part != ".")
