"""What can be set: limits, quotas, speed and the pessimistic modes. The defaults are the service's own figures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Hard walls of the service. A request beyond one is answered with 400 and changes nothing."""

    cells: int = 10_000_000
    """Cells of all tabs of a spreadsheet by grid size, empty ones too."""
    columns: int = 18_278
    tabs: int = 200
    cell_chars: int = 50_000
    payload_bytes: int = 10_485_760
    subrequests: int = 100_000
    metadata_chars: int = 30_000
    """Key and value of developer metadata, for a spreadsheet and for each of its tabs."""
    request_seconds: float = 180.0
    """A request that the speed model holds to last longer is answered with 504 and not applied."""


@dataclass(frozen=True, kw_only=True)
class Quotas:
    """Requests in any 60 seconds; 0 = none. Reads and writes are counted apart."""

    reads_per_user: int = 60
    writes_per_user: int = 60
    reads_per_project: int = 300
    writes_per_project: int = 300
    retry_after_seconds: int | None = None
    """Sent as `Retry-After` with a 429. The service is not known to send one."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How an emulator behaves. Change it while it runs with `SheetsEmulator.configure`."""

    limits: Limits = Limits()
    quotas: Quotas = Quotas()
    cells_per_second: float | None = None
    """Speed model: a request takes its cells divided by this. None = answers at once."""
    paste_skips_filtered_rows: bool = True
    """Pastes and appends neither read nor write rows that a basic filter hides."""
    service_accounts_own_files: bool = False
    """True: a service account may create spreadsheets, as before 2025."""
    token_seconds: int = 3600
