"""Read-back: what it says, and what of an earlier delivery it can still say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import Published
from loadlock.delivery.deliver import Delivery
from loadlock.errors import VerifyError
from loadlock.model import Receipt
from loadlock.workflow.overtaken import Overtaken

if TYPE_CHECKING:
    import pyarrow as pa


def compared(delivery: Delivery, rows: Callable[[], Iterable[pa.Table]], later: Overtaken) -> Receipt:
    """The read-back of an earlier delivery, with what later batches did to its rows told apart."""
    if later.replaced_by is not None:
        return replace(delivery.unread(), notes=(str(later.note()),))
    later.rows = 0
    receipt = delivery.verify_again(rows, later.keep)
    # both sides were looked through: our own rows are those that count
    later.rows = receipt.rows - (receipt.read_back or 0) if later.found and receipt.equal else 0
    notes = (*receipt.notes, *filter(None, [later.note()]))
    if receipt.equal is False and (doubt := later.doubt(delivery.job)):
        return replace(receipt, equal=None, notes=(*notes, doubt))
    return replace(receipt, notes=notes)


def check_equal(label: str, receipt: Receipt) -> None:
    """Raise VerifyError where the read-back differs."""
    if receipt.equal is False:
        raise VerifyError(
            f"{label}: the read-back differs from what was delivered"
            f" ({receipt.rows:,} rows delivered, {receipt.read_back or 0:,} read back)",
            hint="Somebody else may write to the table; `loadlock verify BATCH` compares again.",
        )


def published_of(receipt: Mapping[str, Any]) -> Published:
    """The publish that a receipt in the ledger tells of."""
    counts = {name: receipt[name] for name in ("inserted", "updated", "unchanged", "deleted")}
    return Published(**counts, digest=receipt["digest"])
