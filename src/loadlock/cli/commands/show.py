"""`loadlock show ID`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from loadlock.cli.common import looks, print_json, print_table

_ENCODING_COLUMNS = ("file", "encoding", "found by", "confidence", "runner-up", "high bytes", "rows in another")


def _encoding(file: Mapping[str, Any]) -> tuple[Any, ...]:
    found = file["encoding"]
    confidence = found.get("confidence")
    return (
        file["name"], found.get("name"), found.get("how"), None if confidence is None else f"{confidence:.2f}",
        found.get("runner_up"), found.get("high_bytes"), found.get("fallback_rows"),
    )  # fmt: skip


@click.command()
@click.argument("id_")
@looks
def command(id_: str, *, as_json: bool, workspace: str | None) -> int:
    """Show one run (its balance, rejects, receipts, what each rule did) or one batch (its files and runs)."""
    from loadlock.cli.balance import print_balance
    from loadlock.cli.sample import print_rules
    from loadlock.workflow.lists import show

    document = show(workspace, id_)
    if as_json:
        print_json(document)
    elif "balance" in document:
        print_balance({**document, "noop": False})
        if document.get("cause"):
            click.echo(f"cause: {document['cause']}")
        print_table(_ENCODING_COLUMNS, (_encoding(file) for file in document.get("files", []) if file.get("encoding")))
        print_rules((document.get("tallies") or {}).get("rules", []))
        print_table(("at", "event"), ((event["at"], event["text"]) for event in document["events"]))
    else:
        click.echo(
            f"batch {document['batch']}\npipeline {document['pipeline']}, {document['status']}, {document['created']}"
        )
        print_table(("file", "bytes", "sha256"), ((f["name"], f["bytes"], f["sha256"]) for f in document["files"]))
        print_table(("run", "status", "started"), ((r["run"], r["status"], r["started"]) for r in document["runs"]))
    return 0
