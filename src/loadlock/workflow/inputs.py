"""A pipeline's source files, wherever they are: found, opened, found again for a run that was cut short."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from loadlock.errors import SourceError
from loadlock.intake.base import ByteSource
from loadlock.intake.files import Keep, LocalSource, Location, StandardInput, find_files, is_address, open_sources
from loadlock.model import SourceFile
from loadlock.pipeline.model import Pipeline, Source
from loadlock.pipeline.secrets import HIDDEN, redact, resolve, variables
from loadlock.staging.sources import SourceStore


def find_inputs(source: Source, base: Path, environment: Mapping[str, str] | None = None) -> list[Location]:
    """The files that `source` names. `${VARIABLE}` is filled in from the environment."""
    return find_files(_filled_in(source.files, environment), base)


def _filled_in(patterns: Iterable[str], environment: Mapping[str, str] | None) -> list[str]:
    environment = os.environ if environment is None else environment
    return [resolve(pattern, environment) if variables(pattern) else pattern for pattern in patterns]


def open_inputs(files: Sequence[Location], source: Source, keep: Keep | None = None) -> list[LocalSource]:
    """Their sources, within the limits that `source` sets."""
    return open_sources(files, limits=source.limits, keep=keep)


def told_files(files: Sequence[str]) -> tuple[str, ...]:
    """The patterns as the ledger may keep them: without passwords, and without the query of an address."""
    return tuple(_told(pattern) if is_address(pattern) else pattern for pattern in files)


def _told(pattern: str) -> str:
    pattern = redact(pattern)
    if not pattern.lower().startswith(("http://", "https://")):
        return pattern
    address, sign, query = pattern.partition("?")
    return f"{address}?{query if query.startswith('${') else HIDDEN}" if sign else pattern


@dataclass(frozen=True, kw_only=True)
class Again:
    """Finds the files of a batch again, for an intake that was cut short."""

    pipeline: Pipeline
    store: SourceStore
    keep: Keep
    environment: Mapping[str, str] | None = None

    def sources(self, files: Sequence[SourceFile]) -> list[ByteSource]:
        """Kept bytes first, then what was fetched whole, then the files where they were.

        SourceError where a file is gone or has other bytes than when the run began.
        """
        found: dict[str, ByteSource] = {}
        missing = {file.sha256: file for file in files if not self.store.has(file)}
        for opened in self._places(missing):
            for source in opened:
                found.setdefault(source.file.sha256, source)
            if not missing.keys() - found.keys():
                break
        if lost := [file for digest, file in missing.items() if digest not in found]:
            raise SourceError(
                f"{lost[0].path} is gone or has other bytes than when the run began",
                hint="Put the file back, or run the pipeline anew.",
            )
        return [
            with_file(found[file.sha256], file) if file.sha256 in missing else self.store.source(file) for file in files
        ]

    def _places(self, missing: Mapping[str, SourceFile]) -> Iterable[list[LocalSource]]:
        paths = {file.path for file in missing.values()}
        tops = list(dict.fromkeys(top for path in sorted(paths) for top in _tops(path)))
        limits, keep = self.pipeline.source.limits, self.keep
        for top in tops:
            for fetched in keep.downloads.whole(top) if is_address(top) else ():
                yield open_sources([fetched.path], limits=limits, keep=keep)
            if not is_address(top) and Path(top).is_file():
                yield open_sources([Path(top)], limits=limits, keep=keep)
        if addresses := [top for top in tops if is_address(top)]:
            yield from self._remote(addresses)

    def _remote(self, addresses: Sequence[str]) -> Iterable[list[LocalSource]]:
        """What the pipeline's addresses give now; those whose secret is not kept can't be asked."""
        source = self.pipeline.source
        told = [pattern for pattern in source.files if HIDDEN not in pattern]
        patterns = [pattern for pattern in _filled_in(told, self.environment) if is_address(pattern)]
        for location in find_files(patterns, Path("/")):
            if location.label in addresses and not isinstance(location, StandardInput):
                yield open_inputs([location], source, self.keep)


def _tops(path: str) -> list[str]:
    """The file that a path names: `path!member` may also be a file's own name."""
    pieces = path.split("!")
    return ["!".join(pieces[:count]) for count in range(len(pieces), 0, -1)]


def with_file(source: ByteSource, file: SourceFile) -> ByteSource:
    """The source under another record of the same bytes (its place in the batch's order)."""
    assert isinstance(source, LocalSource)
    return replace(source, file=file)
