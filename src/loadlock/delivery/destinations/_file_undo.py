"""The undo of file deliveries: the old file stays beside the new one under a hidden name (a hard link where there are such).

A record beside it says which content the delivery left; where the file has another one now, others changed it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadlock.delivery.base import Job, UndoneError
from loadlock.delivery.destinations._local import hidden_path, remove, sync_file
from loadlock.durable import written_whole
from loadlock.errors import RefusedError

NOT_KEPT = "what is needed to take it back was not kept, or newer batches pushed it out"


def fingerprint(path: Path) -> dict[str, Any]:
    """Size and sha256 of a file."""
    with path.open("rb") as file:
        return {"size": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def read_record(path: Path) -> dict[str, Any] | None:
    """A JSON object in a file, None where there is none."""
    with suppress(OSError, ValueError):
        record = json.loads(path.read_text(encoding="utf-8"))
        return record if isinstance(record, dict) else None
    return None


@dataclass(frozen=True, kw_only=True)
class FileUndo:
    """Of one delivery to the file at `path`; call under the target's lock."""

    path: Path
    job: Job
    label: str

    @property
    def _old(self) -> Path:
        name = hashlib.md5(self.job.delivery_id.encode(), usedforsecurity=False).hexdigest()[:16]
        return hidden_path(self.path, "undo", name)

    @property
    def _record(self) -> Path:
        return self._old.with_name(f"{self._old.name}.json")

    def keep(self, record: dict[str, Any]) -> None:
        """Before the rename: keep the old file, and a record of the publish; older ones are dropped by `prune`."""
        if not self.job.undo:
            return
        had = self.path.exists()
        remove(self._old)
        if had:
            try:
                os.link(self.path, self._old)
            except OSError:  # no hard links here
                shutil.copyfile(self.path, self._old)
        self._write({**record, "had": had})

    def _write(self, record: dict[str, Any]) -> None:
        with written_whole(self._record) as beside:
            beside.write_text(json.dumps(record), encoding="utf-8")

    def prune(self) -> None:
        """Drop what belongs to older batches than the newest `undo` ones."""
        for path in self.outdated(self.job.undo):
            remove(path)

    def outdated(self, keep: int) -> list[Path]:
        """What belongs to other batches than the newest `keep`."""
        prefix = hidden_path(self.path, "undo", "").name
        found = [
            (read_record(path) or {}, path)
            for path in self.path.absolute().parent.glob("*.json")
            if path.name.startswith(prefix)
        ]
        found.sort(key=lambda pair: str(pair[0].get("published_at")), reverse=True)
        batches = list(dict.fromkeys(record.get("batch") for record, _ in found if not record.get("undone")))
        old = [path for record, path in found if record.get("batch") not in batches[:keep]]
        return [part for path in old for part in (path.with_suffix(""), path) if part.exists()]

    def record(self) -> dict[str, Any]:
        """The record of the delivery. Raises UndoneError or RefusedError where it can't be taken back."""
        record = read_record(self._record)
        if record is None:
            raise RefusedError(
                f"{self.label}: run {self.job.run} can't be rolled back: {NOT_KEPT}",
                hint="Keep it for more batches by `undo: N` in the pipeline's destination.",
            )
        gone = record["had"] and not self._old.exists()
        if record.get("undone") or gone:
            raise UndoneError(f"{self.label}: run {self.job.run} was rolled back before")
        return record

    def untouched(self, record: dict[str, Any]) -> bool:
        """Whether the file is as the delivery left it."""
        return self.path.exists() and bool(fingerprint(self.path) == record["file"])

    def bring_back(self) -> None:
        """The old file in the place of the new one."""
        record = self.record()
        if record["had"]:
            self._old.replace(self.path)
        else:
            self.path.unlink(missing_ok=True)
        sync_file(self.path.absolute().parent)
        self._write({**record, "undone": True})
