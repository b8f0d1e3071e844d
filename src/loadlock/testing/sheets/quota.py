"""Quotas: requests in any 60 seconds, reads and writes apart, by user and by project."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass

from loadlock.testing.sheets.accounts import Account
from loadlock.testing.sheets.clock import Clock
from loadlock.testing.sheets.errors import ApiError, reason
from loadlock.testing.sheets.settings import Quotas

WINDOW_SECONDS = 60.0


@dataclass(kw_only=True)
class Count:
    """Requests of one account and kind: taken, refused with 429, and the most taken in any 60 seconds."""

    taken: int = 0
    refused: int = 0
    most_per_minute: int = 0


class QuotaCounter:
    """Counts requests. A refused one doesn't count against the quota."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, str], deque[float]] = defaultdict(deque)
        self.counts: dict[tuple[str, str], Count] = defaultdict(Count)
        """By e-mail and `read` or `write`."""

    def take(self, account: Account, kind: str, quotas: Quotas) -> None:
        """Count a request of the kind `read` or `write`. Raises 429 when a quota is used up."""
        limits = {
            "read": (quotas.reads_per_user, quotas.reads_per_project),
            "write": (quotas.writes_per_user, quotas.writes_per_project),
        }[kind]
        now, count = self._clock.now(), self.counts[account.email, kind]
        user = self._window(f"user:{account.email}", kind, now)
        project = self._window(f"project:{account.project}", kind, now)
        for window, limit, per_user in ((user, limits[0], True), (project, limits[1], False)):
            if limit and len(window) >= limit:
                count.refused += 1
                raise exceeded(account, kind, limit, per_user=per_user)
        user.append(now)
        project.append(now)
        count.taken += 1
        count.most_per_minute = max(count.most_per_minute, len(user))

    def _window(self, name: str, kind: str, now: float) -> deque[float]:
        window = self._windows[name, kind]
        while window and window[0] <= now - WINDOW_SECONDS:
            window.popleft()
        return window


def exceeded(account: Account, kind: str, limit: int, *, per_user: bool) -> ApiError:
    """429 with the body that the service sends."""
    title = kind.capitalize()
    project_number = 10**11 + account.number
    per = "per minute per user" if per_user else "per minute"
    text = (
        f"Quota exceeded for quota metric '{title} requests' and limit '{title} requests {per}' of service "
        f"'sheets.googleapis.com' for consumer 'project_number:{project_number}'."
    )
    metadata = {
        "consumer": f"projects/{project_number}",
        "quota_limit": f"{title}RequestsPerMinutePer{'User' if per_user else 'Project'}",
        "quota_limit_value": str(limit),
        "quota_location": "global",
        "quota_metric": f"sheets.googleapis.com/{kind}_requests",
        "quota_unit": "1/min/{project}/{user}" if per_user else "1/min/{project}",
    }
    return reason(429, text, why="RATE_LIMIT_EXCEEDED", metadata=metadata)
