"""A source's bytes as a file that can be read at any place."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from loadlock.errors import SourceError
from loadlock.intake.base import ByteSource


@contextmanager
def spooled(source: ByteSource) -> Iterator[IO[bytes]]:
    """All bytes of the source in an unnamed temporary file (`TMPDIR`), read once in order, gone when closed.

    Formats with a table of contents at the end need it. Raises SourceError where the disk has no room for it.
    """
    with tempfile.TemporaryFile(prefix="loadlock-") as file:
        for block in source.open():
            with _room(source):
                file.write(block)
        with _room(source):
            file.flush()
        file.seek(0)
        yield file


@contextmanager
def _room(source: ByteSource) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(
            f"can't put {source.file.name} aside while reading it: {error.strerror}",
            hint=f"Make room in {tempfile.gettempdir()}, or set TMPDIR to another folder.",
        ) from error
