"""What a run would change, for people; the question before it does."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.console import Console

_COUNTS = (("insert", "inserted"), ("update", "updated"), ("leave", "unchanged"), ("delete", "deleted"))
_SIGNS = {"insert": "+", "update": "~", "delete": "-"}
_SHOWN_COLUMNS = 8


def print_plan(entries: Sequence[Mapping[str, Any]], *, to_stderr: bool = False) -> None:
    """Print what would happen to each destination, with sample rows."""
    stream = sys.stderr if to_stderr else sys.stdout
    console = Console(file=stream, width=None if stream.isatty() else 120, highlight=False, markup=False)
    for entry in entries:
        console.print(f"{entry['destination']}: {entry['mode']}, {entry['rows']:,} rows", soft_wrap=True)
        for line in _lines(entry):
            console.print(f"  {line}", soft_wrap=True)


def confirm(entries: Sequence[Mapping[str, Any]]) -> bool:
    """Show the plan and ask for a yes; without a terminal or an answer it is a no."""
    print_plan(entries, to_stderr=True)
    try:
        return click.confirm("Publish this?", default=False, err=True)
    except click.Abort:
        return False


def _lines(entry: Mapping[str, Any]) -> list[str]:
    lines = list(entry["schema"])
    if entry["compared"]:
        before = "" if entry["rows_before"] is None else f" (the table has {entry['rows_before']:,} rows)"
        counts = ", ".join(f"{verb} {entry[name]:,}" for verb, name in _COUNTS)
        lines.append(f"{counts}{before}")
    if entry["rejected"]:
        lines.append(f"{entry['rejected']:,} rows do not fit and would be rejected")
    if entry["filtered"]:
        lines.append(f"{entry['filtered']:,} rows are left out by the filter")
    if entry["columns"]:
        changed = sorted(entry["columns"].items(), key=lambda item: -item[1])
        lines.append("columns that change: " + ", ".join(f"{name} in {rows:,} rows" for name, rows in changed))
    lines += [f"{_SIGNS[sample['kind']]} {_shown(sample)}" for sample in entry["samples"]]
    lines += [f"note: {note}" for note in entry["notes"]]
    if entry["stop"]:
        lines.append(f"WOULD STOP: {entry['stop']}")
    return lines


def _shown(sample: Mapping[str, Any]) -> str:
    before, after = sample["before"] or {}, sample["after"] or {}
    if sample["kind"] == "update":
        changes = [f"{name}: {_value(before[name])} -> {_value(after[name])}" for name in after]
    else:
        changes = [f"{name}: {_value(value)}" for name, value in (after or before).items() if name not in sample["key"]]
    more = f", and {len(changes) - _SHOWN_COLUMNS} more columns" if len(changes) > _SHOWN_COLUMNS else ""
    key = ", ".join(f"{name} {_value(value)}" for name, value in sample["key"].items())
    return f"{key}{'  ' if key else ''}{', '.join(changes[:_SHOWN_COLUMNS])}{more}"


def _value(value: str | None) -> str:
    return "null" if value is None else repr(value) if value != value.strip() or not value else value
