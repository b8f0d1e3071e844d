"""What the columns of raw tables hold: counts of what each value can be, so that types can be proposed with reasons."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from loadlock import rows

if TYPE_CHECKING:
    import pyarrow as pa

_TWINS = re.compile("%[dm]")
_NOT_DATA = frozenset((*rows.PROVENANCE, *rows.IDENTITY))


@dataclass(frozen=True, kw_only=True)
class ColumnProfile:
    """One column. Values are counted trimmed; `values` leaves out nulls, blank texts and words for null."""

    name: str
    rows: int = 0
    nulls: int = 0
    empties: int = 0
    null_words: Mapping[str, int] = field(default_factory=dict)
    values: int = 0
    distinct: int = 0
    """About; exact up to 2,048."""
    unique: bool | None = None
    """Whether no value stands twice; None: not known."""
    min_length: int = 0
    max_length: int = 0
    digits: int = 0
    """Most digits before the decimal mark, over all values that are numbers."""
    scale: int = 0
    """Most digits behind it."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """`padded`, `inner_spaces`, `odd_spaces`, `invisible`, `entities`, `mojibake`, `email`, `phone`, `iban`, `uuid`, `json`,
    `leading_zeros`, `negative`, `plus_signs`, `either_point`, `iso_padded`, `percent`, `currency` and `number_<kind>`: how
    many values."""
    kinds: Mapping[str, int] = field(default_factory=dict)
    """Each value in one of `integer`, `decimal`, `float`, `number` (as people write it), `moment`, `zoned`, `time`, `other`."""
    moments: Mapping[frozenset[str], int] = field(default_factory=dict)
    """Set of date and time formats → how many values fit just these."""
    spans: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Date format → earliest and latest day that its values stand for."""
    clocks: Mapping[frozenset[str], int] = field(default_factory=dict)
    """The same for times of day."""
    words: Mapping[str, int] | None = None
    """All different values with their counts, where they are few."""
    patterns: Mapping[str, int] | None = None
    """Pattern (digits as 9, letters as a or A) → values, where the patterns are few."""
    exact: bool = True
    """Whether the patterns have a sign for each character; else one for each run of digits or letters."""
    pattern_examples: Mapping[str, str] = field(default_factory=dict)
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Kind (or name of a count) → some of its values."""
    moment_examples: Mapping[frozenset[str], tuple[str, ...]] = field(default_factory=dict)

    def count(self, name: str) -> int:
        """One of `counts`, 0 if it is not there."""
        return self.counts.get(name, 0)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """All columns in the order in which they were first seen."""

    rows: int
    columns: tuple[ColumnProfile, ...]
    headers: tuple[tuple[str, ...], ...] = ()
    """The different headers of the tables."""

    def apart(self, first: str, second: str) -> bool:
        """Whether no table has both columns: then they may be one column under two names."""
        return not any(first in header and second in header for header in self.headers)


def profile(tables: Iterable[pa.Table]) -> Profile:
    """Count over raw tables (columns of strings; provenance and other types are passed over), one table at a time.

    Memory holds one table and small sums, and 8 bytes a value for columns in which nothing is repeated.
    """
    import duckdb

    from loadlock.cleanup._profile_column import ColumnCounter

    counters: dict[str, ColumnCounter] = {}
    headers: dict[tuple[str, ...], None] = {}
    total = 0
    with duckdb.connect(config={"threads": 1}) as connection:
        for table in tables:
            total += table.num_rows
            names = _names(table)
            headers.setdefault(tuple(names))
            for name in names:
                counter = counters.setdefault(name, ColumnCounter(name))
                counter.add(_strings(table[name]), connection)
    return Profile(rows=total, columns=tuple(_finished(one) for one in counters.values()), headers=tuple(headers))


def _names(table: pa.Table) -> list[str]:
    import pyarrow as pa

    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_null)
    return [
        column.name
        for column in table.schema
        if column.name not in _NOT_DATA and any(test(_plain_type(column.type)) for test in texts)
    ]


def _plain_type(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _strings(column: pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa

    return column.cast(pa.string()).combine_chunks()


def _finished(counter: Any) -> ColumnProfile:
    return ColumnProfile(
        name=counter.name,
        rows=counter.counts["rows"],
        nulls=counter.counts["nulls"],
        empties=counter.counts["empties"],
        null_words=dict(counter.null_words),
        values=counter.counts["values"],
        distinct=counter.distinct(),
        unique=counter.unique(),
        min_length=counter.min_length or 0,
        max_length=counter.max_length,
        digits=counter.digits,
        scale=counter.scale,
        counts={name: count for name, count in counter.counts.items() if count},
        kinds=dict(counter.kinds),
        moments=dict(counter.moments),
        spans=dict(counter.spans),
        clocks=dict(counter.clocks),
        words=None if counter.words is None else dict(counter.words),
        patterns=counter.patterns.found()[0],
        exact=counter.patterns.found()[1],
        pattern_examples=dict(counter.patterns.examples),
        examples={kind: tuple(values) for kind, values in counter.examples.items()},
        moment_examples={formats: tuple(values) for formats, values in counter.moment_examples.items()},
    )


def merged(first: ColumnProfile, second: ColumnProfile) -> ColumnProfile:
    """Two profiles of what is one column under two names, as one; the name of the first stays."""
    summed: dict[str, Any] = {}
    for entry in fields(ColumnProfile):
        one, other = getattr(first, entry.name), getattr(second, entry.name)
        if entry.name in ("name", "unique", "words", "spans", "patterns", "exact", "pattern_examples"):
            continue
        if isinstance(one, Mapping):
            summed[entry.name] = {key: _sum(one.get(key), other.get(key)) for key in {**one, **other}}
        else:
            summed[entry.name] = _sum(one, other)
    for name in ("max_length", "digits", "scale"):
        summed[name] = max(getattr(first, name), getattr(second, name))
    summed["min_length"] = min(first.min_length, second.min_length)
    summed["unique"] = False if False in (first.unique, second.unique) else None
    for text, (earliest, latest) in second.spans.items():
        start, end = first.spans.get(text, (earliest, latest))
        summed.setdefault("spans", dict(first.spans))[text] = (min(start, earliest), max(end, latest))
    summed["patterns"] = _joined(first.patterns, second.patterns) if first.exact == second.exact else None
    return replace(first, words=_joined(first.words, second.words), **summed)


def _joined(first: Mapping[str, int] | None, second: Mapping[str, int] | None) -> Mapping[str, int] | None:
    if first is None or second is None:
        return None
    return {word: first.get(word, 0) + second.get(word, 0) for word in {**first, **second}}


def _sum(one: Any, other: Any) -> Any:
    """The sum of two counts or of two tuples of examples; a missing one counts nothing."""
    if one is None or other is None:
        return other if one is None else one
    return one + other


def twin(format_text: str) -> str:
    """The format with day and month swapped: what else `01/02/2024` can mean. The same text where that can't be."""
    if "%b" in format_text or "%B" in format_text or format_text.startswith(("%Y", "%d.")):
        return format_text
    return _TWINS.sub(lambda match: "%m" if match[0] == "%d" else "%d", format_text)


def as_regex(pattern: str, *, exact: bool) -> str:
    """The regular expression that all values of a pattern match: `AA-9999` → `[A-Z]{2}-[0-9]{4}`."""
    classes = {"9": "[0-9]", "a": "[a-z]", "A": "[A-Z]"}
    found = []
    for run in re.finditer(r"(.)\1*", pattern, re.DOTALL):
        character, length = run[1], len(run[0])
        if character in classes:
            repeated = "+" if not exact else "" if length == 1 else f"{{{length}}}"
            found.append(classes[character] + repeated)
        else:
            found.append(re.escape(character) * length)
    return "".join(found)
