"""Rows that an insert only left out: their keys at rest, so that a later `verify` does not look for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from loadlock.delivery.deliver import Delivery
from loadlock.ledger.base import PartRecord
from loadlock.model import PartKey, PartKind, WriteMode
from loadlock.workflow.keys import Keys
from loadlock.workflow.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa


def left_scope(run: str, destination: int) -> str:
    """Where the keys lie that a destination had before."""
    return f"{run}-d{destination}-left"


def keep_left(workspace: Workspace, batch: str, scope: str, delivery: Delivery) -> None:
    """Write down the keys that the delivery left out, once it is published."""
    for seq, keys in enumerate(delivery.left(), 1):
        key = PartKey(batch=batch, scope=scope, kind=PartKind.DROPPED, seq=seq)
        workspace.ledger.add_parts([PartRecord(ref=workspace.staging.write(key, keys))])


def without_left(
    workspace: Workspace, batch: str, scope: str, key: tuple[str, ...], tables: Iterable[pa.Table]
) -> Iterator[pa.Table]:
    """The rows that were not left out."""
    with Keys() as keys:
        for record in workspace.ledger.parts(batch, scope, PartKind.DROPPED):
            keys.add(key, workspace.staging.read(record.ref))
        for table in tables:
            yield keys.without(table)


def is_unknown(workspace: Workspace, batch: str, scope: str, mode: WriteMode, receipt: Mapping[str, Any]) -> bool:
    """Whether rows were left out of which nobody knows the keys any more."""
    if mode != WriteMode.INSERT_ONLY or not receipt["unchanged"]:
        return False
    known = sum(record.ref.rows for record in workspace.ledger.parts(batch, scope, PartKind.DROPPED))
    return known != int(receipt["unchanged"])
