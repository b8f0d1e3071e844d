"""The Google Sheets API on loopback, for tests. `SheetsEmulator` is the door; docs/how-to/sheets-emulator.md shows the use."""

from loadlock.testing.sheets.clients import credentials, google_service, gspread_client, session
from loadlock.testing.sheets.emulator import SheetsEmulator
from loadlock.testing.sheets.errors import ApiError
from loadlock.testing.sheets.faults import Fault
from loadlock.testing.sheets.log import Entry
from loadlock.testing.sheets.quota import Count
from loadlock.testing.sheets.settings import Limits, Quotas, Settings

__all__ = [
    "ApiError",
    "Count",
    "Entry",
    "Fault",
    "Limits",
    "Quotas",
    "Settings",
    "SheetsEmulator",
    "credentials",
    "google_service",
    "gspread_client",
    "session",
]
