"""PostgreSQL's constraints as searches, and rows tried one by one inside the server. See `_server_sieve`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from loadlock.delivery.destinations._server_sieve import NUMBER, Desk, Reason, Sieve
from loadlock.errors import Refusal

if TYPE_CHECKING:
    import pyarrow as pa

_SIEVE = "pg_temp._loadlock_sieve"
_DOUBTS = "pg_temp._loadlock_doubts"
_NOT_NULL, _FOREIGN_KEY, _UNIQUE, _CHECK = "23502", "23503", "23505", "23514"

_CHECKS = """
select pg_get_expr(c.conbin, c.conrelid),
    array(select a.attname::text from pg_attribute a where a.attrelid = c.conrelid and a.attnum = any (c.conkey))
from pg_constraint c where c.contype = 'c' and c.conrelid = {table}::regclass and c.conname = {name}
"""
_INDEXES = """
select array(select pg_get_indexdef(i.indexrelid, k, true) from generate_series(1, i.indnkeyatts) k),
    pg_get_expr(i.indpred, i.indrelid),
    array(select a.attname::text from pg_attribute a where a.attrelid = i.indrelid and a.attnum > 0
        and (a.attnum = any (i.indkey::int2[]) or a.attnum in (select d.refobjsubid from pg_depend d
            where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid
            and d.refclassid = 'pg_class'::regclass and d.refobjid = i.indrelid)))
from pg_index i where i.indisunique and i.indrelid = {table}::regclass and i.indexrelid in
    (select coalesce(pg_partition_root(c.oid), c.oid) from pg_class c where c.relname = {name} and c.relkind in ('i', 'I'))
"""
_FOREIGN_KEYS = """
select c.confrelid::regclass::text, c.confrelid = {table}::regclass, array(select a.attname::text
        from unnest(c.conkey) with ordinality k(n, i) join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.n
        order by k.i),
    array(select a.attname::text
        from unnest(c.confkey) with ordinality k(n, i) join pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.n
        order by k.i)
from pg_constraint c where c.contype = 'f' and c.confmatchtype = 's' and c.conrelid = {table}::regclass
    and c.conname = {name}
"""
_FUNCTION = (
    "create function pg_temp._loadlock_try(out row_number bigint, out state text, out said text, out broken text,"
    " out field text) returns setof record language plpgsql as "
)
_BODY = """
#variable_conflict use_column
declare
    _loadlock_place tid;
begin
    for _loadlock_place, row_number in select d.ctid, d.{number} from {doubts} d order by 2 loop
        state := ''; said := null; broken := null; field := null;
        begin
            insert into {table} ({names}){words} select {names} from {doubts} d where d.ctid = _loadlock_place;
            if found then
                raise exception using errcode = 'LL000';
            end if;
            state := 'none';
        exception
            when sqlstate 'LL000' then
                null;
            when integrity_constraint_violation or data_exception then
                get stacked diagnostics state := returned_sqlstate, said := message_text, broken := constraint_name,
                    field := column_name;
        end;
        return next;
    end loop;
end
"""


class PostgresSieve(Sieve):
    """`words` = what stands between column list and query of an INSERT."""

    def __init__(self, desk: Desk, words: str) -> None:
        super().__init__(desk)
        self._words = words

    @property
    def sieve(self) -> str:
        """See `Sieve`."""
        return _SIEVE

    def _reasons_for(self, refusal: Refusal) -> Iterator[tuple[str, Reason]]:
        if refusal.code == _NOT_NULL and refusal.column is not None:
            search = f"select {NUMBER} from {_SIEVE} where {self._desk.quote(refusal.column)} is null"
            yield f"not null {refusal.column}", Reason(columns=frozenset({refusal.column}), searches=(search,))
        ways = {_CHECK: self._checks, _UNIQUE: self._indexes, _FOREIGN_KEY: self._foreign_keys}
        if refusal.code in ways and refusal.constraint is not None:
            table, name = self._desk.text(self._desk.table), self._desk.text(refusal.constraint)
            for reason in ways[refusal.code](table, name):
                yield refusal.constraint, reason

    def _checks(self, table: str, name: str) -> Iterator[Reason]:
        for condition, columns in self._desk.run(_CHECKS.format(table=table, name=name)):
            search = f"select {NUMBER} from {_SIEVE} where ({condition}) is false"
            yield Reason(columns=frozenset(columns), searches=(search,))

    def _indexes(self, table: str, name: str) -> Iterator[Reason]:
        for keys, condition, columns in self._desk.run(_INDEXES.format(table=table, name=name)):
            names = [f"k{index}" for index in range(len(keys))]
            shown = ", ".join(f"({key}) as {name}" for key, name in zip(keys, names, strict=True))
            filtered = f" where {condition}" if condition else ""
            ours = f"(select {NUMBER}, {shown} from {_SIEVE}{filtered})"
            theirs = f"(select {shown} from {self._desk.table}{filtered})"
            same = " and ".join(f"s.{name} = t.{name}" for name in names)
            listed = ", ".join(names)
            twice = f"(select {listed}, min({NUMBER}) as n from {ours} g group by {listed} having count(*) > 1)"
            yield Reason(
                columns=frozenset(columns),
                searches=(
                    f"select s.{NUMBER} from {ours} s where exists (select from {theirs} t where {same})",
                    f"select s.{NUMBER} from {ours} s join {twice} t on {same} and s.{NUMBER} > t.n",
                ),
            )

    def _foreign_keys(self, table: str, name: str) -> Iterator[Reason]:
        quote = self._desk.quote
        for parent, is_own, columns, theirs in self._desk.run(_FOREIGN_KEYS.format(table=table, name=name)):
            pairs = list(zip(columns, theirs, strict=True))
            same = " and ".join(f"p.{quote(key)} = s.{quote(column)}" for column, key in pairs)
            given = " and ".join(f"s.{quote(column)} is not null" for column in columns)
            search = (
                f"select s.{NUMBER} from {_SIEVE} s where {given} and not exists (select from {parent} p where {same})"
            )
            if is_own:  # rows may point to others of the same chunk
                search += f" and not exists (select from {_SIEVE} p where {same})"
            yield Reason(columns=frozenset([*columns, *(theirs if is_own else [])]), searches=(search,))

    def _make(self, name: str, columns: Sequence[str]) -> str:
        listed = "".join(f"{self._desk.quote(column)}, " for column in columns)
        self._desk.run(
            f"create temporary table {name} as select {listed}null::bigint as {NUMBER} from {self._desk.table} where false"
        )
        return name

    def _try(self, rows: pa.Table) -> list[Refusal | None]:
        columns = list(self._desk.columns)
        self._desk.send(rows.select([*columns, NUMBER]), self._make(_DOUBTS, columns))
        names = self._names(columns)
        body = _BODY.format(number=NUMBER, doubts=_DOUBTS, table=self._desk.table, names=names, words=self._words)
        self._desk.run(_FUNCTION + self._desk.text(body))
        found = self._desk.run(
            "select state, said, nullif(broken, ''), nullif(field, '') from pg_temp._loadlock_try() order by row_number"
        )
        return [_refusal(*answer) for answer in found]


def _refusal(state: str, message: str | None, constraint: str | None, column: str | None) -> Refusal | None:
    if not state:
        return None
    if message is None:
        return Refusal(message="the table took 0 of 1 rows without an error: a trigger dropped the rest")
    return Refusal(message=message, code=state, constraint=constraint, column=column)
