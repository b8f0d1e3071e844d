"""The constraints of MySQL and MariaDB as searches, and rows tried one by one by strict INSERT. See `_server_sieve`.

The server names a constraint in its message only, each server in other words: all constraints of the kind whose name occurs
there are taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

from loadlock.delivery.destinations._server_sieve import NUMBER, Desk, Reason, Sieve
from loadlock.delivery.names import TableName
from loadlock.delivery.names import quote_backtick as quote
from loadlock.errors import Refusal

if TYPE_CHECKING:
    import pyarrow as pa

_CHECK, _UNIQUE, _FOREIGN_KEY = {"3819", "4025"}, {"1062", "1169"}, {"1216", "1452"}
_NOT_NULL = "1048"
_CHECKS = """
select c.constraint_name, c.check_clause from information_schema.check_constraints c
    join information_schema.table_constraints t on t.constraint_schema = c.constraint_schema
        and t.constraint_name = c.constraint_name{and_table}
where t.constraint_type = 'CHECK' and t.table_schema = {schema} and t.table_name = {table}
"""
_INDEXES = """
select index_name, column_name, sub_part from information_schema.statistics
where table_schema = {schema} and table_name = {table} and non_unique = 0 order by index_name, seq_in_index
"""
_FOREIGN_KEYS = """
select constraint_name, column_name, referenced_table_schema, referenced_table_name, referenced_column_name
from information_schema.key_column_usage
where table_schema = {schema} and table_name = {table} and referenced_table_name is not null
order by constraint_name, ordinal_position
"""


class MysqlSieve(Sieve):
    """`each` tries rows one by one in the table that takes them, `name`.

    A staging table has no foreign keys (making them, and dropping it, would lock the tables that they point to): those of
    `later`, the target, are searched before anything is sent to it. `family` = tables that get rows in the same publish.
    """

    def __init__(
        self,
        desk: Desk,
        name: TableName,
        each: Callable[[pa.Table], list[Refusal | None]],
        *,
        later: TableName | None = None,
        family: Sequence[TableName] = (),
    ) -> None:
        super().__init__(desk)
        self._name = name
        self._each = each
        self._later = later
        self._family = (name, later, *family)

    @cached_property
    def _owed(self) -> dict[str, Reason]:
        """Foreign keys that rows of the staging table will have to meet."""
        if self._later is None:
            return {}
        delivered = set(self._desk.columns)
        found = self._foreign_keys(self._later)
        return {name: reason for name, reason in found if reason.columns <= delivered}

    def foretells(self) -> bool:
        """See `Session.foretells`."""
        self._reasons.update(self._owed)
        return bool(self._owed)

    @property
    def sieve(self) -> str:
        """See `Sieve`."""
        return self._name.beside("_loadlock_sieve").sql(quote)

    def _ask(self, question: str, about: TableName, **more: str) -> list[tuple[str | None, ...]]:
        schema, table = self._desk.text(about.schema or ""), self._desk.text(about.table)
        return self._desk.run(question.format(schema=schema, table=table, **more))

    def _reasons_for(self, refusal: Refusal) -> Iterator[tuple[str, Reason]]:
        if refusal.code == _NOT_NULL:
            found = re.search(r"'(.+)'", refusal.message)
            columns = [name for name in self._desk.columns if found and name == found[1]]
            for name in columns:
                search = f"select {NUMBER} from {self.sieve} where {quote(name)} is null"
                yield f"not null {name}", Reason(columns=frozenset({name}), searches=(search,))
        ways = (
            (_CHECK, self._checks),
            (_UNIQUE, self._indexes),
            (_FOREIGN_KEY, lambda: self._foreign_keys(self._name)),
        )
        for codes, look_up in ways:
            if refusal.code in codes:
                reasons = dict(look_up())
                named = {name: reason for name, reason in reasons.items() if name in refusal.message}
                yield from (named or reasons).items()

    def _checks(self) -> Iterator[tuple[str, Reason]]:
        # only MariaDB has the table's name there, and constraints of the same name in two tables
        mariadb = (
            "select 1 from information_schema.columns where table_schema = 'information_schema'"
            " and table_name = 'CHECK_CONSTRAINTS' and column_name = 'TABLE_NAME'"
        )
        and_table = " and t.table_name = c.table_name" if self._desk.run(mariadb) else ""
        for name, clause in self._ask(_CHECKS, self._name, and_table=and_table):
            # MySQL keeps the clause with its quotes escaped
            condition = str(clause).replace("\\'", "'")
            columns = frozenset(re.findall(r"`((?:[^`]|``)+)`", condition))
            search = f"select {NUMBER} from {self.sieve} where ({condition}) is false"
            yield str(name), Reason(columns=columns, searches=(search,))

    def _indexes(self) -> Iterator[tuple[str, Reason]]:
        for name, rows in groupby(self._ask(_INDEXES, self._name), key=lambda row: row[0]):
            parts = list(rows)
            columns = [str(column) for _, column, prefix in parts if column is not None and prefix is None]
            if len(columns) < len(parts):
                continue
            same = " and ".join(f"t.{quote(column)} = s.{quote(column)}" for column in columns)
            given = " and ".join(f"{quote(column)} is not null" for column in columns)
            known = (
                f"select s.{NUMBER} from {self.sieve} s where exists (select 1 from {self._desk.table} t where {same})"
            )
            order = f"row_number() over (partition by {self._names(columns)} order by {NUMBER})"
            later = (
                f"select {NUMBER} from (select {NUMBER}, {order} as n from {self.sieve} where {given}) s where n > 1"
            )
            yield str(name), Reason(columns=frozenset(columns), searches=(known, later))

    def _foreign_keys(self, table: TableName) -> Iterator[tuple[str, Reason]]:
        for name, rows in groupby(self._ask(_FOREIGN_KEYS, table), key=lambda row: row[0]):
            pairs = list(rows)
            parent = TableName(schema=pairs[0][2], table=str(pairs[0][3]))
            if parent in self._family:  # what they point to may come with them
                continue
            columns = [str(row[1]) for row in pairs]
            same = " and ".join(f"p.{quote(str(row[4]))} = s.{quote(str(row[1]))}" for row in pairs)
            given = " and ".join(f"s.{quote(column)} is not null" for column in columns)
            search = (
                f"select s.{NUMBER} from {self.sieve} s"
                f" where {given} and not exists (select 1 from {parent.sql(quote)} p where {same})"
            )
            yield str(name), Reason(columns=frozenset(columns), searches=(search,))

    def _make(self, name: str, columns: Sequence[str]) -> str:
        """The outer join makes every column nullable. A temporary table outlives the transaction: the last is dropped."""
        listed = "".join(f", t.{quote(column)}" for column in columns)
        self._desk.run(f"drop temporary table if exists {name}")
        self._desk.run(
            f"create temporary table {name} engine = InnoDB"
            f" select cast(0 as signed) as {NUMBER}{listed} from (select 1 as one) o left join {self._desk.table} t on false"
            " where false"
        )
        return name

    def _try(self, rows: pa.Table) -> list[Refusal | None]:
        found = self._each(rows.select(list(self._desk.columns)))
        if not self._owed:
            return found
        read = sorted(frozenset().union(*(reason.columns for reason in self._owed.values())))
        self._desk.send(rows.select([*read, NUMBER]), self._make(self.sieve, read))
        for name, reason in self._owed.items():
            for (number,) in self._desk.run(reason.searches[0]):
                message = f"Cannot add or update a child row: the foreign key constraint {name} fails"
                found[int(number)] = found[int(number)] or Refusal(message=message, code="1452", constraint=name)
        return found
