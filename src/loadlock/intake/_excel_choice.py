"""Which sheet of a workbook is read, and what is said of workbooks that can't be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loadlock.errors import SourceError


@dataclass(frozen=True, kw_only=True)
class SheetName:
    """A sheet of a workbook."""

    name: str
    hidden: bool


def choose_sheet(path: str, sheets: Sequence[SheetName], wanted: str | None) -> str:
    """The sheet of this name, else of this number (from 1 on); left out: the first visible one. SourceError for none."""
    names = [sheet.name for sheet in sheets]
    if not names:
        raise SourceError(f"{path} holds no sheet with cells", hint="Export the data again.")
    if wanted is None:
        return next((sheet.name for sheet in sheets if not sheet.hidden), names[0])
    if wanted in names:
        return wanted
    alike = [name for name in names if name.strip().casefold() == wanted.strip().casefold()]
    if len(alike) == 1:
        return alike[0]
    if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        return names[int(wanted) - 1]
    listed = ", ".join(f"{number} {name!r}" for number, name in enumerate(names[:20], 1))
    raise SourceError(f"{path} has no sheet {wanted!r}", hint=f"Its sheets: {listed}.")


def damaged(path: str, error: BaseException) -> SourceError:
    """The error for a workbook that can't be opened."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return SourceError(f"{path} is no whole workbook: {said}", hint="It is damaged or cut off: fetch it again.")


def encrypted(path: str) -> SourceError:
    """The error for a workbook with a password."""
    return SourceError(f"{path} is encrypted", hint="Open it, take the password off, save it and load that.")
