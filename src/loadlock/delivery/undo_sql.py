"""The undo table of a delivery: the rows as they were before, kept beside the target until newer batches push it out.

One table a delivery. Its first column says what the delivery did: `i` inserted the row (only its key is kept), `u` updated
it, `d` deleted it (the old row is kept). In mode scd2 the beginning of a version belongs to its key, and closing a version is
an update. All statements run inside the caller's transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from loadlock.delivery.base import Job
from loadlock.model import Validity

UNDO_PREFIX = "loadlock_undo_"
"""Undo tables are named by this, 8 hex digits of the target's name and 16 of the delivery's id."""
ACTION = "_loadlock_action"
ROLLBACK = "rollback"
"""The mode of the control row that a rollback leaves in the place of the delivery's."""
SHOWN = 20
"""Conflicts that are listed at most."""


def undo_name(target: str, delivery_id: str) -> str:
    """The undo table's name; 39 characters in every database."""
    return undo_prefix(target) + hashlib.md5(delivery_id.encode(), usedforsecurity=False).hexdigest()[:16]


def undo_prefix(target: str) -> str:
    """How the names of all undo tables of one target begin."""
    return f"{UNDO_PREFIX}{hashlib.md5(target.encode(), usedforsecurity=False).hexdigest()[:8]}_"


def rollback_id(job: Job) -> str:
    """Names the rollback of a delivery in the control table."""
    return f"{ROLLBACK} {job.delivery_id}"


def outdated(deliveries: Sequence[tuple[str, str]], present: Collection[str], target: str, keep: int) -> list[str]:
    """Which of the undo tables `present` are to be dropped: all but those of the newest `keep` batches.

    `deliveries` = (delivery id, batch) of the target, newest first.
    """
    batches = list(dict.fromkeys(batch for _, batch in deliveries))[:keep]
    kept = {undo_name(target, delivery) for delivery, batch in deliveries if batch in batches}
    return sorted(name for name in present if name.startswith(undo_prefix(target)) and name not in kept)


