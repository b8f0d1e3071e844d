"""The balance sheet at the end of a run, for people."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.table import Table

_SHOWN_FILES = 20
_SHOWN_CODES = 12
_SHOWN_RULES = 4


def print_balance(document: dict[str, Any]) -> None:
    """Print a run's outcome, balance, rejects, receipts and where the report lies."""
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False, markup=False)
    if document["noop"]:
        console.print(f"Already delivered by run {document['run']} (batch {document['batch'][:12]}): nothing was done.")
        return
    console.print(
        f"run {document['run']}  batch {document['batch'][:12]}  {document['status']}  {document['seconds']:.1f} s"
    )
    console.print(_sheet(document))
    _print_changes(console, document)
    _print_rejects(console, document)
    for entry in document["destinations"]:
        _print_receipt(console, entry)
        for child in entry.get("children", []):
            _print_child(console, entry["mode"], child)
    if document.get("report"):
        # soft: a path that is broken into lines can't be copied
        console.print(f"report: {document['report']}", soft_wrap=True)


def _sheet(document: dict[str, Any]) -> Table:
    table = Table(title="Balance sheet (rows)", title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column("file")
    kept_out = ("rejected", "skipped", "superseded", *(["discarded"] if document["balance"].get("discarded") else []))
    columns = ("received", "blank", *kept_out, "clean", "inserted", "updated", "unchanged")
    for name in columns:
        table.add_column(name, justify="right")
    files = document["files"]
    for entry in files[:_SHOWN_FILES]:
        table.add_row(entry["name"], *_cells(entry["balance"], columns))
    if len(files) > _SHOWN_FILES:
        table.add_row(f"... and {len(files) - _SHOWN_FILES} more files (--json, report)", *[""] * len(columns))
    table.add_row("all", *_cells(document["balance"], columns), style="bold")
    return table


def _cells(balance: dict[str, Any], columns: tuple[str, ...]) -> list[str]:
    return [f"{sum(balance[name].values()) if name == 'rejected' else balance[name]:,}" for name in columns]


def _print_changes(console: Console, document: dict[str, Any]) -> None:
    """One line: how many values each rule changed, most first."""
    tallies = document.get("tallies") or {}
    counts = [(f"{tally['column']} {tally['rule']}", tally["changed"]) for tally in tallies.get("rules", ())]
    for column in tallies.get("columns", ()):
        counts.append((f"{column['name']} trimmed", column["trimmed"]))
    changed = sorted((entry for entry in counts if entry[1]), key=lambda entry: -entry[1])
    if changed:
        shown = ", ".join(f"{name} {values:,}" for name, values in changed[:_SHOWN_RULES])
        more = f" and {len(changed) - _SHOWN_RULES} more" if len(changed) > _SHOWN_RULES else ""
        console.print(f"values changed: {shown}{more}  (--json, report)", soft_wrap=True)


def _print_rejects(console: Console, document: dict[str, Any]) -> None:
    if not document["rejects"]:
        return
    by_code = sorted(document["rejects"].items(), key=lambda item: -item[1])
    shown = ", ".join(f"{code} {rows:,}" for code, rows in by_code[:_SHOWN_CODES])
    more = f" and {len(by_code) - _SHOWN_CODES} more codes" if len(by_code) > _SHOWN_CODES else ""
    console.print(f"problems: {shown}{more}  (loadlock rejects {document['batch'][:12]})", soft_wrap=True)


def _print_receipt(console: Console, entry: dict[str, Any]) -> None:
    receipt = entry["receipt"]
    rows = "" if receipt is None else f" {receipt['rows']:,} rows,"
    console.print(f"{entry['destination']}: {entry['mode']},{rows} {_read_back(receipt)}", soft_wrap=True)


def _print_child(console: Console, mode: str, child: dict[str, Any]) -> None:
    """One line: the child table's own balance and what was read back."""
    counts = f"{child['rows']:,} rows = inserted {child['inserted']:,} + rejected {child['rejected']:,}"
    left_out = f" ({child['left_out']:,} left out with their parents)" if child["left_out"] else ""
    said = _read_back(child["receipt"])
    console.print(f"  child table {child['target']}: {mode}, {counts}{left_out}, {said}", soft_wrap=True)


def _read_back(receipt: dict[str, Any] | None) -> str:
    if receipt is None:
        return "not read back"
    verdict = {True: "equal", False: "DIFFERS", None: "not compared"}[receipt["equal"]]
    return f"read back at level {receipt['level']}: {verdict}"
