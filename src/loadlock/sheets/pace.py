"""Pacing below the quota: requests of one account in any minute, counted in a file that all processes of a machine share."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

WINDOW_SECONDS = 60.0


class Pace:
    """Waits until a request fits. `per_minute` 0 = never waits. Reads and writes are counted apart."""

    def __init__(self, account: str, per_minute: int, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._per_minute = per_minute
        self._sleep = sleep
        name = hashlib.sha256(account.encode()).hexdigest()[:16]
        self._path = Path(tempfile.gettempdir()) / f"loadlock-sheets-{os.getuid()}-{name}.pace"

    def take(self, kind: str) -> None:
        """Count one request of the kind `read` or `write`, and wait before it where the minute is full."""
        while self._per_minute and (seconds := self._try(kind)) > 0:
            self._sleep(seconds)

    def _try(self, kind: str) -> float:
        """0 = counted; otherwise seconds until the oldest request of the minute is out of it."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            now, size = time.time(), os.fstat(handle).st_size
            times = _read(os.pread(handle, size, 0))
            taken = [at for at in times.get(kind, []) if now - WINDOW_SECONDS < at <= now]
            if len(taken) >= self._per_minute:
                return taken[-self._per_minute] + WINDOW_SECONDS - now
            content = json.dumps({**times, kind: [*taken, now]}).encode()
            os.ftruncate(handle, 0)
            os.pwrite(handle, content, 0)
            return 0.0
        finally:
            os.close(handle)


def _read(content: bytes) -> dict[str, list[float]]:
    """The times in the file; a damaged file counts as empty."""
    try:
        found = json.loads(content or b"{}")
        return {str(kind): [float(at) for at in times] for kind, times in found.items()}
    except (ValueError, AttributeError, TypeError):
        return {}
