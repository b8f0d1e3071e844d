"""Imported by the server that forks test processes: every component is loaded once there, and not once a process."""

from __future__ import annotations

from contextlib import suppress

from loadlock.registry import components

for kind in ("formats", "rules", "checks", "destinations"):
    with suppress(Exception):  # what can't be loaded is the forked process's to tell
        list(components(kind).values())
