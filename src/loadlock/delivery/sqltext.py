"""What the SQL destinations share: the shape of the control tables, names derived from a delivery, `Published` as a row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from loadlock.delivery.base import Job, Published

STAGING_PREFIX = "_loadlock_"
"""Staging tables are named by this and 16 hex digits of the delivery's id."""
FILE_COLUMN = "_loadlock_file"
"""Column of a staging table: the source file's index, for the counts by file."""

DELIVERY_COLUMNS: dict[str, str] = {
    "delivery_id": "key",
    "target": "name",
    "run": "name",
    "batch": "name",
    "pipeline": "name",
    "mode": "name",
    "rows_sent": "integer",
    "inserted": "integer",
    "updated": "integer",
    "unchanged": "integer",
    "deleted": "integer",
    "by_file": "text",
    "digest": "name",
    "marks": "text",
    "published_at": "now",
}
"""Columns of the control table `loadlock_deliveries` → what kind of column: `key`, `name` (short text), `integer`, `text`,
`now` (time of the insert, UTC). `marks` is JSON by which the destination finds the delivery's rows again, or null."""

CHUNK_COLUMNS: dict[str, str] = {"delivery_id": "key", "chunk_id": "key", "rows_loaded": "integer", "loaded_at": "now"}
"""Columns of the receipts `loadlock_chunks`; both keys together are the primary key."""


def staging_name(job: Job) -> str:
    """The staging table's name: the same when a run is resumed, 26 characters in every database."""
    return staging_of(job.delivery_id)


def staging_of(delivery_id: str) -> str:
    """The name of a delivery's staging table."""
    return STAGING_PREFIX + hashlib.md5(delivery_id.encode(), usedforsecurity=False).hexdigest()[:16]


def lock_number(*names: str) -> int:
    """A signed 64-bit number for a lock on these names."""
    digest = hashlib.sha256("\0".join(("loadlock", *names)).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def delivery_row(
    job: Job, target: str, published: Published, *, rows: int, digest: str, marks: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The control row of a delivery, without `published_at`."""
    return {
        "delivery_id": job.delivery_id,
        "target": target,
        "run": job.run,
        "batch": job.batch,
        "pipeline": job.pipeline,
        "mode": str(job.mode),
        "rows_sent": rows,
        "inserted": published.inserted,
        "updated": published.updated,
        "unchanged": published.unchanged,
        "deleted": published.deleted,
        "by_file": json.dumps({str(file): counts for file, counts in published.by_file.items()}),
        "digest": digest,
        "marks": None if marks is None else json.dumps(dict(marks)),
    }


def published_from(row: Mapping[str, Any]) -> Published:
    """The counts of an earlier publish from its control row."""
    by_file = {int(file): tuple(counts) for file, counts in json.loads(row["by_file"]).items()}
    return Published(
        inserted=int(row["inserted"]),
        updated=int(row["updated"]),
        unchanged=int(row["unchanged"]),
        deleted=int(row["deleted"]),
        by_file=by_file,
        notes=(f"already published at {row['published_at']}",),
        digest=str(row["digest"]),
    )


def inserted_by_file(counts: Mapping[int, int]) -> dict[int, tuple[int, int, int]]:
    """`Published.by_file` of a load that only inserts."""
    return {file: (rows, 0, 0) for file, rows in sorted(counts.items())}
