"""What a changed pipeline would make of a batch, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from loadlock.cli.common import print_table, problems_text, value_text

_CODES = 12


def print_change(document: Mapping[str, Any]) -> None:
    """Print the document of `preview --batch`."""
    against = document["against"]
    click.secho(f"batch {document['batch'][:12]}, compared with run {against['run']} ({against['status']})", bold=True)
    click.echo(f"changed since: {', '.join(document['changed']) or 'nothing in the pipeline'}")
    click.echo(_headline(document))
    _print_balance(document)
    _print_examples("leave the quarantine", "held back by", document["leave"], "after")
    _print_examples("enter the quarantine", "problems", document["enter"], "before")
    _print_values(document["values"])
    for line in _notes(document):
        click.echo(line)


def _headline(document: Mapping[str, Any]) -> str:
    leave, enter, values = document["leave"], document["enter"], document["values"]
    return (
        f"{leave['rows']:,} of {document['before']['rejected']:,} rows leave the quarantine, {enter['rows']:,} enter it;"
        f" {values['cells']:,} values in {values['rows']:,} delivered rows change"
    )


def _print_balance(document: Mapping[str, Any]) -> None:
    names = ["clean", "rejected", "skipped", "superseded"]
    names += ["discarded"] if document["before"]["discarded"] or document["after"]["discarded"] else []
    rows = [[side, *(f"{document[side][name]:,}" for name in names)] for side in ("before", "after")]
    print_table(("cleanup (rows)", *names), rows)


def _print_examples(title: str, problems: str, side: Mapping[str, Any], values: str) -> None:
    if not side["rows"]:
        return
    codes = ", ".join(
        f"{' '.join(filter(None, (entry['code'], entry['column'])))} {entry['rows']:,}"
        for entry in side["codes"][:_CODES]
    )
    click.secho(f"{side['rows']:,} rows {title}: {codes}", bold=True)
    headers = ("file", "row", problems, "now" if values == "after" else "delivered before as")
    print_table(headers, (_example(example, values) for example in side["examples"]))


def _example(example: Mapping[str, Any], side: str) -> Sequence[Any]:
    values = example[side]
    shown = "left out by a rule" if values is None else ", ".join(f"{k}={value_text(v)}" for k, v in values.items())
    return example["file"], example["row"], problems_text(example), shown


def _print_values(values: Mapping[str, Any]) -> None:
    if values["columns"]:
        click.secho("values that change:", bold=True)
        rows = [row for column in values["columns"] for row in _column_rows(column)]
        print_table(("column", "cells", "before", "after"), rows)
    for key, said in (("columns_gone", "no longer delivered"), ("columns_new", "delivered anew")):
        if values[key]:
            click.echo(f"columns {said}: {', '.join(values[key])}")


def _column_rows(column: Mapping[str, Any]) -> list[Sequence[Any]]:
    retyped = f" ({column['type_before']} → {column['type_after']})" if "type_before" in column else ""
    first = (column["column"] + retyped, f"{column['cells']:,}")
    pairs = [(value_text(one["before"]), value_text(one["after"])) for one in column["examples"]] or [("", "")]
    return [(*(first if number == 0 else ("", "")), *pair) for number, pair in enumerate(pairs)]


def _notes(document: Mapping[str, Any]) -> list[str]:
    notes = [f"{decision['column']}: {decision['reason']}" for decision in document["decisions"]]
    if document["withdrawn"]:
        notes.append(
            f"{document['withdrawn']:,} rows that were clean would be so no more: a rerun takes them out of the destination"
            " (in upsert those that this batch put there and nobody has changed since)"
        )
    if document["refused_by_destination"]:
        notes.append(
            f"{document['refused_by_destination']:,} rows were refused by the destination: whether it takes them now is seen"
            " when they are sent"
        )
    if document["discarded"]:
        notes.append(f"{document['discarded']:,} discarded rows stay out, and are not compared")
    notes += [f"a rerun would stop before publishing: {reason}" for reason in document["stops"]]
    if not document["stops"]:
        notes.append(f"to do it: loadlock rerun {document['batch'][:12]}")
    return notes
