"""Compiles the checks that look into a database of the destinations: `unique: {against: target}`, `references: {table: ...}`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from loadlock.cleanup.draft import Draft
from loadlock.cleanup.judging import clean_when
from loadlock.cleanup.plan import TargetCheck
from loadlock.pipeline.model import CheckUse


def target_checks_of(draft: Draft) -> tuple[TargetCheck, ...]:
    """The checks of columns, then those over the row."""
    found: list[TargetCheck] = []
    for column in draft.columns:
        for number, use in enumerate(column.checks):
            found += _compiled(draft, f"columns.{column.name}.checks[{number}]", use, (column.name,))
    for number, use in enumerate(draft.pipeline.checks):
        if use.name == "unique":
            columns: Any = use.options.get("columns") or ()
            found += _compiled(draft, f"checks[{number}]", use, tuple(columns))
    return tuple(found)


def _compiled(draft: Draft, path: str, use: CheckUse, columns: tuple[str, ...]) -> Iterator[TargetCheck]:
    if not _looks_up(use):
        return
    names: tuple[str, ...] = ()
    if use.name == "references":
        also: Mapping[str, str] = use.options.get("also") or {}
        names = (str(use.options.get("column") or columns[0]), *also.values())
        columns = (*columns, *also)
    delivered = {column.name for column in draft.columns} - draft.left_out
    missing = [name for name in columns if name not in delivered]
    for name in missing:
        draft.mistake(path, f"there is no column {name!r} among the delivered ones", "Name one that is delivered.")
    if columns and not missing:
        path, use = clean_when(draft, path, use)
        yield TargetCheck(
            columns=columns,
            severity=use.severity,
            message=use.message,
            path=path,
            when=use.when,
            table=use.options.get("table"),
            names=names,
        )


def _looks_up(use: CheckUse) -> bool:
    """Whether a check looks into a destination's database."""
    if use.name == "unique":
        return use.options.get("against") == "target"
    return use.name == "references" and use.options.get("table") is not None
