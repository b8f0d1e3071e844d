"""What a merge would do, asked of the database before it is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from loadlock.delivery.destinations._merge import Merge
from loadlock.delivery.foreseen import SAMPLES, Foreseen, Sample
from loadlock.errors import RowsRefusedError
from loadlock.model import WriteMode

SHOWN_CHARS = 200
"""A sample quotes at most this many characters of a value."""


def foresee(merge: Merge, rows: int) -> Foreseen:
    """Count and sample what `merge.publish` would do with the rows staged; changes nothing."""
    if merge.mode == WriteMode.DELETE_INSERT:
        return _exchange(merge, rows)
    try:
        merge.check_keys()
    except RowsRefusedError as error:
        return Foreseen(inserted=0, stop=f"the publish would be refused: {error}")
    return _add(merge, rows) if merge.mode == WriteMode.INSERT_ONLY else _merge(merge, rows)


def _exchange(merge: Merge, rows: int) -> Foreseen:
    found = f"{merge.target} t where exists (select 1 from {merge.staging} s where {merge.match})"
    return Foreseen(
        inserted=rows,
        deleted=int(merge.run(f"select count(*) from {found}")[0][0]),
        rows_before=merge.count(merge.target),
        samples=(*_staged(merge, ""), *_going(merge, found)),
    )


def _add(merge: Merge, rows: int) -> Foreseen:
    new = int(merge.run(f"select count(*) from {merge.staging} s where {merge.absent}")[0][0])
    return Foreseen(
        inserted=new,
        unchanged=rows - new,
        rows_before=merge.count(merge.target),
        samples=_staged(merge, f" where {merge.absent}") if new else (),
    )


def _merge(merge: Merge, rows: int) -> Foreseen:
    """Upsert, mirror and scd2."""
    counts = merge.classify().values()
    known, updated, new = (sum(count[index] for count in counts) for index in range(3))
    before = merge.count_current()
    deleted = before - known if merge.ends_missing else 0
    samples: list[Sample] = []
    if new:
        samples += _staged(merge, f" where {merge.absent}")
    if updated:
        samples += _changing(merge)
    if deleted:
        samples += _going(merge, f"{merge.target} t where {merge.missing}")
    return Foreseen(
        inserted=new,
        updated=updated,
        unchanged=known - updated,
        deleted=deleted,
        rows_before=before,
        columns=_columns(merge) if updated else {},
        samples=tuple(samples),
        stop=merge.too_much(rows, deleted, before) if deleted else None,
    )


def _columns(merge: Merge) -> dict[str, int]:
    """Column → rows in which an update changes it."""
    names = merge.compared
    sums = ", ".join(f"sum(case when {merge.changes(name)} then 1 else 0 end)" for name in names)
    found = merge.run(f"select {sums} from {merge.staging} s join {merge.target} t on {merge.match}")[0]
    return {name: int(rows) for name, rows in zip(names, found, strict=True) if rows}


def _list(merge: Merge, side: str, names: Sequence[str]) -> str:
    return ", ".join(f"{side}.{merge.quote(name)}" for name in names)


def _staged(merge: Merge, where: str) -> tuple[Sample, ...]:
    """Rows that would be inserted."""
    wanted = _list(merge, "s", merge.columns)
    found = merge.run(f"select {wanted} from {merge.staging} s{where} limit {SAMPLES}")
    return tuple(_sample("insert", merge, None, _named(merge.columns, row)) for row in found)


def _going(merge: Merge, source: str) -> tuple[Sample, ...]:
    """Rows that would be deleted."""
    found = merge.run(f"select {_list(merge, 't', merge.columns)} from {source} limit {SAMPLES}")
    return tuple(_sample("delete", merge, _named(merge.columns, row), None) for row in found)


def _changing(merge: Merge) -> tuple[Sample, ...]:
    """Rows that would be updated, with the columns that change."""
    names, key = merge.compared, merge.key
    flags = ", ".join(f"case when {merge.changes(name)} then 1 else 0 end" for name in names)
    wanted = ", ".join([_list(merge, "s", key), _list(merge, "t", names), _list(merge, "s", names), flags])
    found = merge.run(
        f"select {wanted} from {merge.staging} s join {merge.target} t on {merge.match}"
        f" where {merge.has_changed} limit {SAMPLES}"
    )
    samples = []
    for row in found:
        first, width = len(key), len(names)
        old, new, differs = (row[first + step * width : first + (step + 1) * width] for step in range(3))
        changed = [name for name, flag in zip(names, differs, strict=True) if flag]
        before, after = _named(names, old), _named(names, new)
        samples.append(
            Sample(
                kind="update",
                key=_named(key, row[:first]),
                before={name: before[name] for name in changed},
                after={name: after[name] for name in changed},
            )
        )
    return tuple(samples)


def _sample(
    kind: str, merge: Merge, before: dict[str, str | None] | None, after: dict[str, str | None] | None
) -> Sample:
    row = before or after or {}
    return Sample(kind=kind, key={name: row.get(name) for name in merge.key}, before=before, after=after)


def _named(names: Sequence[str], row: Sequence[Any]) -> dict[str, str | None]:
    return {name: shown(value) for name, value in zip(names, row, strict=True)}


def shown(value: Any) -> str | None:
    """A value for people."""
    if value is None:
        return None
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}..."
