"""The bytes of source files, kept in the workspace: compressed, addressed by content, readable at any place.

A batch can be taken in again from them with another encoding or dialect, and the raw text of any reject cut out of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from loadlock.durable import clear_debris, workspace_error, written_whole
from loadlock.errors import WorkspaceError
from loadlock.model import SourceFile
from loadlock.rows import RAW_LIMIT
from loadlock.staging.frames import FrameReader, FrameWriter

if TYPE_CHECKING:
    import numpy as np

    from loadlock.intake._enc_survey import Survey
    from loadlock.intake.base import ByteSource

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Original(Protocol):
    """The file that kept bytes were read from, while it still lies there."""

    def slices(self, places: Iterable[tuple[int, int]]) -> list[bytes] | None:
        """The bytes at each (offset, length); None where the file is gone or not the one that was read."""
        ...


class SourceStore:
    """Kept sources below the folder `root` (made when first written to): `<2 digits>/<sha256>.zst`. Thread-safe."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._originals: dict[str, Original] = {}

    def remember(self, source: ByteSource) -> None:
        """Cut slices from the file itself as long as it lies there unchanged: that spares decompressing what was kept."""
        if (original := getattr(source, "plain", lambda: None)()) is not None:
            self._originals[source.file.sha256] = original

    def has(self, file: SourceFile) -> bool:
        """Whether the file's bytes are kept, whole."""
        return self._path(file).is_file()

    def tee(self, source: ByteSource) -> ByteSource:
        """The same source; its bytes are kept while they are read.

        They are kept when `open` was read to its end. A reader that stops early, or an error of the source, keeps
        nothing; the next `open` tries again. A disk that says no raises WorkspaceError from `open`.
        """
        return _Tee(self, source)

    def source(self, file: SourceFile) -> ByteSource:
        """The kept bytes as a source, any number of times. Raises WorkspaceError if they are not kept."""
        if not self.has(file):
            raise self._not_kept(file)
        return _Kept(self, file)

    def slices(
        self, file: SourceFile, offsets: np.ndarray[Any, Any], lengths: np.ndarray[Any, Any], limit: int = RAW_LIMIT
    ) -> list[bytes]:
        """The bytes at each offset (of the decompressed file), `limit` at most each, in the order asked for.

        Taken from the file itself where it is known and unchanged. Else each frame is decompressed once; at most as many
        are in memory as one slice touches. A range beyond the end is shorter.
        """
        import numpy as np

        if (original := self._originals.get(file.sha256)) is not None:
            wanted = zip(offsets.tolist(), np.minimum(lengths, limit).tolist(), strict=True)
            if (cut := original.slices(wanted)) is not None:
                return cut
        found = [b""] * len(offsets)
        window = _Window()
        with self.reader(file) as reader:
            for index in sorted(range(len(offsets)), key=lambda i: int(offsets[i])):
                length = min(int(lengths[index]), limit)
                found[index] = window.cut(reader, int(offsets[index]), length)
        return found

    def remove(self, file: SourceFile) -> None:
        """Delete the kept bytes; nothing there is no error."""
        path = self._path(file)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise workspace_error(f"can't remove the kept source {path}", error) from error

    def reader(self, file: SourceFile) -> FrameReader:
        """A reader of the kept bytes, to be closed. Raises WorkspaceError if they are not kept or damaged."""
        try:
            return FrameReader(self._path(file))
        except FileNotFoundError as error:
            raise self._not_kept(file) from error
        except OSError as error:
            raise workspace_error(f"can't read the kept bytes of {file.name}", error) from error

    def blocks(self, source: ByteSource) -> Iterator[bytes]:
        """The source's blocks; kept once the last one was read."""
        path = self._path(source.file)
        with self._disk(source.file, path):
            clear_debris(path)
            with written_whole(path) as beside, beside.open("wb") as file, closing(FrameWriter(file)) as writer:
                for block in source.open():
                    writer.put(block)
                    yield block
                writer.finish()

    @contextmanager
    def _disk(self, file: SourceFile, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise workspace_error(f"can't keep the bytes of {file.name} in {path}", error) from error

    def _path(self, file: SourceFile) -> Path:
        if not _DIGEST.fullmatch(file.sha256):
            raise WorkspaceError(f"{file.name} has no digest to be kept under: {file.sha256!r}")
        return self.root / file.sha256[:2] / f"{file.sha256}.zst"

    def _not_kept(self, file: SourceFile) -> WorkspaceError:
        return WorkspaceError(
            f"the bytes of {file.name} are not kept in this workspace",
            hint="They are kept with `keep_source: true`; run over the file itself instead.",
        )


class _Window:
    """The frames around the last slice. Slices come by rising offset, so a frame left behind is not asked for again."""

    def __init__(self) -> None:
        self._contents: dict[int, bytes] = {}

    def cut(self, reader: FrameReader, offset: int, length: int) -> bytes:
        if offset >= reader.size or length <= 0:
            return b""
        first, last = reader.number_at(offset), reader.number_at(min(offset + length, reader.size) - 1)
        for number in [number for number in self._contents if number < first]:
            del self._contents[number]
        for number in range(first, last + 1):
            if number not in self._contents:
                self._contents[number] = reader.content(reader.frames[number])
        start = offset - reader.frames[first].offset
        if first == last:
            return self._contents[first][start : start + length]
        return b"".join(self._contents[number] for number in range(first, last + 1))[start : start + length]


class _Tee:
    """A source whose bytes are kept while they are read."""

    def __init__(self, store: SourceStore, source: ByteSource) -> None:
        self.file = source.file
        self._store = store
        self._source = source

    @property
    def survey(self) -> Survey | None:
        """What the source knows of its encoding."""
        return getattr(self._source, "survey", None)

    def open(self) -> Iterator[bytes]:
        return self._source.open() if self._store.has(self.file) else self._store.blocks(self._source)

    def head(self, size: int = 1 << 20) -> bytes:
        return self._source.head(size)

    def sample(self, size: int = 4 << 20) -> list[bytes]:
        return self._source.sample(size)


class _Kept:
    """Kept bytes as a source."""

    def __init__(self, store: SourceStore, file: SourceFile) -> None:
        self.file = file
        self._store = store

    def open(self) -> Iterator[bytes]:
        with self._store.reader(self.file) as reader:
            yield from reader.blocks(0, reader.size)

    def head(self, size: int = 1 << 20) -> bytes:
        with self._store.reader(self.file) as reader:
            return b"".join(reader.blocks(0, size))

    def sample(self, size: int = 4 << 20) -> list[bytes]:
        """A third of `size` each from head, middle and end; the whole where it is no longer than `size`."""
        with self._store.reader(self.file) as reader:
            if reader.size <= size:
                return [b"".join(reader.blocks(0, size))]
            third = size // 3
            # characters of four bytes are not cut
            middle, last = (reader.size - third) // 2 & ~3, reader.size - third & ~3
            bounds = (0, third), (middle, middle + third), (last, reader.size)
            return [b"".join(reader.blocks(*bound)) for bound in bounds]
