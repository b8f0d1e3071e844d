"""What cleanup counted: by rule, check and column. Tallies of parts add up, in the parts' order, to those of the batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from decimal import Decimal
from typing import Any, TypeVar

MAX_EXAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class RuleTally:
    """One rule in one column. `looked` counts the column's values that were not null as staged."""

    path: str
    """Place in the pipeline, `columns.amount.rules[0]`."""
    column: str
    rule: str
    looked: int = 0
    changed: int = 0
    rejected: int = 0
    examples: tuple[tuple[str | None, str | None], ...] = ()
    """(before, after), at most `limit`, different ones; none for masked columns."""
    limit: int = MAX_EXAMPLES

    def __add__(self, other: RuleTally) -> RuleTally:
        examples = dict.fromkeys((*self.examples, *other.examples))
        return replace(
            self,
            looked=self.looked + other.looked,
            changed=self.changed + other.changed,
            rejected=self.rejected + other.rejected,
            examples=tuple(examples)[: self.limit],
        )


@dataclass(frozen=True, kw_only=True)
class CheckTally:
    """One check (or declared type, `required`, key): how many rows it found bad."""

    path: str
    column: str | None
    check: str
    severity: str
    message: str
    found: int = 0

    def __add__(self, other: CheckTally) -> CheckTally:
        return replace(self, found=self.found + other.found)


@dataclass(frozen=True, kw_only=True)
class ColumnTally:
    """One column of the clean rows. `low` and `high` are the least and greatest value as text (not for text columns)."""

    name: str
    type: str
    values: int = 0
    nulls: int = 0
    empties: int = 0
    """Empty texts."""
    trimmed: int = 0
    """Values that the declared type freed of white space."""
    emptied: int = 0
    """Empty (or blank) texts that the declared type took as null."""
    low: str | None = None
    high: str | None = None
    shortest: int | None = None
    """Characters; text columns only, as `longest`."""
    longest: int | None = None

    def __add__(self, other: ColumnTally) -> ColumnTally:
        return replace(
            self,
            **{n: getattr(self, n) + getattr(other, n) for n in ("values", "nulls", "empties", "trimmed", "emptied")},
            low=_pick(self.low, other.low, self.type, least=True),
            high=_pick(self.high, other.high, self.type, least=False),
            shortest=_pick(self.shortest, other.shortest, "integer", least=True),
            longest=_pick(self.longest, other.longest, "integer", least=False),
        )


@dataclass(frozen=True, kw_only=True)
class Tallies:
    """Everything that was counted while cleaning one part or more."""

    staged: int = 0
    exploded: int = 0
    clean: int = 0
    rejected: int = 0
    skipped: int = 0
    rules: tuple[RuleTally, ...] = ()
    checks: tuple[CheckTally, ...] = ()
    columns: tuple[ColumnTally, ...] = ()
    codes: tuple[tuple[str, str | None, int], ...] = ()
    """(problem code, column, rows), sorted."""
    bound: dict[str, str] = field(default_factory=dict)
    """Column → the files' column it was read from, where that is not an exact name (shown to the user)."""
    found: tuple[str, ...] = ()
    """Declared columns that at least one part had."""
    unnamed: dict[str, int] = field(default_factory=dict)
    """Files' columns that the pipeline doesn't name → values in them."""
    counts: dict[str, int] = field(default_factory=dict)
    """Other things counted, by name."""

    def __add__(self, other: Tallies) -> Tallies:
        return Tallies(
            **{n: getattr(self, n) + getattr(other, n) for n in ("staged", "exploded", "clean", "rejected", "skipped")},
            rules=_united(self.rules, other.rules, lambda tally: (tally.path, tally.column)),
            checks=_united(
                self.checks, other.checks, lambda tally: (tally.path, tally.column, tally.check, tally.message)
            ),
            columns=_united(self.columns, other.columns, lambda tally: tally.name),
            codes=_codes((*self.codes, *other.codes)),
            bound=self.bound | other.bound,
            found=tuple(dict.fromkeys((*self.found, *other.found))),
            unnamed=_summed(self.unnamed, other.unnamed),
            counts=_summed(self.counts, other.counts),
        )

    def failures(self) -> list[tuple[str, int]]:
        """(message, rows) of checks of severity `fail` that found something."""
        return [(tally.message, tally.found) for tally in self.checks if tally.severity == "fail" and tally.found]

    def warnings(self) -> list[dict[str, Any]]:
        """Checks of severity `warn` that found something."""
        return [
            {
                "path": tally.path,
                "column": tally.column,
                "severity": tally.severity,
                "message": tally.message,
                "rows": tally.found,
            }
            for tally in self.checks
            if tally.severity == "warn" and tally.found
        ]

    def to_json(self) -> dict[str, Any]:
        """A JSON document; `from_json` reads it back."""
        # as `asdict`, which copies all that is within them value by value
        return {name: _plain(value) for name, value in vars(self).items()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Tallies:
        """The tallies of a document made by `to_json`."""
        known = {entry.name for entry in fields(cls)}
        values = {name: value for name, value in document.items() if name in known}
        values["rules"] = tuple(
            RuleTally(**{**tally, "examples": tuple(tuple(pair) for pair in tally["examples"])})
            for tally in values.get("rules", ())
        )
        values["checks"] = tuple(CheckTally(**tally) for tally in values.get("checks", ()))
        values["columns"] = tuple(ColumnTally(**tally) for tally in values.get("columns", ()))
        values["codes"] = tuple((code, column, rows) for code, column, rows in values.get("codes", ()))
        values["found"] = tuple(values.get("found", ()))
        return cls(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(dict(vars(entry)) if is_dataclass(entry) else entry for entry in value)
    return value


T = TypeVar("T")


def _united(left: tuple[T, ...], right: tuple[T, ...], key: Any) -> tuple[T, ...]:
    found: dict[Any, Any] = {key(tally): tally for tally in left}
    for tally in right:
        name = key(tally)
        found[name] = found[name] + tally if name in found else tally
    return tuple(found.values())


def _codes(rows: Iterable[tuple[str, str | None, int]]) -> tuple[tuple[str, str | None, int], ...]:
    sums: dict[tuple[str, str | None], int] = {}
    for code, column, count in rows:
        sums[code, column] = sums.get((code, column), 0) + count
    ordered = sorted(sums.items(), key=lambda item: (item[0][0], item[0][1] or ""))
    return tuple((code, column, count) for (code, column), count in ordered)


def _summed(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    return {name: left.get(name, 0) + right.get(name, 0) for name in {**left, **right}}


def _pick(left: Any, right: Any, kind: str, *, least: bool) -> Any:
    if left is None or right is None:
        return right if left is None else left
    chosen = min if least else max
    if kind in ("integer", "float") or kind.startswith("decimal"):
        return chosen(left, right, key=lambda value: Decimal(str(value)))
    return chosen(left, right)
