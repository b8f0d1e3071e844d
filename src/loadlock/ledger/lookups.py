"""Reading the ledger's tables, and the SQL that more than one method needs. All queries are flat in the batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Select, insert, select

from loadlock.errors import UsageError, WorkspaceError
from loadlock.ledger import records
from loadlock.ledger import schema as tables
from loadlock.ledger.base import BatchRecord, RunRecord
from loadlock.ledger.states import DELIVERED
from loadlock.model import BatchStatus, SourceFile

LISTED = [column for column in tables.runs.c if column.name not in ("pipeline_text", "document")]
NEWEST_RUN = (
    select(tables.runs.c.run)
    .where(tables.runs.c.batch == tables.batches.c.batch)
    .order_by(tables.runs.c.number.desc())
    .limit(1)
    .scalar_subquery()
    .label("newest_run")
)
_CANDIDATES = 6
_NAMES_A_QUERY = 500
_PLURALS = {"run": "runs", "batch": "batches"}


def delivered_files(target: str) -> Select[tuple[str]]:
    """Digests of the files whose batch has a delivered run to this target (`records.target_of`)."""
    return (
        select(tables.files.c.sha256)
        .distinct()
        .join(tables.runs, tables.runs.c.batch == tables.files.c.batch)
        .where(tables.runs.c.target == target, tables.runs.c.status.in_(list(map(str, DELIVERED))))
    )


def delivered_names(target: str, names: Sequence[str]) -> Select[tuple[str, str, str]]:
    """Name, digest and batch of the files under these names whose batch has a delivered run to this target; newest first."""
    return (
        select(tables.files.c.name, tables.files.c.sha256, tables.files.c.batch)
        .join(tables.runs, tables.runs.c.batch == tables.files.c.batch)
        .where(tables.runs.c.target == target, tables.runs.c.status.in_(list(map(str, DELIVERED))))
        .where(tables.files.c.name.in_(list(names)))
        .order_by(tables.runs.c.number.desc())
    )


def delivered_targets(batch: str) -> Select[tuple[str, Any]]:
    """The other batches that are delivered, each with the destinations of each of its delivered runs."""
    return (
        select(tables.batches.c.batch, tables.runs.c.destinations)
        .join(tables.runs, tables.runs.c.batch == tables.batches.c.batch)
        .where(tables.batches.c.status == str(BatchStatus.DELIVERED), tables.batches.c.batch != batch)
        .where(tables.runs.c.status.in_(list(map(str, DELIVERED))))
    )


def portions(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many names as one query may hold, until all had their turn."""
    for start in range(0, len(names), _NAMES_A_QUERY):
        yield names[start : start + _NAMES_A_QUERY]


def add(connection: Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    """Many rows, or none."""
    if rows:
        connection.execute(insert(table), rows)


def run(connection: Connection, run: str) -> RunRecord | None:
    row = connection.execute(select(tables.runs).where(tables.runs.c.run == run)).first()
    return None if row is None else records.run_record(row)


def batch(connection: Connection, batch: str) -> BatchRecord | None:
    found = batches(connection, select(tables.batches, NEWEST_RUN).where(tables.batches.c.batch == batch))
    return found[0] if found else None


def batches(connection: Connection, query: Select[Any]) -> list[BatchRecord]:
    """The batches of a query, each with its files."""
    rows = connection.execute(query).all()
    of_batch: dict[str, list[SourceFile]] = {row.batch: [] for row in rows}
    for names in portions(list(of_batch)):
        chosen = tables.files.c.batch.in_(names)
        listed = select(tables.files).where(chosen).order_by(tables.files.c.batch, tables.files.c.file_index)
        for row in connection.execute(listed):
            of_batch[row.batch].append(records.source_file(row))
    return [records.batch_record(row, of_batch[row.batch]) for row in rows]


def known(connection: Connection, query: Select[Any], word: str, name: str) -> Any:
    """The one row of a query; WorkspaceError where the thing it asks about is not in the ledger."""
    row = connection.execute(query).first()
    if row is None:
        raise WorkspaceError(f"the {word} {name} is not in the ledger")
    return row


def unique(connection: Connection, column: Column[str], prefix: str) -> str:
    """The one name that begins with `prefix`; a whole name always wins."""
    word = str(column.key)
    plural = _PLURALS[word]
    if not prefix:
        raise UsageError(f"no {word} was named", hint=f"`loadlock {plural}` lists them.")
    found: list[str] = []
    if prefix.isascii():
        # a range uses the index, which LIKE does not everywhere
        after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        query = select(column).where(column >= prefix, column < after).order_by(column).limit(_CANDIDATES)
        found = list(connection.execute(query).scalars())
    if len(found) == 1 or found[:1] == [prefix]:
        return found[0]
    if not found:
        raise UsageError(f"there is no {word} {prefix!r}", hint=f"`loadlock {plural}` lists them.")
    names = ", ".join(found[: _CANDIDATES - 1]) + (" ..." if len(found) == _CANDIDATES else "")
    raise UsageError(f"{prefix!r} begins the names of several {plural}: {names}", hint="Give more of its name.")
