"""Source files: found, brought here where they lie elsewhere, opened as sources of decompressed bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from loadlock.intake._blobs import Spool
from loadlock.intake.archives import LocalSource, sources_in
from loadlock.intake.base import ExpansionLimits
from loadlock.intake.places.download import Downloads, Fetched, Patience
from loadlock.intake.places.find import LocalFile, Location, StandardInput, find_files, is_address

__all__ = [
    "ExpansionLimits",
    "Fetched",
    "Keep",
    "LocalFile",
    "LocalSource",
    "Location",
    "Patience",
    "StandardInput",
    "find_files",
    "is_address",
    "open_sources",
]


@dataclass(frozen=True, kw_only=True)
class Keep:
    """Where bytes lie between the place they come from and staging: `spool` for what is unpacked, `downloads` for the rest."""

    spool: Spool
    downloads: Downloads

    @classmethod
    def in_folder(
        cls, folder: Path | None = None, *, downloads: Path | None = None, patience: Patience | None = None
    ) -> Keep:
        """Below `folder` (default: the system's folder for temporary files); `downloads` outlive a failed run there."""
        spool = Spool(folder)
        return cls(spool=spool, downloads=Downloads(spool, downloads, patience=patience))

    def discard(self, *, cached: bool = False) -> None:
        """Remove all of it: it is staged. With `cached` what was fetched may stay for the next run."""
        self.downloads.discard(cached=cached)
        self.spool.close()

    def close(self) -> None:
        """Remove what was unpacked. What was fetched for a failed run stays."""
        self.downloads.close()
        self.spool.close()


def open_sources(
    files: Sequence[Location | Path], *, limits: ExpansionLimits | None = None, keep: Keep | None = None
) -> list[LocalSource]:
    """One source for each file, for each member of an archive; in the order of the batch (name, then digest).

    Fetches files of other places. Takes each file's digest, so reads it once. SourceError for what can't be read, or must not
    be expanded. Without `keep` what must lie on the disk is removed when the sources are.
    """
    limits = limits or ExpansionLimits()
    keep = keep or Keep.in_folder()
    sources: list[LocalSource] = []
    for file in files:
        location = LocalFile(path=file.absolute()) if isinstance(file, Path) else file
        path = location.local(keep.downloads)
        # one survey is held at most, for it may be large; the other files are looked at when their rows are read
        look = all(source.survey is None for source in sources)
        sources += sources_in(
            path, label=location.label, name=location.name, limits=limits, spool=keep.spool, look=look
        )
    sources.sort(key=lambda source: (source.file.name, source.file.sha256, source.file.path))
    return [replace(source, file=replace(source.file, index=index)) for index, source in enumerate(sources)]
