"""A sheet of a Google spreadsheet as a source: `gsheets://ID/Sheet name`, with a range behind `!`, or the browser's address.

It comes as a CSV file named like the sheet. Credentials are found as for the destination, without `credentials:`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loadlock.errors import LoadlockError, SourceError, UnavailableError, UsageError
from loadlock.intake.places.base import Facts, InterruptedFetchError, Opened
from loadlock.sheets.address import Address, parse, written
from loadlock.sheets.read import ChangedMeanwhileError, area_of, csv_blocks, open_sheet


@dataclass(frozen=True, kw_only=True)
class SheetFile:
    """See `loadlock.intake.places.base.RemoteFile`."""

    address: Address

    @property
    def label(self) -> str:
        return written(self.address)

    @property
    def name(self) -> str:
        title = self.address.sheet or self.address.spreadsheet
        return re.sub(r"[/\\\0]", "_", title) + ".csv"

    @property
    def key(self) -> str:
        return self.label

    def open(self, start: int, known: Facts | None) -> Opened:
        """From the beginning, always: a sheet has no bytes of its own."""
        return Opened(facts=Facts(size=None, version=None), start=0, blocks=self._blocks())

    def _blocks(self) -> Iterator[bytes]:
        try:
            wire = open_sheet(self.address)
            try:
                yield from csv_blocks(wire, area_of(wire, self.address))
            finally:
                wire.close()
        except UnavailableError as error:
            raise InterruptedFetchError(str(error), wait_seconds=error.wait_seconds) from error
        except ChangedMeanwhileError as error:
            raise InterruptedFetchError(f"{self.label} was edited while it was read") from error
        except UsageError:
            raise
        except LoadlockError as error:
            raise SourceError(f"can't read {self.label}: {error}", hint=error.hint) from error

    def save(self, path: Path, *, tries: int) -> None:
        """Write it down as it is now. Raises SourceError, UsageError, UnavailableError."""
        for turn in range(1, tries + 1):
            try:
                with path.open("wb") as file:
                    file.writelines(self._blocks())
                return
            except InterruptedFetchError as error:
                if turn == tries:
                    raise UnavailableError(str(error), hint="Try again when nobody edits the sheet.") from error

    def unchanged(self, known: Facts) -> bool:
        """It was read twice where it came in portions."""
        return True


def sheet_files(pattern: str) -> list[SheetFile]:
    """The sheet that an address names."""
    return [SheetFile(address=parse(pattern))]