@dataclass(frozen=True, kw_only=True)
class UndoTable:
    """`target` and `table` (the undo table) as SQL; the target is `t` in conditions, the undo table `u`."""

    run: Callable[[str], list[tuple[Any, ...]]]
    changed: Callable[[str], int]
    quote: Callable[[str], str]
    target: str
    table: str
    columns: Sequence[str]
    """All columns of the target that can be written."""
    fixed: Collection[str] = ()
    """Those of them that an update can't write."""
    key: Sequence[str] = ()
    restored: Collection[str] | None = None
    """Columns that get their old values back; None: all. An upsert may have written some alone."""
    validity: Validity | None = None
    """In mode scd2."""
    joins: bool = False
    """UPDATE and DELETE name several tables in MySQL's way."""
    insert_words: str = ""

    @property
    def create_sql(self) -> str:
        """An empty table like the target. From an outer join, so that every column may be null."""
        names = ", ".join(f"t.{self.quote(name)}" for name in self.columns)
        action = "cast('d' as char(1))" if self.joins else "cast('d' as varchar(1))"
        return (
            f"create table {self.table} as select {action} as {ACTION}, {names}"
            f" from (select 1 as one) x left join {self.target} t on 1 = 0 where 1 = 0"
        )

    # -- while the delivery is published ----------------------------------------------------------------------------------

    def save_deleted(self, where: str) -> None:
        """Before rows `t` of the target are deleted."""
        self._save("d", f"{self.target} t where {where}")

    def save_updated(self, staging: str, match: str, differs: str) -> None:
        """Before rows `t` are updated from rows `s` of `staging`."""
        self._save("u", f"{self.target} t join {staging} s on {match} where {differs}")

    def save_closed(self, where: str) -> None:
        """Before versions `t` end without another one."""
        self._save("u", f"{self.target} t where {where}")

    def save_inserted(self, staging: str, match: str) -> None:
        """Before the rows `s` that match no `t` are inserted."""
        self._note_inserted({}, f"{staging} s left join {self.target} t on {match}", "false")

    def save_opened(self, moment: str, source: str, changed: str) -> None:
        """Before versions are opened at a moment (as SQL) for rows `s` that match no `t`, or one for which `changed` holds."""
        assert self.validity is not None
        self._note_inserted({self.validity.since: moment}, source, changed)

    def _note_inserted(self, known: dict[str, str], source: str, changed: str) -> None:
        # every column is named: MySQL gives none of its own accord to one that had none in the target
        filled = dict.fromkeys(self.columns, "null") | {name: f"s.{self.quote(name)}" for name in self.key} | known
        names, values = ", ".join(map(self.quote, filled)), ", ".join(filled.values())
        self.changed(
            f"insert into {self.table} ({ACTION}, {names}) select 'i', {values} from {source}"
            f" where t.{self.quote(self.key[0])} is null or {changed}"
        )

    def _save(self, action: str, source: str) -> None:
        names = ", ".join(map(self.quote, self.columns))
        values = ", ".join(f"t.{self.quote(name)}" for name in self.columns)
        self.changed(f"insert into {self.table} ({ACTION}, {names}) select '{action}', {values} from {source}")

    # -- while it is rolled back --------------------------------------------------------------------------------------------

    @property
    def match(self) -> str:
        """The condition that a row `t` has the key of a row `u`, in mode scd2 that it is the same version."""
        names = self.key if self.validity is None else (*self.key, self.validity.since)
        return " and ".join(f"t.{self.quote(name)} = u.{self.quote(name)}" for name in names)

    @property
    def _lives(self) -> str:
        """The condition that a row `t` is what the delivery made of a row `u`."""
        if self.validity is None:
            return self.match
        return f"{self.match} and t.{self.quote(self.validity.until)} is null"

    @property
    def _wrote(self) -> str:
        """The condition that a row `u` stands for a row of the target with the values delivered."""
        return f"u.{ACTION} <> 'd'" if self.validity is None else f"u.{ACTION} = 'i'"

    @property
    def written(self) -> str:
        """The condition on `t` that the delivery inserted or updated it."""
        return f"exists (select 1 from {self.table} u where {self._wrote} and {self._lives})"

    def reopened(self, moment: str) -> bool:
        """Whether others changed the end, set at a moment (as SQL), of a version that the delivery closed."""
        assert self.validity is not None
        until = f"t.{self.quote(self.validity.until)}"
        source = f"{self.table} u left join {self.target} t on {self.match} and {until} = {moment}"
        return int(self.run(f"select count(*) from {source} where u.{ACTION} = 'u' and {until} is null")[0][0]) > 0

    def count(self, actions: str) -> int:
        """Rows of these actions."""
        listed = ", ".join(f"'{action}'" for action in actions)
        return int(self.run(f"select count(*) from {self.table} where {ACTION} in ({listed})")[0][0])

    def gone(self) -> list[dict[str, str | None]]:
        """Keys of written rows that are no longer in the target, some of them."""
        names = ", ".join(f"u.{self.quote(name)}" for name in self.key)
        found = self.run(
            f"select {names} from {self.table} u left join {self.target} t on {self._lives}"
            f" where {self._wrote} and t.{self.quote(self.key[0])} is null order by {names} limit {SHOWN}"
        )
        return [{name: str(value) for name, value in zip(self.key, row, strict=True)} for row in found]

    def delete_inserted(self) -> int:
        """Delete what the delivery inserted."""
        if self.joins:
            return self.changed(
                f"delete t from {self.target} t join {self.table} u on {self.match} where u.{ACTION} = 'i'"
            )
        return self.changed(
            f"delete from {self.target} as t where exists"
            f" (select 1 from {self.table} u where u.{ACTION} = 'i' and {self.match})"
        )

    def restore_updated(self) -> int:
        """Write the old values over what the delivery updated."""
        names = [name for name in self.columns if name not in self.fixed]
        if self.restored is not None:
            names = [name for name in names if name in self.restored]
        if not names:
            return 0
        prefix = "t." if self.joins else ""
        pairs = ", ".join(f"{prefix}{self.quote(name)} = u.{self.quote(name)}" for name in names)
        if self.joins:
            return self.changed(
                f"update {self.target} t join {self.table} u on {self.match} set {pairs} where u.{ACTION} = 'u'"
            )
        return self.changed(
            f"update {self.target} as t set {pairs} from {self.table} u where u.{ACTION} = 'u' and {self.match}"
        )

    def restore_deleted(self) -> int:
        """Insert the rows that the delivery deleted."""
        names = ", ".join(map(self.quote, self.columns))
        return self.changed(
            f"insert into {self.target} ({names}){self.insert_words}"
            f" select {names} from {self.table} u where u.{ACTION} = 'd'"
        )
