"""How a delivery into a sheet works, from the destination's options."""

from __future__ import annotations

from dataclasses import dataclass

from loadlock.delivery.destinations._sheets_check import Room
from loadlock.sheets.wire import Json


@dataclass(frozen=True, kw_only=True)
class Ways:
    """How a session works, from the destination's options."""

    room: Room
    chunk_bytes: int
    serials: bool
    escape_formulas: bool
    foreign: bool = False
    """Replace and mirror leave the values of other columns where they are, instead of being refused."""
    overwrite: bool = False
    """What people changed in the delivered columns may be taken away."""
    manifest: Json | None = None
    """Which part of a partition this is, for the mark."""
