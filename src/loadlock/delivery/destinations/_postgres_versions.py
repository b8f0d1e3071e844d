"""Which rows of a table nobody has written since an upsert: PostgreSQL keeps with each version of a row who wrote it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import CONTROL_TABLE
from loadlock.delivery.destinations._postgres_types import CatalogTable
from loadlock.delivery.destinations._server_rehearsal import ServerRehearsal
from loadlock.errors import RefusedError
from loadlock.model import WriteMode

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[Any]

WROTE = "wrote"
"""Key of a control row's marks: the transactions that wrote the rows of an upsert."""
_XIDS_APART = 2**31
"""Transactions until numbers come again; half of it is safe."""


class PostgresVersions(ServerRehearsal[CatalogTable, "Connection"]):
    """Between the steps of a delivery and PostgreSQL's words for them."""

    @property
    def _writes_versions(self) -> bool:
        """Whether the rows of this delivery are found by the transaction that wrote them: all of one publish."""
        return self._job.mode == WriteMode.UPSERT and self._parent is None

    @property
    def _built_on(self) -> list[str]:
        return self._wrote(self._job.spared.run) if self._job.spared.of else []

    def _wrote(self, run: str) -> list[str]:
        """The transactions that wrote the rows of a run's upsert."""
        delivery = self._text(replace(self._job, run=run).delivery_id)
        found = self._run(f"select marks from {self._beside(CONTROL_TABLE)} where delivery_id = {delivery}")
        marks = json.loads(found[0][0] or "{}") if found else {}
        return [str(int(transaction)) for transaction in marks.get(WROTE, [])]

    def untouched(self, run: str) -> int | None:
        """By the transaction that each row names as the one that wrote it."""
        self._connect()
        with self._translated():
            return self._untouched(run)

    def _untouched(self, run: str) -> int | None:
        wrote = self._wrote(run)
        # a row shows the last 32 bits only, which come again
        if not wrote or int(self._run("select txid_current()")[0][0]) - min(map(int, wrote)) >= _XIDS_APART:
            return None
        ids = ", ".join(str(int(transaction) % 2**32) for transaction in wrote)
        found = self._run(f"select count(*) from {self._target} t where t.xmin = any ('{{{ids}}}'::xid[])")
        return int(found[0][0])

    def _check_spared(self) -> None:
        spared = self._job.spared
        if not spared.of:
            return
        self._hold()
        if self._untouched(spared.run) != spared.of:
            raise RefusedError(
                f"{self._label}: others have written to rows of this batch since they were looked at: nothing was published",
                hint="`loadlock resume` sends all rows.",
            )
