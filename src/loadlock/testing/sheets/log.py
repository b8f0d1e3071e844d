"""The request log: what was asked, how it ended, whether it was applied. Bodies are not kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(kw_only=True)
class Entry:
    """One request as the emulator saw it."""

    number: int
    at: float
    """Seconds since 1970 by the emulator's clock."""
    method: str
    """`spreadsheets.values.update`, `token`, or the path where it is no method."""
    kinds: tuple[str, ...] = ()
    """The kinds of request in a batchUpdate, each once."""
    spreadsheet_id: str = ""
    range: str = ""
    account: str = ""
    request_bytes: int = 0
    response_bytes: int = 0
    status: int = 0
    """0 = no answer was sent."""
    applied: bool = False
    """The service did its work, whatever the client heard."""
    cells: int = 0
    """Cells read and written."""
    faults: tuple[str, ...] = ()
    """What was done to it on purpose: `before:reset`."""
    message: str = ""
    """Of the error, where it was one."""
