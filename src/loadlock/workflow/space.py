"""Is there room for a batch? Estimated from the sizes of its files, before anything is read."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from loadlock.delivery.destinations._local import database_path, file_path
from loadlock.errors import LoadlockError, StoppedError
from loadlock.workflow.destinations import BoundDestination

STAGED = 1.2
"""Raw and clean rows at rest, as a share of the plain source (measured 0.75 for CSV)."""
KEPT = 0.35
"""The kept source, compressed (measured 0.29 for CSV)."""
EXPANDED = 6.0
"""How many times its size a compressed file is taken to have."""
DELIVERED = 1.5
"""Rows in a database or file on this disk, with what a rollback needs."""
_SURE = 0.33
"""Below this share of the estimate there is surely not enough."""
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".tgz", ".parquet")


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Bytes that a batch takes on the disk of one folder, and the bytes that are free there."""

    what: str
    folder: Path
    bytes: int
    free: int

    @property
    def verdict(self) -> str:
        """ok, warn (may not fit) or fail (does not fit)."""
        if self.free >= self.bytes:
            return "ok"
        return "warn" if self.free >= self.bytes * _SURE else "fail"

    def told(self) -> str:
        """For people."""
        return f"{self.what}: about {_size(self.bytes)} needed, {_size(self.free)} free at {self.folder}"


def plain_size(files: Iterable[tuple[str, int]]) -> int:
    """Bytes of files (name, size) once they are unpacked, as estimated."""
    return round(sum(size * (EXPANDED if name.lower().endswith(_PACKED) else 1.0) for name, size in files))


def estimates(
    plain_bytes: int, workspace: Path, bound: Iterable[BoundDestination], *, keep_source: bool
) -> list[Estimate]:
    """What a batch of this size needs in the workspace, and at destinations on disks of this machine."""
    share = STAGED + (KEPT if keep_source else 0.0)
    found = [_estimate("workspace", workspace, round(plain_bytes * share))]
    for destination in bound:
        path = _local_path(destination)
        if path is not None:
            there = path.stat().st_size if path.is_file() and destination.target.table is None else 0
            needed = round(plain_bytes * DELIVERED) + there
            found.append(_estimate(destination.label, path.absolute().parent, needed))
    return found


def check_space(found: Iterable[Estimate]) -> list[str]:
    """Notes on what may not fit. Raises StoppedError where it surely does not."""
    notes = []
    for estimate in found:
        if estimate.verdict == "fail":
            raise StoppedError(
                f"the disk is too small: {estimate.told()}",
                hint="Make room (`loadlock gc` shows what can go), or use another --workspace; --force tries it all the same.",
            )
        if estimate.verdict == "warn":
            notes.append(f"the disk may be too small: {estimate.told()}")
    return notes


def _estimate(what: str, folder: Path, needed: int) -> Estimate:
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    return Estimate(what=what, folder=there, bytes=needed, free=shutil.disk_usage(there).free)


def _local_path(bound: BoundDestination) -> Path | None:
    """Where a destination lies on this machine's disks; None for servers."""
    if bound.target.url.startswith(("duckdb:", "sqlite:")):
        try:
            return database_path(bound.target.url)
        except LoadlockError:
            return None
    return file_path(bound.target.url) if bound.target.table is None else None


def _size(number: int) -> str:
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.1f} MB"
